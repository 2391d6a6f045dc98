//! A checkout is its commit by content: git itself believes whatever stands under an object's name.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use orc_domain::{ErrorCode, OrcError};
use orc_workspace::WorkspaceError;

use crate::lab::{Lab, execution, project_name, put};

/// The file of a loose object.
fn loose(lab: &Lab, id: &str) -> PathBuf {
    lab.project().join(".git/objects").join(&id[..2]).join(&id[2..])
}

/// Puts another object's content under the name of `id`.
fn swap(lab: &Lab, id: &str, other: &str) {
    let file = loose(lab, id);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::copy(loose(lab, other), file).unwrap();
}

fn id_of(lab: &Lab, what: &str) -> String {
    lab.git(&["rev-parse", what])
}

fn written(lab: &Lab, content: &str) -> String {
    let file = lab.dir.path().join("other");
    put(&file, content);
    lab.git(&["hash-object", "-w", file.to_str().unwrap()])
}

fn assert_altered(error: WorkspaceError, named: &str) {
    match &error {
        WorkspaceError::Altered { what, .. } => assert_eq!(what.raw(), named),
        // Of some objects git does look at the hash.
        WorkspaceError::Git { said, .. } => assert!(said.raw().contains(&format!("hash mismatch {named}")), "{error:?}"),
        WorkspaceError::ObjectGone { id } => assert_eq!(id.raw(), named),
        _ => panic!("{error:?}"),
    }
    if matches!(error, WorkspaceError::Altered { .. }) {
        let told = OrcError::from(error);
        assert_eq!(told.code, ErrorCode::WorkspaceFailed);
        assert!(told.hint.unwrap().contains("git fsck"));
    }
}

#[tokio::test]
async fn other_content_under_an_objects_name_is_never_checked_out() {
    // What is swapped, for what, and what is named.
    let evil = |lab: &Lab| written(lab, "#!/bin/sh\necho evil\n");
    let evil_tree = |lab: &Lab| {
        let blob = evil(lab);
        lab.mktree(&format!("100755 blob {blob}\trun.sh\n"), false)
    };
    type Make<'a> = &'a dyn Fn(&Lab) -> String;
    let evil_commit = |lab: &Lab| {
        let tree = evil_tree(lab);
        lab.git(&["commit-tree", "-m", "evil", &tree])
    };
    let table: [(&str, Make<'_>, Option<&str>); 6] = [
        ("HEAD:run.sh", &evil, Some("run.sh")),
        ("HEAD:src/main.rs", &evil, Some("src/main.rs")),
        ("HEAD:link", &|lab| written(lab, "run.sh"), Some("link")),
        ("HEAD:src", &evil_tree, None),
        ("HEAD^{tree}", &evil_tree, None),
        ("HEAD", &evil_commit, None),
    ];
    for (victim, make, named) in table {
        let lab = Lab::new();
        let (commit, id, other) = (lab.head(), id_of(&lab, victim), make(&lab));
        swap(&lab, &id, &other);
        let made = lab.room.checkout(&project_name(), &lab.project(), &commit, "work", &execution("swapped")).await;
        assert_altered(made.expect_err(victim), named.unwrap_or(&id));
        assert!(!lab.state().join("worktrees/ex_swapped/work").exists(), "{victim}: nothing is left to run");
    }
}

#[tokio::test]
async fn what_is_swapped_while_a_command_runs_is_not_verified() {
    for (victim, other) in [("HEAD:run.sh", "#!/bin/sh\nexit 0\n"), ("HEAD:link", "src/main.rs")] {
        let lab = Lab::new();
        let workspace = lab.checkout("work").await;
        put(&workspace.path.join("new"), "new\n");
        let other = written(&lab, other);
        swap(&lab, &id_of(&lab, victim), &other);
        let captured = lab.room.capture(&workspace).await.unwrap();
        let fresh = lab.room.checkout_tree(&workspace.project, &workspace.base, &captured.tree, "fresh", &execution("work")).await;
        assert_altered(fresh.expect_err(victim), victim.strip_prefix("HEAD:").unwrap());
        // The one that was made before is as it was.
        assert_eq!(fs::read_to_string(workspace.path.join("run.sh")).unwrap(), "#!/bin/sh\n");
    }
}

#[tokio::test]
async fn whatever_git_can_check_out_is_proved() {
    let lab = Lab::new();
    let (blob, base) = (id_of(&lab, "HEAD:README"), lab.head());
    let inner = lab.mktree(&format!("160000 commit {base}\tsub\n100755 blob {blob}\tnew\\nline\n"), true);
    let empty = lab.mktree("", false);
    let lines = format!(
        "040000 tree {inner}\tdir\n040000 tree {inner}\tdir-again\n100644 blob {blob}\tdir.txt\n120000 blob {blob}\tdangling\n040000 tree {empty}\tnothing\n"
    );
    let tree = lab.mktree(&lines, false);
    // Modes that git has not written for a long time, and still reads.
    let raw: Vec<u8> =
        [&b"100664 old\0"[..], &(0..40).step_by(2).map(|at| u8::from_str_radix(&blob[at..at + 2], 16).unwrap()).collect::<Vec<_>>()]
            .concat();
    let file = lab.dir.path().join("raw");
    fs::write(&file, raw).unwrap();
    let old = lab.git(&["hash-object", "-t", "tree", "--literally", "-w", file.to_str().unwrap()]);
    for (n, tree) in [tree, old, empty].iter().enumerate() {
        let commit = lab.git(&["commit-tree", "-m", "x", tree]);
        let made = lab.room.checkout(&project_name(), &lab.project(), &commit, "work", &execution(&format!("odd{n}"))).await;
        made.unwrap_or_else(|error| panic!("{n}: {error}"));
    }
}
