//! Reading a root: what is taken, what is refused by name, and that a half-saved file never gets in.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use orc_config::{RootError, RootSnapshot};

fn root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in [("config/orc.yaml", "version: 1\n"), ("policies/data/rules.yaml", "a: 1\n"), ("phases/x/y/z.json", "{}")] {
        write(root.path(), path, text);
    }
    root
}

fn write(root: &Path, path: &str, text: &str) {
    let full = root.join(path);
    fs::create_dir_all(full.parent().unwrap()).unwrap();
    fs::write(full, text).unwrap();
}

fn error(root: &Path) -> String {
    RootSnapshot::read(root).err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn files_are_taken_and_leftovers_passed_over() {
    let root = root();
    for leftover in ["config/orc.yaml~", "config/#orc.yaml#", "config/.orc.yaml.swp", "policies/4913", "phases/.git/config"] {
        write(root.path(), leftover, "left over");
    }
    symlink("nobody@nowhere.1", root.path().join("config/.#orc.yaml")).unwrap();
    write(root.path(), "elsewhere/file", "not part of it");
    let snapshot = RootSnapshot::read(root.path()).unwrap();
    assert_eq!(snapshot.files.keys().collect::<Vec<_>>(), ["config/orc.yaml", "phases/x/y/z.json", "policies/data/rules.yaml"]);
    assert_eq!(snapshot, RootSnapshot::from_files(snapshot.files.clone()));
}

#[test]
fn the_digest_sees_names_contents_and_borders() {
    let digest = |files: &[(&str, &str)]| {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        RootSnapshot::from_files(files.collect()).digest()
    };
    let base = digest(&[("config/a", "12"), ("config/b", "3")]);
    assert_eq!(base, digest(&[("config/b", "3"), ("config/a", "12")]));
    for other in [
        digest(&[("config/a", "1"), ("config/b", "23")]),
        digest(&[("config/a", "12"), ("config/c", "3")]),
        digest(&[("config/a", "12")]),
        digest(&[("config/a", "12"), ("config/b", "3"), ("config/c", "")]),
        digest(&[]),
    ] {
        assert_ne!(base, other);
    }
    // Computed by hand with sha256sum and printf, from the form that the documentation gives.
    let independent = "sha256:cedcf4e6853678571eaacbd67840372ef223c6a9da00305e79d43106eaf607a6";
    assert_eq!(digest(&[]).to_string(), independent);
}

#[test]
fn what_is_no_plain_file_is_refused_by_name() {
    type Spoil = fn(&Path);
    let cases: [(&str, Spoil); 6] = [
        ("`policies/evil.rhai` in the root is a symbolic link", |root| symlink("/etc/passwd", root.join("policies/evil.rhai")).unwrap()),
        ("`policies` in the root is a symbolic link", |root| {
            fs::rename(root.join("policies"), root.join("real")).unwrap();
            symlink(root.join("real"), root.join("policies")).unwrap();
        }),
        ("`phases/pipe` in the root is a named pipe", |root| {
            rustix::fs::mknodat(rustix::fs::CWD, root.join("phases/pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        }),
        ("`phases/socket` in the root is a socket", |root| {
            std::os::unix::net::UnixListener::bind(root.join("phases/socket")).unwrap();
        }),
        ("not plain UTF-8", |root| fs::write(root.join("config").join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), "").unwrap()),
        ("not plain UTF-8", |root| fs::write(root.join("config/a\u{1b}[31m"), "").unwrap()),
    ];
    for (expected, spoil) in cases {
        let root = root();
        spoil(root.path());
        let error = error(root.path());
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!error.contains('\u{1b}'));
    }
}

#[test]
fn too_much_is_refused() {
    let root = root();
    let large = fs::File::create(root.path().join("phases/large.wasm")).unwrap();
    large.set_len(64 * 1024 * 1024 + 1).unwrap();
    assert!(error(root.path()).contains("`phases/large.wasm` in the root has 67108865 bytes"));
    large.set_len(0).unwrap();
    for number in 0..2000 {
        fs::write(root.path().join(format!("policies/{number}")), "").unwrap();
    }
    assert!(error(root.path()).contains("more than 2000 files"));
    let deep = self::root();
    write(deep.path(), &format!("phases{}/x", "/d".repeat(40)), "");
    assert!(error(deep.path()).contains("folders deeper than 16"));
}

#[test]
fn a_directory_without_config_is_no_root() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(RootSnapshot::read(folder.path()), Err(RootError::NotARoot { .. })));
    assert!(matches!(RootSnapshot::read(&folder.path().join("nothing")), Err(RootError::NotARoot { .. })));
}

/// Saves by rename, over and over, while the root is read: what is read is always one save's whole file.
#[test]
fn a_half_saved_file_never_gets_in() {
    let root = root();
    let path = root.path().join("config/orc.yaml");
    let reads = AtomicU32::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Bounded, so that a failing reader ends the test.
            for round in 0..2000_usize {
                let half = format!("{round:020}").repeat(1 + round % 7);
                let beside = root.path().join("config/orc.yaml.1~");
                fs::write(&beside, format!("{half}\n{half}\n")).unwrap();
                fs::rename(&beside, &path).unwrap();
                if reads.load(Ordering::Relaxed) >= 10 {
                    break;
                }
            }
        });
        for _ in 0..10 {
            match RootSnapshot::read(root.path()) {
                Ok(snapshot) => {
                    let text = String::from_utf8(snapshot.files["config/orc.yaml"].clone()).unwrap();
                    let lines: Vec<&str> = text.lines().collect();
                    assert!(text == "version: 1\n" || (lines.len() == 2 && lines[0] == lines[1]), "half: {text:?}");
                }
                Err(RootError::StillBeingWritten { .. }) => {}
                Err(error) => panic!("{error}"),
            }
            reads.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!(RootSnapshot::read(root.path()).is_ok(), "once it is at rest, it is read");
}
