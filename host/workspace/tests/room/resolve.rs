//! Branches, roots, reachability.

use std::fs;
use std::path::Path;

use orc_domain::plan::BaseCommit;
use orc_domain::{ErrorCode, OrcError};
use orc_workspace::{Reach, WorkspaceError};

use crate::lab::{Lab, execution, git_in, project_name, put};

async fn refused(lab: &Lab, root: &Path, branch: &str) -> (WorkspaceError, OrcError) {
    let make = || lab.room.resolve(root, branch);
    (make().await.unwrap_err(), make().await.unwrap_err().into())
}

#[tokio::test]
async fn a_branch_is_its_tip() {
    let lab = Lab::new();
    let first = lab.head();
    lab.git(&["branch", "feature/x"]);
    let second = lab.commit();
    for (branch, commit) in [("main", &second), ("feature/x", &first)] {
        let base = lab.room.resolve(&lab.project(), branch).await.unwrap();
        assert_eq!(base, BaseCommit { branch: branch.to_owned(), commit: commit.clone() });
    }
    lab.git(&["pack-refs", "--all"]);
    assert_eq!(lab.room.resolve(&lab.project(), "feature/x").await.unwrap().commit, first, "packed refs are refs");
}

#[tokio::test]
async fn a_branch_is_a_name_and_not_a_revision() {
    let lab = Lab::new();
    lab.commit();
    for expression in ["main~1", "main^", "main@{0}", "HEAD", "@", "refs/heads/main", ":/a commit", "--all", "-h", "main\0x", "", "../main"]
    {
        let (error, _) = refused(&lab, &lab.project(), expression).await;
        assert!(matches!(error, WorkspaceError::UnknownBranch { .. }), "{expression}: {error}");
    }
    // Git does not make such a branch, but a file does.
    fs::copy(lab.project().join(".git/refs/heads/main"), lab.project().join(".git/refs/heads/-x")).unwrap();
    let head = lab.head();
    match lab.room.resolve(&lab.project(), "-x").await {
        Ok(base) => assert_eq!(base.commit, head),
        Err(error) => assert!(matches!(error, WorkspaceError::UnknownBranch { .. }), "{error}"),
    }
}

#[tokio::test]
async fn an_unknown_branch_names_the_near_ones() {
    let lab = Lab::new();
    lab.git(&["branch", "release"]);
    let (error, orc) = refused(&lab, &lab.project(), "mian").await;
    assert!(matches!(error, WorkspaceError::UnknownBranch { .. }));
    assert_eq!(orc.code, ErrorCode::ConfigInvalid);
    assert_eq!(orc.hint.as_deref(), Some("did you mean `main`?"));
}

#[tokio::test]
async fn roots_that_are_none() {
    let lab = Lab::new();
    let outside = lab.dir.path().join("plain");
    fs::create_dir(&outside).unwrap();
    let (error, orc) = refused(&lab, &outside, "main").await;
    assert!(matches!(error, WorkspaceError::NotGit { .. }), "{error}");
    assert!(orc.hint.unwrap().contains("can be read, not built"));

    let (error, orc) = refused(&lab, &lab.project().join("src"), "main").await;
    assert!(matches!(error, WorkspaceError::NotTopLevel { .. }), "{error}");
    assert!(orc.hint.unwrap().contains(lab.project().canonicalize().unwrap().to_str().unwrap()));

    let bare = lab.dir.path().join("bare.git");
    lab.git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    assert!(matches!(refused(&lab, &bare, "main").await.0, WorkspaceError::Bare { .. }));

    let empty = lab.dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    git_in(&empty, &["init", "-q", "-b", "main"]);
    assert!(matches!(refused(&lab, &empty, "main").await.0, WorkspaceError::EmptyRepository { .. }));

    assert!(matches!(refused(&lab, &lab.dir.path().join("absent"), "main").await.0, WorkspaceError::NoProject { .. }));
}

#[tokio::test]
async fn a_broken_git_file_is_an_error_and_never_followed_blindly() {
    let lab = Lab::new();
    let root = lab.dir.path().join("pointed");
    for (content, expected) in [("nonsense", "points nowhere"), ("gitdir: \n", "points nowhere"), ("gitdir: ../absent\n", "cannot find")] {
        put(&root.join(".git"), content);
        let (error, _) = refused(&lab, &root, "main").await;
        assert!(error.to_string().contains(expected), "{content:?}: {error}");
    }
    fs::remove_file(root.join(".git")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, root.join(".git"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let (error, _) = refused(&lab, &root, "main").await;
    assert!(error.to_string().contains("neither a directory nor a file"), "{error}");
}

#[tokio::test]
async fn a_base_that_moved_on_is_reachable_with_its_lag() {
    let lab = Lab::new();
    let base = lab.room.resolve(&lab.project(), "main").await.unwrap();
    assert_eq!(lab.room.reachability(&lab.project(), &base).await.unwrap(), Reach { reachable: true, lag: 0 });
    for _ in 0..3 {
        lab.commit();
    }
    assert_eq!(lab.room.reachability(&lab.project(), &base).await.unwrap(), Reach { reachable: true, lag: 3 });
}

#[tokio::test]
async fn rewritten_history_deleted_branches_and_pruned_commits_are_unreachable() {
    let lab = Lab::new();
    lab.write("README", "second\n");
    lab.commit();
    let base = lab.room.resolve(&lab.project(), "main").await.unwrap();
    let gone = Reach { reachable: false, lag: 0 };

    lab.git(&["reset", "-q", "--hard", "HEAD~1"]);
    lab.write("README", "rewritten\n");
    lab.commit();
    assert_eq!(lab.room.reachability(&lab.project(), &base).await.unwrap(), gone);

    lab.git(&["reflog", "expire", "--expire=now", "--all"]);
    lab.git(&["gc", "-q", "--prune=now"]);
    assert_eq!(lab.room.reachability(&lab.project(), &base).await.unwrap(), gone);
    let checkout = lab.room.checkout(&project_name(), &lab.project(), &base.commit, "tree", &execution("gone")).await;
    assert_eq!(OrcError::from(checkout.unwrap_err()).code, ErrorCode::BaseCommitGone);

    let deleted = BaseCommit { branch: "no-such".into(), commit: lab.head() };
    assert_eq!(lab.room.reachability(&lab.project(), &deleted).await.unwrap(), gone);
    let nonsense = BaseCommit { branch: "main".into(), commit: "--output=/tmp/x".into() };
    assert!(matches!(lab.room.reachability(&lab.project(), &nonsense).await, Err(WorkspaceError::ObjectGone { .. })));
}

#[tokio::test]
async fn replace_refs_do_not_count() {
    let lab = Lab::new();
    let honest = lab.commit();
    lab.write("evil", "evil\n");
    let evil = lab.commit();
    lab.git(&["reset", "-q", "--hard", &honest]);
    lab.git(&["replace", &honest, &evil]);
    assert!(lab.git(&["ls-tree", "--name-only", &honest]).contains("evil"), "plain git is fooled");
    let workspace = lab.checkout("replaced").await;
    assert_eq!(workspace.base, honest);
    assert!(!workspace.path.join("evil").exists());
}

#[tokio::test]
async fn a_project_that_is_a_worktree_is_a_project_and_a_submodule_is_none() {
    let lab = Lab::new();
    let worktree = lab.dir.path().join("second tree");
    lab.git(&["worktree", "add", "-q", "-b", "side", worktree.to_str().unwrap()]);
    let base = lab.room.resolve(&worktree, "side").await.unwrap();
    assert_eq!(base.commit, lab.head());
    let made = lab.room.checkout(&project_name(), &worktree, &base.commit, "tree", &execution("tree")).await.unwrap();
    assert!(made.path.join("src/main.rs").exists());

    let outer = lab.dir.path().join("outer");
    fs::create_dir(&outer).unwrap();
    git_in(&outer, &["init", "-q", "-b", "main"]);
    git_in(&outer, &["-c", "protocol.file.allow=always", "submodule", "add", "-q", lab.project().to_str().unwrap(), "inner"]);
    assert!(outer.join("inner/.git").is_file());
    let error = lab.room.resolve(&outer.join("inner"), "main").await.unwrap_err();
    assert!(matches!(&error, WorkspaceError::Elsewhere { dir, .. } if dir.ends_with("outer/.git/modules/inner")), "{error:?}");
}

/// A project is whoever's who can write there; ORC can read every repository of its user.
#[tokio::test]
async fn a_repository_that_is_not_the_projects_is_not_read() {
    let other = Lab::new();
    let secret = other.head();
    let common = other.project().join(".git");
    let worktree = other.dir.path().join("tree");
    other.git(&["worktree", "add", "-q", "-b", "side", worktree.to_str().unwrap()]);
    type Deed = fn(&Path, &Path);
    let table: [(&str, Deed); 7] = [
        ("a link to it", |git, common| std::os::unix::fs::symlink(common, git).unwrap()),
        ("a file that names it", |git, common| fs::write(git, format!("gitdir: {}\n", common.display())).unwrap()),
        ("a worktree of it that is elsewhere", |git, common| {
            fs::write(git, format!("gitdir: {}\n", common.join("worktrees/tree").display())).unwrap();
        }),
        ("a pointer to it behind a directory", |git, common| {
            fs::create_dir(git).unwrap();
            fs::write(git.join("commondir"), common.to_str().unwrap()).unwrap();
        }),
        ("a pointer that points back", |git, common| {
            let fake = git.with_file_name("worktrees");
            fs::create_dir_all(fake.join("x")).unwrap();
            fs::write(fake.join("x/gitdir"), git.to_str().unwrap()).unwrap();
            fs::write(fake.join("x/commondir"), common.to_str().unwrap()).unwrap();
            fs::write(git, format!("gitdir: {}\n", fake.join("x").display())).unwrap();
        }),
        ("objects that are a link to it", |git, common| {
            fs::create_dir_all(git.join("refs/heads")).unwrap();
            std::os::unix::fs::symlink(common.join("objects"), git.join("objects")).unwrap();
        }),
        ("alternates that name it", |git, common| {
            fs::create_dir_all(git.join("objects/info")).unwrap();
            fs::create_dir_all(git.join("refs/heads")).unwrap();
            fs::write(git.join("objects/info/alternates"), format!("{}\n", common.join("objects").display())).unwrap();
        }),
    ];
    for (what, deed) in table {
        let lab = Lab::new();
        let git = lab.project().join(".git");
        let workspace = lab.checkout("before").await;
        fs::rename(&git, lab.dir.path().join("aside")).unwrap();
        deed(&git, &common);
        for dir in [git.clone(), git.with_file_name("worktrees/x")].iter().filter(|dir| dir.is_dir()) {
            fs::write(dir.join("HEAD"), "ref: refs/heads/main\n").unwrap();
        }
        if git.join("refs/heads").is_dir() && !git.is_symlink() {
            fs::write(git.join("refs/heads/main"), format!("{secret}\n")).unwrap();
        }
        let refused = |error: &WorkspaceError| matches!(error, WorkspaceError::Elsewhere { .. } | WorkspaceError::Borrows { .. });
        let error = lab.room.resolve(&lab.project(), "main").await.unwrap_err();
        assert!(refused(&error) && error.to_string().contains(other.dir.path().to_str().unwrap()), "{what}: {error}");
        let made = lab.room.checkout(&project_name(), &lab.project(), &secret, "work", &execution("secret")).await;
        assert!(refused(&made.unwrap_err()), "{what}");
        // Nor where it is put there after ORC has looked.
        let late = lab.room.checkout_tree(&workspace.project, &workspace.base, &secret, "late", &execution("late")).await;
        assert!(late.is_err(), "{what}");
    }
}

#[tokio::test]
async fn sha256_and_reftable_repositories_work_to_the_end() {
    for init in ["--object-format=sha256", "--ref-format=reftable"] {
        if !knows(init) {
            eprintln!("skipped: this git does not know {init}");
            continue;
        }
        let lab = Lab::with_init(&[init]);
        let base = lab.room.resolve(&lab.project(), "main").await.unwrap();
        assert_eq!(base.commit.len(), if init.contains("sha256") { 64 } else { 40 });
        let workspace = lab.checkout("formats").await;
        put(&workspace.path.join("new"), "new\n");
        let status = lab.room.status(&workspace).await.unwrap();
        assert_eq!(status.changes.len(), 1);
        let fresh = lab
            .room
            .checkout_tree(&workspace.project, &workspace.base, &status.captured.tree, "fresh", &execution("formats"))
            .await
            .unwrap();
        assert!(lab.room.status(&fresh).await.unwrap().is_clean(), "{init}");
    }
}

#[tokio::test]
async fn a_shallow_clone_works_and_a_borrowing_one_once_it_is_whole() {
    let lab = Lab::new();
    lab.commit();
    lab.commit();
    let source = format!("file://{}", lab.project().display());
    for (name, args) in [("shallow", vec!["--depth=1"]), ("borrowing", vec!["--shared", "--no-local"])] {
        let root = lab.dir.path().join(name);
        let from = if name == "shallow" { source.clone() } else { lab.project().display().to_string() };
        let args =
            [vec!["clone", "-q"], args.into_iter().filter(|arg| *arg != "--no-local").collect(), vec![&from, root.to_str().unwrap()]]
                .concat();
        git_in(lab.dir.path(), &args);
        if name == "borrowing" {
            let error = lab.room.resolve(&root, "main").await.unwrap_err();
            assert!(error.to_string().contains(lab.project().join(".git/objects").to_str().unwrap()), "{error}");
            let hint = OrcError::from(error).hint.unwrap();
            let mend = hint.split('`').nth(1).unwrap();
            assert!(mend.contains("repack -a -d && rm "), "{mend}");
            git_in(&root, &["repack", "-q", "-a", "-d"]);
            fs::remove_file(root.join(".git/objects/info/alternates")).unwrap();
        }
        let base = lab.room.resolve(&root, "main").await.unwrap();
        assert_eq!(lab.room.reachability(&root, &base).await.unwrap(), Reach { reachable: true, lag: 0 });
        let project = name.parse().unwrap();
        let workspace = lab.room.checkout(&project, &root, &base.commit, "tree", &execution(name)).await.unwrap();
        put(&workspace.path.join("new"), "new\n");
        let captured = lab.room.capture(&workspace).await.unwrap();
        assert_eq!(lab.room.changes(&project, &base.commit, &captured.tree).await.unwrap().len(), 1, "{name}");
    }
}

fn knows(init: &str) -> bool {
    let dir = tempfile::TempDir::new().unwrap();
    crate::lab::plain_git(dir.path()).args(["init", "-q", init]).output().unwrap().status.success()
}
