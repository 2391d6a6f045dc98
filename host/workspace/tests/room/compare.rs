//! Changes and diffs.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use orc_domain::ports::ChangeKind::{Added, Deleted, Modified};
use orc_workspace::WorkspaceError;

use crate::lab::{Lab, project_name, put};

#[tokio::test]
async fn every_kind_of_change_is_told_with_lines_size_and_mode() {
    let lab = Lab::new();
    let workspace = lab.checkout("kinds").await;
    let at = |path: &str| workspace.path.join(path);
    put(&at("added"), "one\ntwo\n");
    put(&at("README"), "read me\nmore\n");
    fs::remove_file(at("src/main.rs")).unwrap();
    fs::set_permissions(at("run.sh"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(at("link")).unwrap();
    put(&at("link"), "a file now\n");
    fs::write(at("binary"), b"\0\x01\x02").unwrap();
    symlink("added", at("new-link")).unwrap();
    fs::write(at("line\nbreak"), "x\n").unwrap();
    fs::write(workspace.path.join(std::ffi::OsStr::from_bytes(b"not-utf8-\xff")), "x\n").unwrap();
    put(&at("-rf"), "x\n");
    put(&at(":(top)magic"), "x\n");
    put(&at("tab\tname"), "x\n");
    let status = lab.room.status(&workspace).await.unwrap();
    assert!(status.captured.refused.is_empty());
    let told: Vec<_> = status
        .changes
        .iter()
        .map(|change| (change.path.raw(), change.kind, change.added, change.removed, change.binary, change.size, change.mode.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("-rf", Added, 1, 0, false, 2, "100644"),
            (":(top)magic", Added, 1, 0, false, 2, "100644"),
            ("README", Modified, 1, 0, false, 13, "100644"),
            ("added", Added, 2, 0, false, 8, "100644"),
            ("binary", Added, 0, 0, true, 3, "100644"),
            ("line\nbreak", Added, 1, 0, false, 2, "100644"),
            ("link", Modified, 1, 1, false, 11, "100644"),
            ("new-link", Added, 1, 0, false, 5, "120000"),
            ("not-utf8-\\xff", Added, 1, 0, false, 2, "100644"),
            ("run.sh", Modified, 0, 0, false, 10, "100644"),
            ("src/main.rs", Deleted, 0, 1, false, 0, ""),
            ("tab\tname", Added, 1, 0, false, 2, "100644"),
        ]
    );
    assert_eq!(status.captured.tree, lab.plain_tree(&workspace));
}

#[tokio::test]
async fn a_diff_is_cut_where_asked_and_says_so() {
    let lab = Lab::new();
    let workspace = lab.checkout("diff").await;
    put(&workspace.path.join("big"), &"a line of text\n".repeat(10_000));
    let tree = lab.room.capture(&workspace).await.unwrap().tree;
    let whole = lab.room.diff(&project_name(), &workspace.base, &tree, 1 << 20).await.unwrap();
    assert!(!whole.truncated);
    assert!(whole.bytes.starts_with(b"diff --git a/big b/big\nnew file mode 100644\nindex 000000"));
    for bound in [0, 1, 1000, whole.bytes.len() - 1] {
        let cut = lab.room.diff(&project_name(), &workspace.base, &tree, bound).await.unwrap();
        assert!(cut.truncated, "{bound}");
        assert_eq!(cut.bytes, whole.bytes[..bound], "{bound}");
    }
    let exact = lab.room.diff(&project_name(), &workspace.base, &tree, whole.bytes.len()).await.unwrap();
    assert_eq!(exact, whole);
    let none = lab.room.diff(&project_name(), &tree, &tree, 100).await.unwrap();
    assert!(none.bytes.is_empty() && !none.truncated);
}

#[tokio::test]
async fn only_whole_ids_are_compared() {
    let lab = Lab::new();
    let workspace = lab.checkout("ids").await;
    for id in ["main", "--output=/tmp/x", "HEAD", ""] {
        let compared = lab.room.changes(&project_name(), id, &workspace.base).await;
        assert!(matches!(compared, Err(WorkspaceError::ObjectGone { .. })), "{id}");
        let compared = lab.room.diff(&project_name(), &workspace.base, id, 10).await;
        assert!(matches!(compared, Err(WorkspaceError::ObjectGone { .. })), "{id}");
    }
    let other = "other".parse().unwrap();
    assert!(lab.room.changes(&other, &workspace.base, &workspace.base).await.unwrap_err().to_string().contains("no workspace"));
}
