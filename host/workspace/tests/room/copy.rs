//! Files that are copied from the project's own checkout.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use orc_domain::Digest;
use orc_workspace::{CollectionLimits, CopyRefusal, WorkspaceError};

use crate::lab::{Lab, put};

fn names(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

#[tokio::test]
async fn files_are_copied_with_mode_and_digest_and_never_captured() {
    let lab = Lab::new();
    lab.write(".env.test", "SECRET=1\n");
    lab.write("certs/local/key.pem", "key\n");
    fs::set_permissions(lab.project().join(".env.test"), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = names(&[".env.test", "certs/local/key.pem"]);
    let planned = lab.room.digests(&lab.project(), &copy).await.unwrap();
    assert_eq!(planned[".env.test"], Digest::of(b"SECRET=1\n"));
    let workspace = lab.checkout("copies").await;
    assert_eq!(lab.room.copy_files(&workspace, &lab.project(), &copy).await.unwrap(), planned);
    assert_eq!(fs::read_to_string(workspace.path.join("certs/local/key.pem")).unwrap(), "key\n");
    assert_eq!(fs::metadata(workspace.path.join(".env.test")).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(lab.room.status(&workspace).await.unwrap().is_clean(), "no rule ignores them, and yet they are not captured");
    // Whatever a worker makes of it.
    fs::write(workspace.path.join(".env.test"), "SECRET=2\n").unwrap();
    assert!(lab.room.status(&workspace).await.unwrap().is_clean());
    lab.room.copy_files(&workspace, &lab.project(), &copy).await.unwrap();
    assert_eq!(fs::read_to_string(workspace.path.join(".env.test")).unwrap(), "SECRET=1\n");
}

#[tokio::test]
async fn what_is_no_plain_file_inside_the_project_is_refused_by_name() {
    let limits = CollectionLimits { copy_bytes: 100, ..CollectionLimits::default() };
    let lab = Lab::with_limits(limits);
    put(&lab.dir.path().join("outside/secret"), "secret\n");
    let project = lab.project();
    symlink(lab.dir.path().join("outside/secret"), project.join("link-out")).unwrap();
    symlink("README", project.join("link-in")).unwrap();
    symlink(lab.dir.path().join("outside"), project.join("dir-link")).unwrap();
    fs::create_dir(project.join("dir")).unwrap();
    let _socket = UnixListener::bind(project.join("socket")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, project.join("fifo"), rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    lab.write("large", &"x".repeat(101));
    let workspace = lab.checkout("refused").await;
    for (path, expected) in [
        ("link-out", CopyRefusal::Link),
        ("link-in", CopyRefusal::Link),
        ("dir-link/secret", CopyRefusal::Link),
        ("dir", CopyRefusal::NotAFile),
        ("socket", CopyRefusal::NotAFile),
        ("fifo", CopyRefusal::NotAFile),
        ("large", CopyRefusal::TooLarge { bound: 100 }),
        ("absent", CopyRefusal::Missing),
        ("README/below", CopyRefusal::Missing),
        ("../outside/secret", CopyRefusal::Path),
        ("src/../README", CopyRefusal::Path),
        ("/etc/passwd", CopyRefusal::Path),
        ("", CopyRefusal::Path),
        ("./README", CopyRefusal::Path),
        ("a\0b", CopyRefusal::Path),
        (".git/config", CopyRefusal::Path),
        ("src/.GIT/config", CopyRefusal::Path),
        ("src/main.rs", CopyRefusal::Tracked),
    ] {
        match lab.room.copy_files(&workspace, &project, &names(&[path])).await {
            Err(WorkspaceError::Copy { why, .. }) => assert_eq!(why, expected, "{path}"),
            other => panic!("{path}: {other:?}"),
        }
    }
    assert!(lab.room.status(&workspace).await.unwrap().is_clean());
}

#[tokio::test]
async fn a_link_in_the_checkout_does_not_lead_a_copy_astray() {
    let lab = Lab::new();
    let outside = lab.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, lab.project().join("conf")).unwrap();
    lab.commit();
    fs::remove_file(lab.project().join("conf")).unwrap();
    lab.write("conf/settings", "x\n");
    let workspace = lab.checkout("astray").await;
    assert!(workspace.path.join("conf").is_symlink());
    assert!(lab.room.copy_files(&workspace, &lab.project(), &names(&["conf/settings"])).await.is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}
