//! A rough world: killed in the middle, readers that leave, narrow terminals, hostile text, foreign files, full disks.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use orc_domain::untrusted::is_hostile;
use orc_tests::cli::{Said, Shell, has, orcctl};
use orc_tests::{edit, git, replace};
use rustix::process::Signal;

use crate::skip;

const PLAN: [&str; 9] = ["plan", "--project", "demo", "--action", "build", "--family", "build_test", "--command-text", "./build.sh"];

#[test]
fn a_plan_that_is_killed_is_whole_or_not_there() {
    let shell = Shell::crew();
    edit(&shell.root(), "policies/data/rules.yaml", "project:  { active: 5 }", "project:  { active: 50 }");
    for delay in [0, 20, 60, 100, 140, 180, 220, 260, 320, 400] {
        let planning = shell.start(&[&["--user", "alice"], PLAN.as_slice()].concat());
        sleep(Duration::from_millis(delay));
        planning.signal(Signal::KILL);
        let _ = planning.end();
    }
    let id = shell.plan("./build.sh");
    let _ = shell.by("alice", &["audit", "verify"]).ok().says("events holds");
    let all = shell.json("alice", &["workflows"]);
    for workflow in all["workflows"].as_array().unwrap() {
        let status = shell.json("alice", &["status", workflow["id"].as_str().unwrap()]);
        assert_eq!(status["workflow"]["state"], "awaiting_approval");
        assert_eq!(status["approval_requests"].as_array().unwrap().len(), 1, "{status}");
    }
    let _ = shell.by("bob", &["approve", &id, "--yes"]).ok();
    let _ = shell.by("alice", &["run", &id]).ok();
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let shell = Shell::crew();
    let id = shell.approved("./build.sh");
    for line in
        [["run", &id].as_slice(), &["audit"], &["--format", "json", "workflow", &id], &["events", "--follow"], &["completions", "bash"]]
    {
        let said = shell.head(&[&["--user", "alice"], line].concat());
        assert_eq!(said.code, 0, "{said}");
        assert!(!said.stderr.contains("panicked") && !said.stderr.contains("error"), "{said}");
        assert_eq!(said.stdout.lines().count(), 1);
    }
    assert_eq!(shell.state(&id), "completed", "work that was begun goes on");
    let denied = shell.head(&["--user", "alice", "--format", "json", "status", "wf_zzzzzzzz"]);
    assert_eq!(denied.code, 3, "an error stays one: {denied}");
}

#[test]
fn colour_is_asked_for_or_absent() {
    let mut shell = Shell::crew();
    let id = shell.plan("./build.sh");
    let plain = shell.by("alice", &["status", &id]).ok();
    assert!(!plain.stdout.contains('\u{1b}'), "no terminal, no colour");
    let painted = shell.by("alice", &["--color", "always", "status", &id]).ok();
    assert!(painted.stdout.contains("\u{1b}[33mawaiting_approval\u{1b}[0m"), "{painted}");
    shell.set("NO_COLOR", "1");
    assert_eq!(shell.by("alice", &["status", &id]).ok().stdout, plain.stdout);
    shell.set("ORC_LOG", "debug");
    let logged = shell.by("alice", &["status", &id]);
    assert_eq!((logged.code, logged.stdout), (0, plain.stdout), "the log is words");
}

/// `orcctl` on a terminal that answers `typed`; what the terminal showed.
fn on_a_terminal(shell: &Shell, line: &str, typed: &str) -> Said {
    let mut command = Command::new("script");
    let path = |name: &str| shell.path(name).display().to_string();
    command.env_clear().env("PATH", std::env::var("PATH").unwrap()).env("TERM", "xterm").env("HOME", path("home")).env("TZ", "UTC");
    command.env("XDG_CONFIG_HOME", path("home/config")).env("XDG_STATE_HOME", path("home/state")).current_dir(shell.path("home"));
    let typing = format!("stty cols 90; {} {line}", orcctl().display());
    let input = shell.path("typed");
    fs::write(&input, typed).unwrap();
    command.args(["-qec", &typing, "/dev/null"]).stdin(fs::File::open(input).unwrap());
    let out = command.output().unwrap();
    Said {
        line: line.to_owned(),
        code: out.status.code().unwrap(),
        stdout: String::from_utf8(out.stdout).unwrap(),
        stderr: String::from_utf8(out.stderr).unwrap(),
    }
}

#[test]
fn a_person_at_a_terminal_is_asked() {
    if !has("script") {
        return skip("a_person_at_a_terminal_is_asked", "script");
    }
    let shell = Shell::crew();
    let id = shell.plan("./build.sh");
    let no = on_a_terminal(&shell, &format!("--user bob approve {id}"), "n\n");
    assert_eq!(no.code, 9, "{no}");
    let no = no.says("[y/N]").says("error[declined]").says("nothing was approved");
    assert!(no.stdout.contains("\u{1b}[1map_"), "colour on a terminal: {no}");
    assert_eq!(shell.state(&id), "awaiting_approval");
    let no = on_a_terminal(&shell, &format!("--user bob reject {id}"), "\n").says("error[declined]").says("nothing was rejected");
    assert_eq!((no.code, shell.state(&id).as_str()), (9, "awaiting_approval"));
    let other = shell.project("other", &[("check.sh", "#!/bin/sh\n")]);
    let no = on_a_terminal(&shell, &format!("project add {} --no-try", other.display()), "yse\n").says("error[declined]");
    assert_eq!(no.says("nothing was written").code, 9);
    assert!(!fs::read_to_string(shell.root().join("config/projects.registry.yaml")).unwrap().contains("other"));
    let yes = on_a_terminal(&shell, &format!("--user bob approve {id} --color never"), "y\n");
    assert!(!yes.stdout.contains("\u{1b}["), "{yes}");
    assert_eq!(shell.state(&id), "approved", "{yes}");
    let run = on_a_terminal(&shell, &format!("--user alice run {id}"), "");
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(shell.state(&id), "completed");

    let shell = Shell::solo();
    shell.project("demo", &[("build.sh", "#!/bin/sh\n")]);
    shell.register("demo", "[]", &["./build.sh"]);
    let planned = shell.orcctl(&[&["--format", "json"], PLAN.as_slice()].concat()).ok().json();
    let id = planned["workflow"]["id"].as_str().unwrap();
    let wrong = on_a_terminal(&shell, &format!("approve {id}"), "y\n").says("you are the sole operator: type");
    assert_eq!(wrong.code, 9, "{wrong}");
    let _ = wrong.says("error[declined]").says("nothing was confirmed");
    assert!(shell.orcctl(&["status", id]).ok().stdout.starts_with(&format!("{id}  awaiting_approval")));
    let code = &planned["workflow"]["plan_hash"].as_str().unwrap()["sha256:".len()..][..6];
    let _ = on_a_terminal(&shell, &format!("approve {id}"), &format!("{code}\n")).says("confirmed");
    assert!(shell.orcctl(&["status", id]).ok().stdout.starts_with(&format!("{id}  approved")));
}

/// Whatever the width: ids can be copied. From 80 on, nothing is wider than the terminal but digests and what is to be pasted.
#[test]
fn pages_fit_the_terminal() {
    let mut shell = Shell::crew();
    let id = shell.approved("./build.sh");
    let _ = shell.by("alice", &["run", &id]).ok();
    let waiting = shell.plan("./build.sh");
    let of_all: [&[&str]; 11] = [
        &["status", &id],
        &["phases", &id],
        &["workflow", &id],
        &["explain", &id],
        &["workers"],
        &["workflows"],
        &["overview"],
        &["approvals"],
        &["rules"],
        &["gate", "list"],
        &["doctor"],
    ];
    for columns in [40, 80, 200] {
        shell.set("COLUMNS", &columns.to_string());
        for line in of_all {
            let said = shell.by("bob", line).ok();
            if line.contains(&id.as_str()) || line == ["workers"] || line == ["workflows"] {
                assert!(said.stdout.contains(&id), "{columns} columns break an id: {said}");
            }
            if line == ["overview"] || line == ["approvals"] {
                assert!(said.stdout.contains(&waiting) || said.stdout.contains("ap_"), "{said}");
            }
            let fits = |row: &&str| {
                row.chars().count() <= columns.max(60)
                    || row.contains("sha256:")
                    || row.trim_start().starts_with("orcctl ")
                    || row.contains(shell.path("").to_str().unwrap())
            };
            let wide: Vec<&str> = said.stdout.lines().filter(|row| !row.contains("\"") && !fits(row)).collect();
            assert!(columns == 40 || wide.is_empty(), "{columns} columns: {wide:#?} in {said}");
        }
    }
}

/// Clears the screen, sets a title, turns the reading direction, hides, starts lines of its own.
const HOSTILE: &str = "ok\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}evil\u{200b}\u{2066}x\rback";

fn obeyed(said: &Said) -> Vec<char> {
    said.stdout.chars().chain(said.stderr.chars()).filter(|c| !matches!(c, '\n' | '\t') && is_hostile(*c)).collect()
}

#[test]
fn hostile_text_reaches_no_terminal() {
    let shell = Shell::crew();
    shell.commit("demo", "work.sh", &format!("#!/bin/sh\nprintf '%s' '{HOSTILE}'\nprintf '%s' '{HOSTILE}' >&2\nexit 1\n"));
    let branch = "main\u{202e}evil";
    git(&shell.path("demo"), &["branch", branch]);
    edit(
        &shell.root(),
        "config/projects.registry.yaml",
        "    families: [build_test]\n",
        &format!("    families: [build_test]\n    base: \"{}\"\n", "main\\u202Eevil"),
    );
    let meta = format!("note={HOSTILE}");
    let plan = |command: &str| {
        shell.by(
            "alice",
            &["plan", "--project", "demo", "--action", "build", "--family", "build_test", "--command-text", command, "--meta", &meta],
        )
    };
    let mut seen = vec![plan(&format!("./build.sh '{HOSTILE}'")), plan(HOSTILE), plan("./work.sh")];
    if seen[2].code != 0 {
        // A branch name that nobody can read is refused; then the rest is looked at on a plain one.
        edit(&shell.root(), "config/projects.registry.yaml", &format!("    base: \"{}\"\n", "main\\u202Eevil"), "");
        seen.push(plan("./work.sh"));
    }
    let planned = seen.last().unwrap().clone().ok();
    let id = planned.stdout.split_whitespace().next().unwrap();
    seen.push(shell.by("bob", &["approve", id, "--yes"]).ok());
    seen.push(shell.by("alice", &["run", id]).fails(7, "execution-failed"));
    seen.push(shell.by("alice", &["replan", id]).ok());
    seen.push(shell.by("bob", &["reject", id, "--yes", "--reason", HOSTILE]).ok());
    seen.push(shell.by("alice", &["freeze", "--all", "--reason", HOSTILE]).ok());
    seen.push(plan("./build.sh").fails(4, "freeze-on"));
    let pages: [&[&str]; 10] = [
        &["status", id],
        &["phases", id],
        &["workflow", id],
        &["explain", id],
        &["audit"],
        &["events"],
        &["workers"],
        &["workflows"],
        &["overview"],
        &["approvals"],
    ];
    for page in pages {
        seen.push(shell.by("alice", page).ok());
        seen.push(shell.by("alice", &[&["--format", "json"], page].concat()).ok());
    }
    for wrong in [
        vec!["status", HOSTILE],
        vec!["--user", HOSTILE, "whoami"],
        vec!["plan", "--project", HOSTILE],
        vec!["--db", HOSTILE, "overview"],
        vec![HOSTILE],
        vec!["--root", HOSTILE, "config", "check"],
    ] {
        let said = shell.orcctl(&wrong);
        assert_ne!(said.code, 0, "{said}");
        seen.push(said);
    }
    for said in seen {
        assert!(obeyed(&said).is_empty(), "{:?} in {said:#?}", obeyed(&said));
    }
}

#[test]
fn a_database_of_another_installation_is_refused_and_untouched() {
    let (mine, other) = (Shell::crew(), Shell::crew());
    let (id, _) = (mine.plan("./build.sh"), other.plan("./build.sh"));
    let before = mine.by("alice", &["audit"]).ok().stdout;
    let db = mine.db().display().to_string();
    for line in [PLAN.as_slice(), &["withdraw", &id], &["serve"], &["run", &id]] {
        let said = other.by("alice", &[&["--db", &db], line].concat());
        let _ = said.fails(6, "wrong-installation").says("--root");
    }
    assert_eq!(mine.by("alice", &["audit"]).ok().stdout, before, "not even an event");
}

#[test]
fn a_file_that_is_no_database_of_this_version_is_refused_untouched() {
    let shell = Shell::crew();
    let id = shell.plan("./build.sh");
    let good = fs::read(shell.db()).unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let dir = shell.path(name);
        fs::create_dir(&dir).unwrap();
        fs::set_permissions(&dir, Permissions::from_mode(0o700)).unwrap();
        fs::write(dir.join("orc.db"), bytes).unwrap();
        fs::set_permissions(dir.join("orc.db"), Permissions::from_mode(0o600)).unwrap();
        dir.join("orc.db")
    };
    let newer = write("newer", &good);
    let connection = rusqlite::Connection::open(&newer).unwrap();
    connection.pragma_update(None, "user_version", 9999).unwrap();
    drop(connection);
    let foreign = shell.path("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::set_permissions(&foreign, Permissions::from_mode(0o700)).unwrap();
    let foreign = foreign.join("orc.db");
    rusqlite::Connection::open(&foreign).unwrap().execute_batch("create table songs (name text)").unwrap();
    fs::set_permissions(&foreign, Permissions::from_mode(0o600)).unwrap();
    let mut corrupt = good.clone();
    corrupt[..2048].fill(7);
    let cases = [newer, foreign, write("text", b"this is a letter\n"), write("corrupt", &corrupt)];
    for db in cases {
        let before = fs::read(&db).unwrap();
        for line in [PLAN.as_slice(), &["overview"], &["status", &id], &["serve"], &["migrate"]] {
            let said = shell.by("alice", &[&["--db", db.to_str().unwrap()], line].concat());
            let said = said.fails(6, "database-refused");
            assert!(!said.stderr.contains("panicked"), "{said}");
        }
        assert!(fs::read(&db).unwrap() == before, "{} was touched", db.display());
    }
}

#[test]
fn a_database_that_others_could_replace_is_refused() {
    let shell = Shell::crew();
    let open = shell.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let db = open.join("orc.db").display().to_string();
    let said = shell.by("alice", &[&["--db", &db], PLAN.as_slice()].concat());
    assert_ne!(said.code, 0, "{said}");
    let _ = said.says("open");
    assert!(!open.join("orc.db").exists());
}

/// A file system of its own, unmounted when this goes.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: std::path::PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).output().is_ok_and(|out| out.status.success());
        mounted.then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_what_was_there() {
    let shell = Shell::crew();
    let Some(disk) = SmallDisk::mount(shell.path("disk"), "96m") else {
        return skip("a_full_disk_leaves_what_was_there", "a tmpfs to mount");
    };
    let db = disk.0.join("orc.db").display().to_string();
    let on = |line: &[&str]| shell.by("alice", &[&["--db", &db], line].concat());
    let planned = on(&PLAN).ok();
    let id = planned.stdout.split_whitespace().next().unwrap();
    let filler = disk.0.join("filler");
    let mut full = fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut full, &[0; 512]).is_ok() {}
    let refused = on(&PLAN);
    assert_eq!(refused.code, 8, "{refused}");
    assert!(refused.stderr.contains("error[storage-failed]") && !refused.stderr.contains("panicked"), "{refused}");
    drop(full);
    fs::remove_file(&filler).unwrap();
    let _ = on(&["status", id]).ok();
    let _ = on(&["audit", "verify"]).ok().says("events holds");
    let _ = on(&PLAN).ok();
}

#[test]
fn a_root_that_is_half_saved_is_not_in_force() {
    let shell = Shell::crew();
    let _ = shell.plan("./build.sh");
    let rules = shell.root().join("policies/data/rules.yaml");
    let good = fs::read_to_string(&rules).unwrap();
    replace(&rules, &good[..good.len() / 2]);
    let _ = shell.by("alice", &PLAN).ok();
    let overview = shell.by("alice", &["overview"]).ok().says("it cannot come into force");
    assert!(overview.stdout.contains("policies/"), "{overview}");
}
