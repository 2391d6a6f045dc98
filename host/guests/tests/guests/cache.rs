//! The compile cache: what it keeps, what it believes, and what it does with the rest.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orc_domain::ports::Guests;
use orc_domain::verdict::{GuestKind, Verdict};
use orc_guests::{GuestsError, GuestsOptions, WasmGuests};
use tempfile::TempDir;

use crate::support::{Wat, binding, input};

const KEY: [u8; 32] = [42; 32];

fn host(dir: &Path, cache_key: [u8; 32]) -> WasmGuests {
    WasmGuests::new(GuestsOptions { cache_dir: Some(dir.into()), cache_key, concurrent_calls: 1 }).unwrap()
}

/// Loads in a new host, as after a restart, and calls.
async fn verdict(dir: &Path, key: [u8; 32], component: &Arc<[u8]>) -> Verdict {
    let (host, bound) = (host(dir, key), binding(GuestKind::Gate, component, &[]));
    host.load(&bound, Arc::clone(component)).await.unwrap();
    host.gate(&bound, input()).await.outcome.unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let engine = fs::read_dir(dir).unwrap().next().unwrap().unwrap().path();
    let mut files: Vec<_> = fs::read_dir(engine).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn put_aside(dir: &Path) -> usize {
    files(dir).iter().filter(|file| file.extension().is_some_and(|extension| extension == "quarantined")).count()
}

#[tokio::test]
async fn compiled_code_is_kept_privately_and_used_again() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("cache");
    let component = Wat::default().build();
    assert_eq!(verdict(&dir, KEY, &component).await.word(), "pass");
    let [file] = files(&dir).try_into().unwrap();
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::metadata(&file).unwrap();
    assert_eq!(verdict(&dir, KEY, &component).await.word(), "pass");
    let after = fs::metadata(&file).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()), "it was used, not written again");
    assert_eq!(files(&dir), [file]);
}

#[tokio::test]
async fn a_file_that_cannot_be_believed_is_put_aside_and_compiled_anew() {
    let component = Wat::default().build();
    type Tamper = (&'static str, fn(&Path));
    let tamper: [Tamper; 7] = [
        ("truncated", |file| change(file, |bytes| bytes.truncate(bytes.len() / 2))),
        ("empty", |file| change(file, Vec::clear)),
        ("only a tag", |file| change(file, |bytes| bytes.truncate(32))),
        ("one bit of the code", |file| change(file, |bytes| *bytes.last_mut().unwrap() ^= 1)),
        ("one bit of the tag", |file| change(file, |bytes| bytes[0] ^= 1)),
        ("something appended", |file| change(file, |bytes| bytes.push(0))),
        ("a directory", |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir(file).unwrap();
        }),
    ];
    for (what, tamper) in tamper {
        let temp = TempDir::new().unwrap();
        verdict(temp_private(&temp), KEY, &component).await;
        let [file] = files(temp.path()).try_into().unwrap();
        tamper(&file);
        assert_eq!(verdict(temp.path(), KEY, &component).await.word(), "pass", "{what}");
        assert_eq!(put_aside(temp.path()), 1, "{what}");
        assert!(file.is_file(), "{what}: it is cached again");
    }
}

#[tokio::test]
async fn code_of_another_module_key_or_place_is_not_believed() {
    let (pass, other) = (Wat::default().build(), Wat::gate("(i32.store8 (i32.const 68) (i32.const 2)) i32.const 64").build());
    let temp = TempDir::new().unwrap();
    let dir = temp_private(&temp);
    assert_eq!(verdict(dir, KEY, &pass).await.word(), "pass");
    let [of_pass] = files(dir).try_into().unwrap();
    assert_eq!(verdict(dir, KEY, &other).await.word(), "ask");
    let of_other = files(dir).into_iter().find(|file| *file != of_pass).unwrap();

    // A gate that always passes, in the place of one that does not.
    fs::copy(&of_pass, &of_other).unwrap();
    assert_eq!(verdict(dir, KEY, &other).await.word(), "ask");
    assert_eq!(put_aside(dir), 1);

    // What another installation compiled.
    assert_eq!(verdict(dir, [43; 32], &pass).await.word(), "pass");
    assert_eq!(put_aside(dir), 2);

    // A link to a file that would be believed.
    let elsewhere = temp.path().join("elsewhere.cwasm");
    fs::rename(&of_other, &elsewhere).unwrap();
    symlink(&elsewhere, &of_other).unwrap();
    assert_eq!(verdict(dir, KEY, &other).await.word(), "ask");
    assert!(!fs::symlink_metadata(&of_other).unwrap().is_symlink(), "the link was put aside");
}

#[test]
fn a_directory_that_others_can_use_is_refused() {
    let temp = TempDir::new().unwrap();
    let open = |dir: &Path| WasmGuests::new(GuestsOptions { cache_dir: Some(dir.into()), cache_key: KEY, concurrent_calls: 1 }).map(|_| ());
    let shared = temp.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o770)).unwrap();
    let (link, file) = (temp.path().join("link"), temp.path().join("file"));
    let real = temp.path().join("real");
    open(&real).unwrap();
    symlink(&real, &link).unwrap();
    fs::write(&file, "").unwrap();
    for dir in [shared, link, file] {
        let refused = open(&dir);
        assert!(matches!(refused, Err(GuestsError::Cache(_))), "{}: {refused:?}", dir.display());
    }
}

fn change(file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(file).unwrap();
    change(&mut bytes);
    fs::write(file, bytes).unwrap();
}

fn temp_private(temp: &TempDir) -> &Path {
    fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o700)).unwrap();
    temp.path()
}
