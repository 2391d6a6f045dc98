//! Checkouts: what is in them, that nobody else's is touched, that they go away.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use orc_workspace::WorkspaceError;

use crate::lab::{Lab, execution, git_in, project_name, put};

#[tokio::test]
async fn a_checkout_is_the_commit_in_a_private_directory() {
    let lab = Lab::new();
    let workspace = lab.checkout("first").await;
    assert_eq!(workspace.path, lab.state().join("worktrees/ex_first/first"));
    assert_eq!(fs::read_to_string(workspace.path.join("src/main.rs")).unwrap(), "fn main() {}\n");
    assert_eq!(fs::metadata(workspace.path.join("run.sh")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_link(workspace.path.join("link")).unwrap().to_str(), Some("README"));
    for dir in [&workspace.path, workspace.path.parent().unwrap(), &lab.own()] {
        assert_eq!(fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700, "{}", dir.display());
    }
    assert!(lab.room.status(&workspace).await.unwrap().is_clean());
    assert_eq!(git_in(&workspace.path, &["rev-parse", "HEAD"]), workspace.base, "git works in it");
    assert_eq!(git_in(&workspace.path, &["status", "--porcelain"]), "");
}

#[tokio::test]
async fn the_projects_own_checkout_and_git_directory_stay_as_they_are() {
    let lab = Lab::new();
    lab.write("README", "half-done work of a person\n");
    lab.write("untracked", "theirs\n");
    let before = lab.snapshot();
    let workspace = lab.checkout("dirty").await;
    assert_eq!(fs::read_to_string(workspace.path.join("README")).unwrap(), "read me\n");
    assert!(!workspace.path.join("untracked").exists());
    put(&workspace.path.join("new"), "new\n");
    let captured = lab.room.capture(&workspace).await.unwrap();
    lab.room.checkout_tree(&workspace.project, &workspace.base, &captured.tree, "fresh", &execution("dirty")).await.unwrap();
    lab.room.remove_execution(&execution("dirty")).await.unwrap();
    assert_eq!(lab.snapshot(), before);
}

#[tokio::test]
async fn a_captured_tree_is_checked_out_as_it_was_captured() {
    let lab = Lab::new();
    let workspace = lab.checkout("work").await;
    put(&workspace.path.join("deep/new"), "new\n");
    fs::remove_file(workspace.path.join("README")).unwrap();
    fs::set_permissions(workspace.path.join("src/main.rs"), fs::Permissions::from_mode(0o755)).unwrap();
    let captured = lab.room.capture(&workspace).await.unwrap();
    let fresh = lab.room.checkout_tree(&workspace.project, &workspace.base, &captured.tree, "fresh", &execution("work")).await.unwrap();
    let again = lab.room.checkout_tree(&workspace.project, &workspace.base, &captured.tree, "again", &execution("work")).await.unwrap();
    assert_eq!(fresh.base, again.base, "one tree is one commit");
    assert_eq!(fresh.rules, workspace.base);
    assert_eq!(fs::read_to_string(fresh.path.join("deep/new")).unwrap(), "new\n");
    assert!(!fresh.path.join("README").exists());
    assert_eq!(fs::metadata(fresh.path.join("src/main.rs")).unwrap().permissions().mode() & 0o100, 0o100);
    let status = lab.room.status(&fresh).await.unwrap();
    assert!(status.is_clean());
    assert_eq!(status.captured.tree, captured.tree);
}

#[tokio::test]
async fn names_and_ids_are_checked_before_anything_is_made() {
    let lab = Lab::new();
    let head = lab.head();
    for name in ["", "..", "a/b", "-x", ".git", "A", "a b", "a\nb", &"a".repeat(65)] {
        let made = lab.room.checkout(&project_name(), &lab.project(), &head, name, &execution("names")).await;
        assert!(matches!(made, Err(WorkspaceError::CheckoutName { .. })), "{name:?}");
    }
    for commit in ["", "main", "HEAD", "--force", &head[..12], &"0".repeat(40), &head.to_uppercase()] {
        let made = lab.room.checkout(&project_name(), &lab.project(), commit, "tree", &execution("names")).await;
        assert!(matches!(made, Err(WorkspaceError::ObjectGone { .. })), "{commit:?}");
    }
    let tree = lab.git(&["rev-parse", "HEAD^{tree}"]);
    let made = lab.room.checkout(&project_name(), &lab.project(), &tree, "tree", &execution("names")).await;
    assert!(matches!(made, Err(WorkspaceError::ObjectGone { .. })), "a tree is no commit");
}

#[tokio::test]
async fn of_two_checkouts_of_one_name_one_is_made_and_stays() {
    let lab = Lab::new();
    let head = lab.head();
    let (project, name, execution) = (lab.project(), project_name(), execution("twice"));
    let make = || lab.room.checkout(&name, &project, &head, "twice", &execution);
    let (first, second) = tokio::join!(make(), make());
    let (made, refused) = if first.is_ok() { (first, second) } else { (second, first) };
    assert!(matches!(refused, Err(WorkspaceError::Exists { .. })), "{refused:?}");
    assert!(lab.room.status(&made.unwrap()).await.unwrap().is_clean());
}

#[tokio::test]
async fn many_checkouts_of_one_project_at_a_time() {
    let lab = Lab::new();
    let head = lab.head();
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let (room, project, head) = (lab.room.clone(), lab.project(), head.clone());
            tokio::spawn(async move {
                let execution = execution(&format!("many{number}"));
                let workspace = room.checkout(&project_name(), &project, &head, "tree", &execution).await?;
                put(&workspace.path.join("mine"), &format!("{number}\n"));
                let captured = room.capture(&workspace).await?;
                Ok::<_, WorkspaceError>((workspace, captured.tree))
            })
        })
        .collect();
    let mut git_dirs = BTreeSet::new();
    for (number, task) in tasks.into_iter().enumerate() {
        let (workspace, tree) = task.await.unwrap().unwrap();
        assert_eq!(lab.content(&tree, "mine"), number.to_string());
        git_dirs.insert(workspace.git_dir);
    }
    assert_eq!(git_dirs.len(), 8);
}

#[tokio::test]
async fn what_a_worker_left_is_removed_and_nothing_else() {
    let lab = Lab::new();
    let workspace = lab.checkout("mess").await;
    let outside = lab.dir.path().join("outside");
    put(&outside.join("kept"), "kept\n");
    symlink(&outside, workspace.path.join("to-outside")).unwrap();
    symlink(outside.join("kept"), workspace.path.join("to-file")).unwrap();
    put(&workspace.path.join("closed/inner/file"), "x");
    fs::set_permissions(workspace.path.join("closed/inner"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(workspace.path.join("closed"), fs::Permissions::from_mode(0o500)).unwrap();
    fs::remove_file(workspace.path.join(".git")).unwrap();
    deep(&workspace.path, 700);
    lab.room.remove(&workspace).await.unwrap();
    assert!(!workspace.path.exists() && !workspace.git_dir.exists());
    assert_eq!(fs::read_to_string(outside.join("kept")).unwrap(), "kept\n");
    lab.room.remove(&workspace).await.unwrap();
}

/// Directories in directories, deeper than a path can name.
fn deep(root: &std::path::Path, levels: usize) {
    use rustix::fs::{CWD, Mode, OFlags};
    let open = |dir: std::os::fd::BorrowedFd<'_>, name: &str| rustix::fs::openat(dir, name, OFlags::DIRECTORY, Mode::empty()).unwrap();
    let mut dir = open(CWD, root.to_str().unwrap());
    for _ in 0..levels {
        rustix::fs::mkdirat(&dir, "directory", Mode::RWXU).unwrap();
        dir = open(std::os::fd::AsFd::as_fd(&dir), "directory");
    }
    rustix::fs::openat(&dir, "leaf", OFlags::CREATE | OFlags::WRONLY, Mode::RWXU).unwrap();
}

#[tokio::test]
async fn a_tree_that_is_too_deep_is_refused_by_the_capture() {
    let lab = Lab::new();
    let workspace = lab.checkout("deep").await;
    deep(&workspace.path, 700);
    let captured = lab.room.capture(&workspace).await.unwrap();
    assert_eq!(captured.refused.len(), 1);
    assert_eq!(captured.refused[0].why, orc_workspace::Refusal::TooDeep);
}

#[tokio::test]
async fn executions_that_are_over_are_pruned_and_others_stay() {
    let lab = Lab::new();
    let (over, live) = (lab.checkout("over").await, lab.checkout("live").await);
    let third = execution("neverwas");
    assert_eq!(lab.room.executions().await.unwrap(), [execution("over"), execution("live")].into());
    let pruned = lab.room.prune(&[execution("over"), third].into()).await.unwrap();
    assert_eq!(pruned, [execution("over")].into());
    assert!(!over.path.exists() && !over.git_dir.exists());
    assert!(lab.room.status(&live).await.unwrap().is_clean());
    // As after a crash between the two removals.
    fs::remove_dir_all(&live.path).unwrap();
    lab.room.remove_execution(&execution("live")).await.unwrap();
    assert!(!live.git_dir.exists());
}

#[tokio::test]
async fn an_execution_whose_id_begins_like_anothers_is_another() {
    let lab = Lab::new();
    let (short, long) = (lab.checkout("ab").await, lab.checkout("abc").await);
    lab.room.remove_execution(&execution("ab")).await.unwrap();
    assert!(!short.git_dir.exists());
    assert!(long.git_dir.exists() && long.path.exists());
}

#[tokio::test]
async fn a_project_that_changed_its_object_format_is_refused_with_a_way_out() {
    let lab = Lab::new();
    lab.checkout("old").await;
    fs::remove_dir_all(lab.project().join(".git")).unwrap();
    lab.git(&["init", "-q", "-b", "main", "--object-format=sha256"]);
    let head = lab.commit();
    let made = lab.room.checkout(&project_name(), &lab.project(), &head, "tree", &execution("new")).await.unwrap_err();
    assert!(matches!(made, WorkspaceError::ObjectFormat { .. }));
    assert!(orc_domain::OrcError::from(made).hint.unwrap().contains("flowry.git"));
}
