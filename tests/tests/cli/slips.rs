//! Slips: what was mistyped, named wrongly, put where it cannot be, or given up half way. Nothing is done, and it is said what to do.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use orc_domain::Digest;
use orc_tests::cli::{Shell, has, process_lives, until};
use orc_tests::edit;
use rustix::process::Signal;

use crate::skip;

const PLAN: [&str; 9] = ["plan", "--project", "demo", "--action", "build", "--family", "build_test", "--command-text", "./build.sh"];

fn registry(shell: &Shell) -> String {
    fs::read_to_string(shell.root().join("config/projects.registry.yaml")).unwrap()
}

#[test]
fn migrate_says_what_it_found() {
    let shell = Shell::crew();
    let json = |line: &[&str]| shell.orcctl(&[&["--format", "json"], line].concat()).ok().json();
    let _ = shell.orcctl(&["migrate"]).ok().says("there is none yet").says("orcctl plan");
    assert_eq!(json(&["migrate"])["outcome"], "none_yet");
    assert!(!shell.db().exists());
    let _ = shell.plan("./build.sh");
    let current = shell.orcctl(&["migrate"]).ok().says("is up to date");
    assert!(!current.stdout.contains("none yet"), "{current}");
    let report = json(&["migrate"]);
    assert_eq!((&report["outcome"], report["schema"].as_u64().is_some()), (&"up_to_date".into(), true), "{report}");
    let host = shell.serve();
    let _ = shell.orcctl(&["migrate"]).ok().says("is up to date");
    let _ = host.stop().ok();
}

/// The database of this installation as the version before the newest migration made it.
fn make_older(shell: &Shell) -> u32 {
    let settings = fs::read_to_string(shell.root().join("config/orc.yaml")).unwrap();
    let installation = settings.lines().find_map(|line| line.strip_prefix("installation: ")).unwrap().trim().to_owned();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.pop();
    let _ = fs::remove_dir_all(shell.db().parent().unwrap());
    fs::create_dir_all(shell.db().parent().unwrap()).unwrap();
    let connection = rusqlite::Connection::open(shell.db()).unwrap();
    for (number, file) in (1..).zip(&files) {
        let sql = fs::read_to_string(file).unwrap();
        connection.execute_batch(&sql).unwrap();
        let (name, digest) = (file.file_stem().unwrap().to_str().unwrap(), Digest::of(sql.as_bytes()).to_string());
        connection.execute("INSERT INTO migration VALUES (?1, ?2, ?3, 5)", (number, name, digest)).unwrap();
    }
    connection.execute("INSERT INTO meta VALUES (1, ?1, 'an old root', 5, 3)", [installation]).unwrap();
    let version = u32::try_from(files.len()).unwrap();
    connection.execute_batch(&format!("PRAGMA application_id = {}; PRAGMA user_version = {version}", 0x4f52_4301)).unwrap();
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())).unwrap();
    drop(connection);
    fs::set_permissions(shell.db(), Permissions::from_mode(0o600)).unwrap();
    version
}

#[test]
fn an_older_database_is_migrated_once() {
    let shell = Shell::crew();
    let older = make_older(&shell);
    let _ = shell.by("alice", &["overview"]).fails(6, "database-outdated").says("orcctl migrate");
    let report = shell.orcctl(&["--format", "json", "migrate"]).ok().json();
    assert_eq!((&report["outcome"], &report["from"], &report["to"]), (&"migrated".into(), &older.into(), &(older + 1).into()), "{report}");
    assert!(std::path::Path::new(report["backup"].as_str().unwrap()).is_file());
    let _ = shell.orcctl(&["migrate"]).ok().says("is up to date");
    make_older(&shell);
    let _ = shell.orcctl(&["migrate"]).ok().says("migrated the database").says("the copy before it is");
    make_older(&shell);
    let host = shell.serve();
    let _ = host.stop().ok().says("migrated the database");
    let _ = shell.by("alice", &["audit", "verify"]).ok();
}

#[test]
fn migrate_refuses_what_serve_refuses() {
    let shell = Shell::crew();
    let dir = shell.path("state");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
    let migrate = |name: &str| shell.orcctl(&["--db", dir.join(name).to_str().unwrap(), "migrate"]);
    fs::write(dir.join("letter"), "this is a letter\n").unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    rusqlite::Connection::open(dir.join("songs")).unwrap().execute_batch("create table songs (name text)").unwrap();
    fs::create_dir(dir.join("folder")).unwrap();
    for name in ["letter", "empty", "songs", "folder"] {
        let said = migrate(name).fails(6, "database-refused").says("hint: ");
        assert!(!said.stdout.contains("none yet") && !dir.join(format!("{name}.d")).exists(), "{said}");
    }
    let _ = shell.orcctl(&["--db", "/etc/passwd", "migrate"]).fails(6, "database-refused");
    let _ = migrate("not-yet").ok().says("there is none yet");
    let _ = migrate("nowhere/orc.db").fails(3, "not-found").says("nowhere").says("--db");
}

/// A project whose verification never ends; the mark is in its process's command line.
fn endless(shell: &Shell, name: &str) -> (String, String) {
    let mark = format!("601.{}", std::process::id());
    let path = shell.project(name, &[("check.sh", &format!("#!/bin/sh\nexec sleep {mark}\n"))]);
    (path.display().to_string(), mark)
}

#[test]
fn who_stops_project_add_registers_nothing() {
    let shell = Shell::solo();
    let (path, mark) = endless(&shell, "slow");
    let before = registry(&shell);
    let adding = shell.start(&["project", "add", &path, "--yes", "--verify", "./check.sh"]);
    until("the command is tried", || process_lives(&mark));
    adding.signal(Signal::INT);
    let stopped = adding.end().fails(8, "interrupted").says("nothing was written");
    assert_eq!(stopped.stdout, "", "{stopped}");
    assert!(!process_lives(&mark));
    assert_eq!(registry(&shell), before);
}

#[test]
fn project_add_looks_before_it_tries() {
    let shell = Shell::solo();
    let path = shell.project("good", &[("check.sh", "#!/bin/sh\n"), ("inner/check.sh", "#!/bin/sh\n")]);
    let add = |path: &std::path::Path, more: &[&str]| {
        shell.orcctl(&[&["project", "add", path.to_str().unwrap(), "--yes", "--verify", "./check.sh"], more].concat())
    };
    let _ = add(&path, &[]).ok();
    let other = shell.project("elsewhere/good", &[("check.sh", "#!/bin/sh\n")]);
    let inner = path.join("inner");
    orc_tests::git(&inner, &["init", "-q"]);
    for (said, why) in [
        (add(&path, &[]), "there is a project `good` already"),
        (add(&other, &[]), "there is a project `good` already"),
        (add(&path, &["--name", "again"]), "overlaps with"),
        (add(&inner, &[]), "overlaps with"),
    ] {
        let said = said.fails(6, "config-invalid").says(why);
        assert!(!said.stderr.contains("verify: ./check.sh on"), "no command ran: {said}");
    }
    let _ = add(&path, &[]).says("--name");
}

#[test]
fn one_wrong_word_is_one_problem() {
    let shell = Shell::new();
    let _ = shell.orcctl(&["init"]).ok();
    edit(&shell.root(), "config/orc.yaml", "accept_root: []", "accept_root: [proceses]");
    let said = shell.orcctl(&["config", "check"]).fails(6, "config-invalid").says("1 problem under the root");
    let _ = said.says("`proceses` is not one of").says("did you mean `processes`?");
    edit(&shell.root(), "config/orc.yaml", "accept_root: [proceses]", "accept_root: [files]");
    let _ = shell.orcctl(&["config", "check"]).fails(6, "config-invalid").says("1 problem").says("cannot be gone without");
}

#[test]
fn gate_inspect_shows_what_can_be_set() {
    let shell = Shell::solo();
    let text = shell.orcctl(&["gate", "inspect", "secret-scan"]).ok();
    for line in ["version  1.0.0", "asks     settings, documents", "granted  settings, documents", "  binary_files: \"forbid\""] {
        assert!(text.stdout.contains(line), "no {line:?} in {text}");
    }
    let _ = text.says("verify post_gate").says("binary_files: \"allow\"").says("**/__pycache__/**");
    let guest = &shell.orcctl(&["--format", "json", "gate", "inspect", "diff-budget"]).ok().json()["guest"];
    assert_eq!((&guest["version"], &guest["settings"]["max_files"]), (&"1.0.0".into(), &50.into()), "{guest}");
    assert_eq!(guest["granted"], serde_json::json!(["settings"]));
    // A file has what its manifest says; nothing is granted to it yet. Without a manifest it is a component like any other.
    let pinned = shell.root().join("phases/guests");
    for file in ["diff-budget.wasm", "diff-budget.toml"] {
        fs::copy(pinned.join(file), shell.path(file)).unwrap();
    }
    let file = shell.orcctl(&["gate", "inspect", "diff-budget.wasm"]).ok();
    assert!(file.stdout.contains("max_files: 50") && !file.stdout.contains("granted"), "{file}");
    fs::remove_file(shell.path("diff-budget.toml")).unwrap();
    let bare = shell.orcctl(&["gate", "inspect", "diff-budget.wasm"]).ok();
    assert!(bare.stdout.contains("digest   sha256:") && !bare.stdout.contains("version"), "{bare}");
    let _ = shell.orcctl(&["gate", "inspect", "secret-scam"]).fails(3, "not-found").says("did you mean `secret-scan`?");
}

#[test]
fn a_guest_that_is_not_there_cannot_be_pinned() {
    let shell = Shell::solo();
    let before = fs::read(shell.root().join("config/guests.lock")).unwrap();
    let _ = shell.orcctl(&["gate", "lock", "secret-scam"]).fails(3, "not-found").says("did you mean `secret-scan`?");
    assert_eq!(fs::read(shell.root().join("config/guests.lock")).unwrap(), before);
    let _ = shell.orcctl(&["gate", "lock", "secret-scan"]).ok().says("every guest is pinned as it is");
}

/// As ordinary users meet it: root passes every mode, unless it gives that up.
#[test]
fn a_directory_that_cannot_be_entered_is_no_missing_database() {
    if rustix::process::geteuid().is_root() && !has("setpriv") {
        return skip("a_directory_that_cannot_be_entered_is_no_missing_database", "setpriv");
    }
    let shell = Shell::crew();
    let _ = shell.plan("./build.sh");
    let state = shell.path("home/state/orc");
    fs::set_permissions(&state, Permissions::from_mode(0o000)).unwrap();
    for line in [["overview"].as_slice(), &["status", "wf_zzzzzzzz"], &["migrate"], &PLAN, &["serve"]] {
        let said = shell.as_ordinary_user(&[&["--user", "alice"], line].concat()).fails(8, "storage-failed");
        let said = said.says("permission denied").says(state.to_str().unwrap()).says("hint: ");
        assert!(!said.stderr.contains("first `orcctl plan` makes it"), "{said}");
    }
    let _ = shell.as_ordinary_user(&["doctor"]).ok().says("permission denied");
    fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
    let _ = shell.as_ordinary_user(&["--user", "alice", "overview"]).ok();
}

#[test]
fn nobody_is_told_to_close_a_directory_of_everybody() {
    let shell = Shell::crew();
    let name = format!("/tmp/orc-of-a-test-{}.db", std::process::id());
    let root = shell.root().display().to_string();
    let said = shell.by("alice", &[&["--db", &name, "--root", &root], PLAN.as_slice()].concat()).fails(6, "database-refused");
    assert!(!said.stderr.contains("chmod"), "{said}");
    let _ = said.says("everybody can put files there").says("`--db`");
}

/// Each answer leads on.
#[test]
fn answers_of_the_set_up_say_what_comes_next() {
    let shell = Shell::solo();
    let bare = shell.project("bare", &[("notes.txt", "nothing to test\n")]);
    let added = shell.orcctl(&["project", "add", bare.to_str().unwrap(), "--yes"]).ok().says("no test command was recognised");
    assert!(added.stdout.contains("\nnext\n") && added.stdout.contains("orcctl config check"), "{added}");
    for (line, step) in [(["gate", "lock"].as_slice(), "orcctl gate list"), (&["policy", "check"], "orcctl policy test")] {
        let said = shell.orcctl(line).ok();
        assert!(said.stdout.contains("\nnext\n") && said.stdout.contains(step), "{said}");
        assert!(shell.orcctl(&[&["--format", "json"], line].concat()).ok().json()["next"][0]["command"].is_string());
    }
    let manifest = shell.root().join("phases/guests/secret-scan.toml");
    orc_tests::replace(&manifest, &(fs::read_to_string(&manifest).unwrap() + "\n# looked at\n"));
    let _ = shell.orcctl(&["gate", "lock"]).ok().says("orcctl config check");
    let _ = shell.orcctl(&["rules", "activate"]).ok().says("orcctl overview");
}

#[test]
fn a_project_that_went_away_is_said_with_what_to_do() {
    let shell = Shell::crew();
    fs::rename(shell.path("demo"), shell.path("moved")).unwrap();
    let said = shell.by("alice", &PLAN).fails(7, "workspace-failed").says("demo").says("config/projects.registry.yaml");
    assert!(said.stderr.contains("hint: "), "{said}");
}

#[test]
fn rules_that_nobody_has_are_not_activated() {
    let shell = Shell::crew();
    let _ = shell.plan("./build.sh");
    let other = format!("sha256:{}", "a".repeat(64));
    let _ = shell.by("alice", &["rules", "activate", "--digest", &other]).fails(5, "candidate-changed").says("orcctl rules");
    let active = shell.json("alice", &["rules"])["active"]["digest"].as_str().unwrap().to_owned();
    let _ = shell.by("alice", &["rules", "activate", "--digest", &active]).ok().says("revision 1");
}

#[test]
fn a_link_in_the_root_is_not_answered_with_init() {
    let shell = Shell::solo();
    let linked = shell.path("linked");
    fs::create_dir(&linked).unwrap();
    for folder in ["config", "policies", "phases"] {
        std::os::unix::fs::symlink(shell.root().join(folder), linked.join(folder)).unwrap();
    }
    let said = shell.orcctl(&["--root", linked.to_str().unwrap(), "config", "check"]).fails(6, "config-invalid");
    assert!(!said.stderr.contains("orcctl init"), "{said}");
    let _ = said.says("`config` in the root is a symbolic link").says("hint: ").says("`--root`");
    let whole = shell.path("whole");
    std::os::unix::fs::symlink(shell.root(), &whole).unwrap();
    let _ = shell.orcctl(&["--root", whole.to_str().unwrap(), "config", "check"]).ok();
}

#[test]
fn a_detached_run_of_what_is_over_ends_as_it_did() {
    let shell = Shell::crew();
    let (_, mark) = endless(&shell, "unused");
    shell.commit("demo", "work.sh", &format!("#!/bin/sh\nexec sleep {mark}\n"));
    let _host = shell.serve();
    let failing = shell.approved("./fail.sh");
    let started = shell.by("alice", &["run", &failing, "--detach"]).ok();
    assert!(started.stdout.contains("\nnext\n"), "{started}");
    shell.wait_for_state(&failing, "failed");
    let failed = shell.by("alice", &["run", &failing, "--detach"]).fails(7, "execution-failed").says("exit code 3");
    assert!(failed.stdout.contains(&format!("orcctl replan {failing}")), "{failed}");

    let id = shell.approved("./work.sh");
    let _ = shell.by("alice", &["run", &id, "--detach"]).ok().says(&format!("orcctl cancel {id}"));
    until("the command runs", || process_lives(&mark));
    let again = shell.by("alice", &["run", &id, "--detach"]).ok();
    assert!(again.stdout.contains("running"), "it still goes on: {again}");
    let _ = shell.by("alice", &["cancel", &id]).ok();
    shell.wait_for_state(&id, "cancelled");
    let _ = shell.by("alice", &["run", &id, "--detach"]).fails(9, "execution-cancelled").says(&format!("orcctl replan {id}"));
}
