//! The binary itself: help, usage errors, formats, exit codes, the table of exit codes.

#![expect(clippy::expect_used, reason = "a test that cannot be set up must fail")]

use std::collections::BTreeSet;

use assert_cmd::Command;
use assert_cmd::assert::Assert;
use orc_domain::{ErrorCode, ErrorKind};
use tempfile::TempDir;

/// `orcctl` in an empty home, with nothing of the caller's environment.
struct Cli {
    home: TempDir,
}

impl Cli {
    fn new() -> Self {
        Self { home: TempDir::new().expect("a home") }
    }

    #[must_use]
    fn run(&self, arguments: &[&str]) -> Assert {
        let mut command = Command::cargo_bin("orcctl").expect("the binary");
        command.env_clear().env("HOME", self.home.path()).current_dir(self.home.path()).args(arguments).assert()
    }
}

fn stdout(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stdout.clone()).expect("UTF-8")
}

fn stderr(assert: &Assert) -> String {
    String::from_utf8(assert.get_output().stderr.clone()).expect("UTF-8")
}

/// Every command that the help lists, subcommands included, as words.
fn commands(cli: &Cli, path: &[&str]) -> Vec<Vec<String>> {
    let arguments: Vec<&str> = path.iter().copied().chain(["--help"]).collect();
    let help = stdout(&cli.run(&arguments).success());
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    let mut found = Vec::new();
    for name in names.filter(|name| *name != "help") {
        let deeper: Vec<&str> = path.iter().copied().chain([name]).collect();
        found.push(deeper.iter().map(|word| (*word).to_owned()).collect());
        found.extend(commands(cli, &deeper));
    }
    found
}

#[test]
fn every_command_has_help_with_an_example() {
    let cli = Cli::new();
    let all = commands(&cli, &[]);
    assert!(all.len() > 30, "{all:?}");
    for command in all {
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let help = stdout(&cli.run(&arguments).success());
        assert!(help.contains("Example:") || help.contains("Examples:"), "{command:?}");
        assert!(help.contains(&format!("orcctl {}", command[0])) || help.contains("orcctl --"), "{command:?}");
    }
}

/// The seeds' command lines, and the short forms: all are understood, and fail only because no host is there.
#[test]
fn the_seeds_command_lines_are_understood() {
    let cli = Cli::new();
    let hash = format!("sha256:{}", "a".repeat(64));
    let lines: Vec<Vec<&str>> = vec![
        vec!["plan", "--project", "cps", "--action", "build", "--family", "build_test", "--command-text", "pnpm build"],
        vec![
            "plan",
            "--project",
            "cps",
            "--action",
            "build",
            "--family",
            "build_test",
            "--command-text",
            "x",
            "--flag",
            "a",
            "--flag",
            "b",
            "--meta",
            "k=v",
            "--no-verify",
        ],
        vec!["approve", "--request-id", "ap_a", "--token", "t", "--user", "BalrogEG", "--role", "super_admin"],
        vec!["approve", "ap_a"],
        vec!["reject", "ap_a", "--reason", "no"],
        vec!["run", "--workflow-id", "wf_a", "--plan-hash", &hash, "--idempotency-key", "manual-1"],
        vec!["run", "wf_a"],
        vec!["status", "--workflow-id", "wf_a"],
        vec!["status", "wf_a"],
        vec!["phases", "wf_a"],
        vec!["audit", "--workflow-id", "wf_a"],
        vec!["audit", "verify"],
        vec!["overview"],
        vec!["workflow", "--workflow-id", "wf_a"],
        vec!["workers", "--project", "flowry"],
        vec!["events", "--after", "3"],
        vec!["freeze", "--all", "--reason", "incident"],
        vec!["unfreeze", "--tenant", "acme"],
        vec!["rules", "rollback", "3"],
    ];
    for line in lines {
        let arguments: Vec<&str> = ["--db", "orc.db", "--root", "."].into_iter().chain(line.iter().copied()).collect();
        let code = cli.run(&arguments).get_output().status.code();
        assert_ne!(code, Some(2), "{line:?} is no usage error");
        assert_ne!(code, Some(0), "{line:?} cannot succeed without a root and a database");
    }
}

#[test]
fn usage_errors_exit_with_two_and_say_what_is_expected() {
    let cli = Cli::new();
    for (line, says) in [
        (vec!["plan", "--project", "No Such"], "is no project name"),
        (
            vec!["plan", "--project", "a", "--action", "b", "--family", "buildtest", "--command-text", "x"],
            "use one of read_only, build_test",
        ),
        (
            vec!["plan", "--project", "a", "--action", "b", "--family", "build_test", "--command-text", "x", "--meta", "novalue"],
            "expected KEY=VALUE",
        ),
        (vec!["run", "wf_a", "--plan-hash", "abc"], "not a digest"),
        (vec!["run"], "required"),
        (vec!["status", "wf_a", "--workflow-id", "wf_b"], "cannot be used with"),
        (vec!["freeze", "--reason", "x"], "required"),
        (vec!["freeze", "--all", "--tenant", "acme", "--reason", "x"], "cannot be used with"),
        (vec!["--user", "a b", "whoami"], "is no operator name"),
        (vec!["staus"], "status"),
    ] {
        let assert = cli.run(&line).code(2);
        assert!(stderr(&assert).contains(says), "{line:?}: {}", stderr(&assert));
        assert_eq!(stdout(&assert), "", "{line:?}");
    }
}

#[test]
fn json_errors_are_a_document_on_standard_output_and_words_beside_it() {
    let cli = Cli::new();
    let assert = cli.run(&["--format", "json", "config", "check"]).code(i32::from(ErrorKind::Config.exit_code()));
    let document: serde_json::Value = serde_json::from_str(&stdout(&assert)).expect("JSON");
    assert_eq!(document["error"]["code"], "config-invalid");
    assert!(stderr(&assert).starts_with("error[config-invalid]: "), "{}", stderr(&assert));
    assert!(stderr(&assert).contains("\nhint: "), "{}", stderr(&assert));
}

#[test]
fn without_a_home_the_error_says_what_to_set() {
    let mut command = Command::cargo_bin("orcctl").expect("the binary");
    let assert = command.env_clear().args(["overview"]).assert().code(2);
    assert!(stderr(&assert).contains("neither XDG_"), "{}", stderr(&assert));
}

#[test]
fn completions_and_manual_are_data() {
    let cli = Cli::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&cli.run(&["completions", shell]).success());
        assert!(script.contains("orcctl") && script.contains("approvals"), "{shell}");
    }
    assert!(stdout(&cli.run(&["man"]).success()).starts_with(".ie"), "a troff page");
    let pages = cli.home.path().join("man1");
    std::fs::create_dir(&pages).expect("makes");
    let _ = cli.run(&["man", "--all", "man1"]).success();
    assert!(pages.join("orcctl-approve.1").exists());
}

/// `docs/exit-codes.md` says of every kind its exit code and all its error codes, and nothing else.
#[test]
fn the_documented_exit_codes_are_the_codes() {
    let document = include_str!("../../../docs/exit-codes.md");
    let rows: Vec<Vec<&str>> = document
        .lines()
        .filter(|line| line.starts_with("| ") && line.chars().nth(2).is_some_and(|c| c.is_ascii_digit()))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let documented: Vec<(u8, &str)> = rows.iter().map(|row| (row[0].parse().expect("a number"), row[1].trim_matches('`'))).collect();
    let mut expected = vec![(0, "success")];
    expected.extend(ErrorKind::ALL.iter().map(|kind| (kind.exit_code(), kind.as_str())));
    assert_eq!(documented, expected);
    for (row, kind) in rows[1..].iter().zip(ErrorKind::ALL) {
        let listed: BTreeSet<&str> = row[3].split(", ").map(|code| code.trim_matches('`')).collect();
        let codes: BTreeSet<&str> = ErrorCode::ALL.iter().filter(|code| code.kind() == *kind).map(|code| code.as_str()).collect();
        assert_eq!(listed, codes, "{kind}");
    }
}
