//! Repositories that try to run something. Each has a canary that leaves a trace where it runs; git is not confined here, so that nothing
//! but its hardening is between the canary and the trace.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use orc_workspace::Workspace;

use crate::lab::{Lab, execution, git_in, plain_git, project_name, put};

/// Each configuration of git that names a program and could matter in a checkout, a capture, a comparison or a look at history.
const CONFIG: &str = r#"
[core]
    fsmonitor = CANARY
    sshCommand = CANARY
    hooksPath = HOOKS
    pager = CANARY
    editor = CANARY
    askPass = CANARY
    gitProxy = CANARY
    alternateRefsCommand = CANARY
    attributesFile = ATTRIBUTES
[filter "evil"]
    clean = CANARY
    smudge = CANARY
    process = CANARY
    required = true
[diff]
    external = CANARY
[diff "evil"]
    command = CANARY
    textconv = CANARY
[merge "evil"]
    driver = CANARY
[alias]
    for-each-ref = !CANARY
    rev-list = !CANARY
    merge-base = !CANARY
    worktree = !CANARY
    checkout = !CANARY
[pager]
    diff-tree = CANARY
    rev-list = CANARY
    for-each-ref = CANARY
[interactive]
    diffFilter = CANARY
[credential]
    helper = !CANARY
[gpg]
    program = CANARY
[commit]
    gpgSign = true
[uploadpack]
    packObjectsHook = CANARY
[protocol]
    allow = always
[protocol "ext"]
    allow = always
[remote "origin"]
    url = ext::CANARY
    uploadpack = CANARY
    promisor = true
    partialCloneFilter = blob:none
    vcs = CANARY
[extensions]
    partialClone = origin
[include]
    path = INCLUDED
"#;

const HOOKS: &[&str] = &[
    "post-checkout",
    "pre-commit",
    "post-index-change",
    "reference-transaction",
    "fsmonitor-watchman",
    "post-rewrite",
    "update",
    "pre-auto-gc",
];

struct Trap {
    lab: Lab,
    trace: PathBuf,
}

impl Trap {
    /// A lab whose project names the canary wherever git takes a program.
    fn new() -> Self {
        let lab = Lab::unconfined();
        let (trace, canary) = (lab.dir.path().join("trace"), lab.dir.path().join("canary"));
        script(&canary, &format!("#!/bin/sh\necho \"$0 $*\" >> {}\ncat\n", trace.display()));
        let hooks = lab.dir.path().join("hooks");
        for dir in [&hooks, &lab.project().join(".git/hooks")] {
            HOOKS.iter().for_each(|hook| script(&dir.join(hook), &format!("#!/bin/sh\nexec {} hook {hook}\n", canary.display())));
        }
        let attributes = "* filter=evil diff=evil merge=evil ident\n*.conf working-tree-encoding=UTF-16\n";
        put(&lab.dir.path().join("attributes"), attributes);
        lab.write(".gitattributes", attributes);
        lab.write(".gitmodules", &format!("[submodule \"x\"]\n\tpath = x\n\turl = ext::{}\n\tupdate = !{0}\n", canary.display()));
        lab.commit();
        put(&lab.dir.path().join("included"), &format!("[core]\n\tfsmonitor = {}\n", canary.display()));
        let config = CONFIG
            .replace("CANARY", canary.to_str().unwrap())
            .replace("HOOKS", hooks.to_str().unwrap())
            .replace("ATTRIBUTES", lab.dir.path().join("attributes").to_str().unwrap())
            .replace("INCLUDED", lab.dir.path().join("included").to_str().unwrap());
        let path = lab.project().join(".git/config");
        fs::write(&path, fs::read_to_string(&path).unwrap() + &config).unwrap();
        // Making the trap sprang it.
        let _ = fs::remove_file(&trace);
        Self { lab, trace }
    }

    fn trace(&self) -> String {
        fs::read_to_string(&self.trace).unwrap_or_default()
    }
}

fn script(path: &std::path::Path, content: &str) {
    put(path, content);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn the_trap_works_on_plain_git() {
    let trap = Trap::new();
    for (args, trace) in [
        (&["status"][..], "canary 2"),
        (&["worktree", "add", "-q", "--detach", "../plain"], "hook "),
        (&["log", "-p", "-1", "--ext-diff"], "canary"),
    ] {
        let _ = fs::remove_file(&trap.trace);
        let _ = plain_git(&trap.lab.project()).args(args).output().unwrap();
        assert!(trap.trace().contains(trace), "{args:?}: {:?}", trap.trace());
    }
}

/// All that the room does with a project, from its branch to the end.
async fn everything(lab: &Lab) -> Workspace {
    let room = &lab.room;
    let base = room.resolve(&lab.project(), "main").await.unwrap();
    assert!(room.reachability(&lab.project(), &base).await.unwrap().reachable);
    let workspace = room.checkout(&project_name(), &lab.project(), &base.commit, "work", &execution("hostile")).await.unwrap();
    put(&workspace.path.join("new.conf"), "new\n");
    put(&workspace.path.join("README"), "changed\n");
    let status = room.status(&workspace).await.unwrap();
    assert_eq!(status.changes.len(), 2);
    room.diff(&project_name(), &base.commit, &status.captured.tree, 1 << 20).await.unwrap();
    let fresh =
        room.checkout_tree(&workspace.project, &workspace.base, &status.captured.tree, "fresh", &execution("hostile")).await.unwrap();
    assert!(room.status(&fresh).await.unwrap().is_clean());
    workspace
}

#[tokio::test]
async fn nothing_that_a_repository_names_is_run() {
    let trap = Trap::new();
    let base = trap.lab.room.resolve(&trap.lab.project(), "main").await.unwrap();
    everything(&trap.lab).await;
    assert_eq!(trap.trace(), "");
    // With a branch that moved on, history is walked.
    let moved = trap.lab.git(&[
        "-c",
        "core.fsmonitor=false",
        "-c",
        "commit.gpgSign=false",
        "commit-tree",
        "-p",
        &base.commit,
        "-m",
        "x",
        "HEAD^{tree}",
    ]);
    fs::write(trap.lab.project().join(".git/refs/heads/main"), format!("{moved}\n")).unwrap();
    let _ = fs::remove_file(&trap.trace);
    assert_eq!(trap.lab.room.reachability(&trap.lab.project(), &base).await.unwrap().lag, 1);
    assert_eq!(trap.trace(), "");
}

#[tokio::test]
async fn nothing_that_a_worker_leaves_is_run() {
    let trap = Trap::new();
    let workspace = everything(&trap.lab).await;
    let canary = trap.lab.dir.path().join("canary");
    // The worker turns its checkout into a repository of its own, and puts one beside it.
    fs::remove_file(workspace.path.join(".git")).unwrap();
    for dir in ["", "sub"] {
        let path = workspace.path.join(dir);
        fs::create_dir_all(&path).unwrap();
        git_in(&path, &["init", "-q"]);
        let config = path.join(".git/config");
        fs::write(&config, fs::read_to_string(trap.lab.project().join(".git/config")).unwrap()).unwrap();
        HOOKS
            .iter()
            .for_each(|hook| script(&path.join(".git/hooks").join(hook), &format!("#!/bin/sh\nexec {} {hook}\n", canary.display())));
    }
    let _ = fs::remove_file(&trap.trace);
    let status = trap.lab.room.status(&workspace).await.unwrap();
    assert_eq!(crate::lab::refusals(&status.captured), [("sub", orc_workspace::Refusal::NestedRepository)]);
    trap.lab.room.diff(&project_name(), &workspace.base, &status.captured.tree, 1 << 20).await.unwrap();
    assert_eq!(trap.trace(), "");
}

#[tokio::test]
async fn a_repository_in_the_place_of_a_submodule_is_not_asked_for_its_status() {
    let trap = Trap::new();
    let lab = &trap.lab;
    let head = fs::read_to_string(lab.project().join(".git/refs/heads/main")).unwrap();
    let tree = lab.mktree(&format!("160000 commit {}\tsub\n", head.trim()), false);
    let commit = git_in(&lab.project(), &["-c", "commit.gpgSign=false", "commit-tree", "-m", "x", &tree]);
    let made = lab.room.checkout(&project_name(), &lab.project(), &commit, "work", &execution("submodule")).await;
    let sub = made.as_ref().unwrap().path.join("sub");
    // Just the commit that the tree names: git would look for changes in its files.
    git_in(&sub, &["clone", "-q", "--shared", lab.project().to_str().unwrap(), "."]);
    assert_eq!(git_in(&sub, &["rev-parse", "HEAD"]), head.trim());
    fs::copy(lab.project().join(".git/config"), sub.join(".git/config")).unwrap();
    let _ = fs::remove_file(&trap.trace);
    let status = lab.room.status(&made.unwrap()).await.unwrap();
    assert_eq!(crate::lab::refusals(&status.captured), [("sub", orc_workspace::Refusal::NestedRepository)]);
    assert!(status.changes.is_empty());
    assert_eq!(trap.trace(), "");
}

#[tokio::test]
async fn a_partial_clone_lacks_objects_and_nothing_is_fetched() {
    let trap = Trap::new();
    let lab = &trap.lab;
    let base = lab.room.resolve(&lab.project(), "main").await.unwrap();
    let blob = git_in(&lab.project(), &["-c", "core.fsmonitor=false", "rev-parse", "HEAD:src/main.rs"]);
    fs::remove_file(lab.project().join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let _ = fs::remove_file(&trap.trace);
    let made = lab.room.checkout(&project_name(), &lab.project(), &base.commit, "work", &execution("partial")).await;
    assert!(made.is_err());
    assert!(!lab.state().join("worktrees/ex_partial/work").exists(), "nothing is left behind");
    assert_eq!(fs::read_dir(lab.own().join("worktrees")).map_or(0, Iterator::count), 0);
    assert_eq!(trap.trace(), "");
}

#[tokio::test]
async fn odd_heads_and_refs_do_no_harm() {
    let trap = Trap::new();
    let lab = &trap.lab;
    let git = lab.project().join(".git");
    let tip = fs::read_to_string(git.join("refs/heads/main")).unwrap();
    for head in ["ref: refs/heads/../../../etc/passwd\n", "ref: -x\n", "", "garbage", "ref: refs/heads/$(canary)\n"] {
        fs::write(git.join("HEAD"), head).unwrap();
        assert_eq!(lab.room.resolve(&lab.project(), "main").await.unwrap().commit, tip.trim());
    }
    std::os::unix::fs::symlink("/etc/passwd", git.join("refs/heads/passwd")).unwrap();
    fs::write(git.join("refs/heads/loop"), "ref: refs/heads/loop\n").unwrap();
    fs::write(git.join("refs/heads/zero"), format!("{}\n", "0".repeat(40))).unwrap();
    for branch in ["passwd", "loop", "zero"] {
        assert!(lab.room.resolve(&lab.project(), branch).await.is_err(), "{branch}");
    }
    assert_eq!(lab.room.resolve(&lab.project(), "main").await.unwrap().commit, tip.trim());
    assert_eq!(trap.trace(), "");
}

#[tokio::test]
async fn a_tree_with_names_that_would_leave_the_checkout_is_refused() {
    let lab = Lab::new();
    let blob = lab.git(&["hash-object", "-w", "README"]);
    for name in ["..", ".git", ".GIT"] {
        let line = format!("100644 blob {blob}\tx\n");
        let inner = lab.mktree(&line, true);
        let outer = lab.mktree(&format!("040000 tree {inner}\t{name}\n"), true);
        let commit = lab.git(&["commit-tree", "-m", "x", &outer]);
        let made = lab.room.checkout(&project_name(), &lab.project(), &commit, "work", &execution("names")).await;
        assert!(made.is_err(), "{name}");
        assert!(!lab.state().join("worktrees/ex_names/x").exists(), "{name}");
    }
}
