//! Captures: what is taken, what is left out, what is refused.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use orc_workspace::{CollectionLimits, Refusal, WorkspaceError};
use rustix::fs::{CWD, FileType, Mode};

use crate::lab::{Lab, execution, git_in, project_name, put, refusals};

#[tokio::test]
async fn a_capture_is_what_git_add_and_write_tree_give() {
    let lab = Lab::new();
    lab.write("docs/a", "a\n");
    lab.write("docs/b", "b\n");
    lab.commit();
    let workspace = lab.checkout("plain").await;
    assert_eq!(lab.room.capture(&workspace).await.unwrap().tree, lab.git(&["rev-parse", "HEAD^{tree}"]), "untouched");
    let at = |path: &str| workspace.path.join(path);
    fs::remove_file(at("docs/a")).unwrap();
    put(&at("docs/c/d/e"), "e\n");
    put(&at("windows.txt"), "one\r\ntwo\r\n");
    put(&at("README"), "changed\n");
    fs::set_permissions(at("README"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("docs/b", at("second-link")).unwrap();
    symlink("../README", at("docs/up")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    put(&at("target/debug/out"), "ignored\n");
    put(&at("some.log"), "ignored\n");
    fs::write(at("empty"), "").unwrap();
    fs::create_dir(at("empty-dir")).unwrap();
    fs::write(workspace.path.join(OsStr::from_bytes(b"bytes-\xfe\xff")), "x").unwrap();
    fs::write(at("new\nline"), "x").unwrap();
    fs::write(at("--force"), "x").unwrap();
    fs::write(at(":!magic"), "x").unwrap();
    fs::write(at("\"quoted\""), "x").unwrap();
    let captured = lab.room.capture(&workspace).await.unwrap();
    assert_eq!(refusals(&captured), []);
    assert_eq!(captured.tree, lab.plain_tree(&workspace));
    assert_eq!(lab.room.capture(&workspace).await.unwrap(), captured, "again the same");
}

#[tokio::test]
async fn files_become_directories_and_the_other_way() {
    let lab = Lab::new();
    lab.write("dir/one", "1\n");
    lab.write("dir/two", "2\n");
    lab.commit();
    let workspace = lab.checkout("swap").await;
    let at = |path: &str| workspace.path.join(path);
    fs::remove_dir_all(at("dir")).unwrap();
    put(&at("dir"), "a file now\n");
    fs::remove_file(at("README")).unwrap();
    put(&at("README/inner"), "a directory now\n");
    fs::remove_dir_all(at("src")).unwrap();
    symlink("dir", at("src")).unwrap();
    let captured = lab.room.capture(&workspace).await.unwrap();
    assert_eq!(refusals(&captured), []);
    assert_eq!(captured.tree, lab.plain_tree(&workspace));
    assert_eq!(lab.paths(&captured.tree), [".gitignore", "README/inner", "dir", "link", "run.sh", "src"]);
}

#[tokio::test]
async fn a_worker_that_stages_commits_or_breaks_its_git_changes_nothing() {
    let lab = Lab::new();
    let workspace = lab.checkout("git").await;
    put(&workspace.path.join("new"), "new\n");
    let expected = lab.room.capture(&workspace).await.unwrap();
    git_in(&workspace.path, &["add", "-A"]);
    git_in(&workspace.path, &["commit", "-q", "-m", "mine"]);
    git_in(&workspace.path, &["update-index", "--assume-unchanged", "README"]);
    put(&workspace.path.join(".git"), "gitdir: /nonexistent\n");
    assert_eq!(lab.room.capture(&workspace).await.unwrap(), expected);
    fs::remove_file(workspace.path.join(".git")).unwrap();
    put(&workspace.path.join(".git/config"), "[core]\n\tfsmonitor = false\n");
    assert_eq!(lab.room.capture(&workspace).await.unwrap(), expected);
    put(&workspace.path.join("README"), "changed behind assume-unchanged\n");
    assert_eq!(lab.room.status(&workspace).await.unwrap().changes.len(), 2);
}

#[tokio::test]
async fn a_file_that_only_looks_unchanged_is_captured() {
    let lab = Lab::new();
    let workspace = lab.checkout("times").await;
    let path = workspace.path.join("README");
    let before = fs::metadata(&path).unwrap();
    fs::write(&path, "RUN ME!\n").unwrap();
    let times = fs::FileTimes::new().set_modified(before.modified().unwrap()).set_accessed(before.accessed().unwrap());
    fs::File::options().write(true).open(&path).unwrap().set_times(times).unwrap();
    assert_eq!(before.len(), fs::metadata(&path).unwrap().len());
    assert_eq!(lab.room.status(&workspace).await.unwrap().changes.len(), 1);
}

/// What a worker puts into a workspace, and what is said about it.
type Planted = (&'static str, fn(&Path), &'static [(&'static str, Refusal)]);

fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

fn init(path: &Path, args: &[&str]) {
    fs::create_dir_all(path).unwrap();
    git_in(path, &[&["init", "-q"], args].concat());
}

const PLANTED: &[Planted] = &[
    ("fifo", |root| fifo(&root.join("pipe")), &[("pipe", Refusal::Fifo)]),
    ("socket", |root| drop(UnixListener::bind(root.join("sock")).unwrap()), &[("sock", Refusal::Socket)]),
    ("absolutelink", |root| symlink("/etc/passwd", root.join("l")).unwrap(), &[("l", Refusal::LinkOutside)]),
    ("leavinglink", |root| symlink("../../../x", root.join("src/l")).unwrap(), &[("src/l", Refusal::LinkOutside)]),
    ("crookedlink", |root| symlink("src/../README", root.join("l")).unwrap(), &[("l", Refusal::LinkOutside)]),
    ("gitlink", |root| symlink(".git", root.join("l")).unwrap(), &[("l", Refusal::LinkOutside)]),
    (
        "linkoverfile",
        |root| {
            fs::remove_file(root.join("README")).unwrap();
            symlink("/etc/passwd", root.join("README")).unwrap();
        },
        &[("README", Refusal::LinkOutside)],
    ),
    (
        "fifooverfile",
        |root| {
            fs::remove_file(root.join("README")).unwrap();
            fifo(&root.join("README"));
        },
        &[("README", Refusal::Fifo)],
    ),
    ("setuid", |root| fs::set_permissions(root.join("run.sh"), fs::Permissions::from_mode(0o4755)).unwrap(), &[("run.sh", Refusal::SetId)]),
    (
        "setgid",
        |root| {
            put(&root.join("new"), "x");
            fs::set_permissions(root.join("new"), fs::Permissions::from_mode(0o2755)).unwrap();
        },
        &[("new", Refusal::SetId)],
    ),
    (
        "unreadable",
        |root| fs::set_permissions(root.join("README"), fs::Permissions::from_mode(0o000)).unwrap(),
        &[("README", Refusal::Unreadable)],
    ),
    (
        "hardlink",
        |root| {
            put(&root.join("new"), "x");
            fs::hard_link(root.join("new"), root.join("target-less")).unwrap();
        },
        &[("new", Refusal::HardLink), ("target-less", Refusal::HardLink)],
    ),
    // The commit has this content already: what is said is only about the new name.
    ("hardlinkoftracked", |root| fs::hard_link(root.join("README"), root.join("new")).unwrap(), &[("new", Refusal::HardLink)]),
    ("large", |root| put(&root.join("new"), &"x".repeat(1001)), &[("new", Refusal::TooLarge)]),
    ("grown", |root| put(&root.join("README"), &"x".repeat(1001)), &[("README", Refusal::TooLarge)]),
    (
        "nested",
        |root| {
            init(&root.join("sub/repo"), &[]);
            put(&root.join("sub/repo/file"), "x");
        },
        &[("sub/repo", Refusal::NestedRepository)],
    ),
    (
        "nestedinnested",
        |root| {
            init(&root.join("repo"), &[]);
            init(&root.join("repo/inner"), &[]);
        },
        &[("repo", Refusal::NestedRepository)],
    ),
    ("bare", |root| init(&root.join("bare"), &["--bare"]), &[("bare", Refusal::NestedRepository)]),
    ("gitfile", |root| put(&root.join("repo/.git"), "gitdir: /tmp\n"), &[("repo", Refusal::NestedRepository)]),
    ("gitintracked", |root| put(&root.join("src/.git"), "gitdir: /tmp\n"), &[("src", Refusal::NestedRepository)]),
    (
        "names",
        |root| {
            put(&root.join(".GIT/config"), "x");
            put(&root.join("a/.Git"), "x");
            put(&root.join("git~1"), "x");
        },
        &[(".GIT/config", Refusal::InvalidName), ("a/.Git", Refusal::InvalidName), ("git~1", Refusal::InvalidName)],
    ),
    ("modules", |root| symlink("README", root.join(".gitmodules")).unwrap(), &[(".gitmodules", Refusal::InvalidName)]),
    // None of these is in the tree, so nobody has to hear of them.
    (
        "ignored",
        |root| {
            fs::create_dir(root.join("target")).unwrap();
            fifo(&root.join("target/pipe"));
            symlink("/etc", root.join("target/etc")).unwrap();
            init(&root.join("target/repo"), &[]);
            init(&root.join("a/target"), &["--bare"]);
            put(&root.join("target/large"), &"x".repeat(1001));
        },
        &[],
    ),
];

#[tokio::test]
async fn what_is_planted_is_refused_by_name_and_the_rest_is_taken() {
    let lab = Lab::with_limits(CollectionLimits { file_bytes: 1000, ..CollectionLimits::default() });
    for (name, plant, expected) in PLANTED {
        let workspace = lab.checkout(name).await;
        put(&workspace.path.join("honest"), "work\n");
        plant(&workspace.path);
        let captured = lab.room.capture(&workspace).await.unwrap();
        assert_eq!(refusals(&captured), *expected, "{name}");
        let paths = lab.paths(&captured.tree);
        assert!(paths.contains(&"honest".to_owned()), "{name}: {paths:?}");
        let refused = |path: &String| {
            expected.iter().any(|(bad, why)| path == bad || *why == Refusal::NestedRepository && path.starts_with(bad) && *bad != "src")
        };
        assert!(!paths.iter().any(refused), "{name}: {paths:?}");
        assert!(!lab.room.status(&workspace).await.unwrap().is_clean(), "{name}");
        let leftover =
            fs::read_dir(&workspace.git_dir).unwrap().any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("orc-capture"));
        assert!(!leftover, "{name}");
        lab.room.remove_execution(&execution(name)).await.unwrap();
    }
}

#[tokio::test]
async fn a_device_is_refused() {
    let lab = Lab::new();
    let workspace = lab.checkout("device").await;
    let made = rustix::fs::mknodat(CWD, workspace.path.join("null"), FileType::CharacterDevice, Mode::RWXU, rustix::fs::makedev(1, 3));
    if made.is_err() {
        eprintln!("skipped: only root makes devices");
        return;
    }
    let captured = lab.room.capture(&workspace).await.unwrap();
    assert_eq!(refusals(&captured), [("null", Refusal::Device)]);
}

#[tokio::test]
async fn what_the_commit_has_already_may_stay_as_it_is() {
    let lab = Lab::with_limits(CollectionLimits { file_bytes: 1000, ..CollectionLimits::default() });
    symlink("/etc/passwd", lab.project().join("absolute")).unwrap();
    lab.write("large", &"x".repeat(2000));
    lab.commit();
    let workspace = lab.checkout("asitwas").await;
    assert!(lab.room.status(&workspace).await.unwrap().is_clean());
    fs::remove_file(workspace.path.join("absolute")).unwrap();
    symlink("/etc/shadow", workspace.path.join("absolute")).unwrap();
    fs::write(workspace.path.join("large"), "y".repeat(2000)).unwrap();
    let captured = lab.room.capture(&workspace).await.unwrap();
    assert_eq!(refusals(&captured), [("absolute", Refusal::LinkOutside), ("large", Refusal::TooLarge)]);
    let paths = lab.paths(&captured.tree);
    assert!(!paths.contains(&"absolute".to_owned()) && !paths.contains(&"large".to_owned()));
}

#[tokio::test]
async fn a_submodule_stays_as_planned() {
    let lab = Lab::new();
    let other = lab.dir.path().join("other");
    init(&other, &["-b", "main"]);
    git_in(&other, &["commit", "-q", "--allow-empty", "-m", "x"]);
    lab.git(&["-c", "protocol.file.allow=always", "submodule", "add", "-q", other.to_str().unwrap(), "sub"]);
    lab.commit();
    let workspace = lab.checkout("submodule").await;
    assert_eq!(fs::read_dir(workspace.path.join("sub")).unwrap().count(), 0, "never fetched");
    assert!(lab.room.status(&workspace).await.unwrap().is_clean());
    put(&workspace.path.join("sub/planted"), "x");
    let status = lab.room.status(&workspace).await.unwrap();
    assert_eq!(refusals(&status.captured), [("sub", Refusal::NestedRepository)]);
    assert!(status.changes.is_empty());
    fs::remove_dir_all(workspace.path.join("sub")).unwrap();
    assert_eq!(lab.room.status(&workspace).await.unwrap().changes.len(), 1);
}

#[tokio::test]
async fn ignore_rules_only_add_up() {
    let lab = Lab::new();
    lab.write(".gitignore", "secrets.env\n/build/\n*.tmp\n!keep.tmp\n");
    lab.write("lib/.gitignore", "generated\n");
    let tracked_though_ignored = "build/tracked";
    lab.write(tracked_though_ignored, "tracked\n");
    lab.git(&["add", "-f", tracked_though_ignored]);
    lab.commit();
    let workspace = lab.checkout("rules").await;
    let at = |path: &str| workspace.path.join(path);
    put(&at("secrets.env"), "TOKEN=1\n");
    put(&at("build/out"), "x");
    put(&at("a.tmp"), "x");
    put(&at("keep.tmp"), "x");
    put(&at("lib/generated"), "x");
    put(&at("dist/bundle.js"), "x");
    put(&at("build/tracked"), "changed\n");
    // The worker takes the planned rules away and adds its own.
    put(&at(".gitignore"), "dist/\n!secrets.env\n");
    fs::remove_file(at("lib/.gitignore")).unwrap();
    let captured = lab.room.capture(&workspace).await.unwrap();
    assert_eq!(
        lab.paths(&captured.tree),
        [".gitignore", "README", "build/tracked", "keep.tmp", "link", "run.sh", "src/main.rs"],
        "what was ignored stays ignored, what is ignored now is too, what is tracked is never"
    );
    assert_eq!(lab.content(&captured.tree, "build/tracked"), "changed");
}

#[tokio::test]
async fn the_operators_own_ignore_files_do_not_count_and_odd_ones_do_no_harm() {
    let lab = Lab::new();
    lab.write(".git/info/exclude", "*\n");
    let workspace = lab.checkout("odd").await;
    put(&workspace.path.join("new"), "x");
    put(&workspace.path.join("a/secret.log"), "x");
    fs::remove_file(workspace.path.join(".gitignore")).unwrap();
    fifo(&workspace.path.join(".gitignore"));
    symlink("/etc/passwd", workspace.path.join("a/.gitignore")).unwrap();
    fs::create_dir_all(workspace.path.join("b/.gitignore/c")).unwrap();
    put(&workspace.path.join("b/.gitignore/c/d"), "x");
    let captured = lab.room.capture(&workspace).await.unwrap();
    assert_eq!(refusals(&captured), [(".gitignore", Refusal::Fifo), ("a/.gitignore", Refusal::LinkOutside)]);
    assert_eq!(lab.paths(&captured.tree), ["README", "b/.gitignore/c/d", "link", "new", "run.sh", "src/main.rs"]);
}

const CONVERTING: &str =
    "*.txt text eol=crlf\n*.auto text=auto\n*.id ident\n*.conf working-tree-encoding=UTF-16\n*.old crlf\n* filter=lfs\n";

#[tokio::test]
async fn bytes_are_not_converted_whoever_asks_for_it() {
    let lab = Lab::new();
    let files =
        [("a.txt", "one\ntwo\r\n"), ("b.auto", "one\r\n"), ("c.id", "$Id: 00 $ $Id$\n"), ("d.conf", "plain\n"), ("e.old", "one\r\n")];
    files.iter().for_each(|(path, content)| lab.write(path, content));
    let unconverted = lab.commit();
    lab.write(".gitattributes", CONVERTING);
    lab.git(&["add", ".gitattributes"]);
    lab.git(&["commit", "-q", "-m", "attributes behind unnormalised files"]);
    for (name, commit) in [("planned", lab.head()), ("worker", unconverted)] {
        let made = lab.room.checkout(&project_name(), &lab.project(), &commit, name, &execution(name)).await;
        let workspace = made.unwrap();
        assert!(lab.room.status(&workspace).await.unwrap().is_clean(), "{name}");
        put(&workspace.path.join(".gitattributes"), CONVERTING);
        put(&workspace.path.join("new.txt"), "one\r\n$Id$\n");
        let tree = lab.room.capture(&workspace).await.unwrap().tree;
        let fresh = lab.room.checkout_tree(&workspace.project, &workspace.base, &tree, "fresh", &execution(name)).await.unwrap();
        assert!(lab.room.status(&fresh).await.unwrap().is_clean(), "{name}");
        for (path, content) in files.iter().chain([&("new.txt", "one\r\n$Id$\n")]) {
            assert_eq!(fs::read_to_string(workspace.path.join(path)).unwrap(), *content, "{name}: {path}");
            assert_eq!(fs::read_to_string(fresh.path.join(path)).unwrap(), *content, "{name}: {path}");
        }
    }
}

#[tokio::test]
async fn attributes_hide_nothing_from_a_comparison() {
    let lab = Lab::new();
    lab.write(".gitattributes", "*.rs -diff binary\n");
    lab.commit();
    let workspace = lab.checkout("hiding").await;
    put(&workspace.path.join(".gitattributes"), "* -diff -text\n");
    put(&workspace.path.join("src/main.rs"), "fn main() { evil() }\n");
    let status = lab.room.status(&workspace).await.unwrap();
    assert_eq!((status.changes[1].binary, status.changes[1].added), (false, 1));
    let diff = lab.room.diff(&project_name(), &workspace.base, &status.captured.tree, 1 << 20).await.unwrap();
    assert!(String::from_utf8(diff.bytes).unwrap().contains("evil"));
}

#[tokio::test]
async fn too_many_files_are_an_error() {
    let lab = Lab::with_limits(CollectionLimits { entries: 20, ..CollectionLimits::default() });
    let workspace = lab.checkout("many").await;
    for number in 0..20 {
        put(&workspace.path.join(format!("target/{number}")), "x");
    }
    assert!(matches!(lab.room.capture(&workspace).await, Err(WorkspaceError::TooMany { bound: 20, .. })));
}

#[tokio::test]
async fn a_workspace_whose_top_became_a_link_is_an_error() {
    let lab = Lab::new();
    let workspace = lab.checkout("top").await;
    fs::rename(&workspace.path, workspace.path.with_extension("moved")).unwrap();
    symlink("/etc", &workspace.path).unwrap();
    assert!(matches!(lab.room.capture(&workspace).await, Err(WorkspaceError::Io { .. })));
    lab.room.remove(&workspace).await.unwrap();
    assert!(Path::new("/etc/passwd").exists());
}
