//! `project add` on small real repositories, and the whole way for each.

use std::path::Path;

use orc_tests::cli::{Shell, has};
use orc_tests::git;

use crate::skip;

/// Adds a repository as one person; says what it proposes, runs it, and takes its verify command from plan to `completed`.
fn add_and_run(name: &str, files: &[(&str, &str)], verify: &[&str]) {
    let shell = Shell::solo();
    let path = shell.project(name, files);
    let before = git(&path, &["status", "--porcelain", "--ignored"]);
    let line = verify.join(" ");
    let added = shell.orcctl(&["project", "add", &path.display().to_string(), "--yes"]).ok();
    assert!(added.stderr.contains("proposed for config/projects.registry.yaml:"), "{added}");
    assert!(added.stderr.contains(&format!("- [{}]", verify.join(", "))), "{added}");
    let added = added.says("it is green on the base commit").says(&format!("may be planned: {line}"));
    assert_eq!(git(&path, &["status", "--porcelain", "--ignored"]), before, "the project's own checkout is not touched");
    let step = added.stdout.lines().find(|line| line.contains("orcctl plan ")).expect("a next step").trim().to_owned();
    assert!(step.ends_with(&format!("--command-text '{line}'")), "{step}");
    let _ = shell.orcctl(&["config", "check"]).ok();
    let _ = shell.orcctl(&["project", "list"]).ok().says(name);

    let plan = ["plan", "--project", name, "--action", "test", "--family", "build_test", "--command-text", &line];
    let planned = shell.orcctl(&[&["--format", "json"], plan.as_slice()].concat()).ok().json();
    let id = planned["workflow"]["id"].as_str().unwrap();
    let card = &shell.orcctl(&["--format", "json", "approvals"]).ok().json()["cards"][0];
    let _ = shell.fed(card["token"].as_str().unwrap(), &["approve", card["request"]["id"].as_str().unwrap(), "--token", "-"]).ok();
    let _ = shell.orcctl(&["run", id]).ok().says(&format!("{id} completed"));
    let _ = shell.orcctl(&["phases", id]).ok().says("secret-scan post_gate blocking pass");
    let _ = shell.orcctl(&["audit", "verify"]).ok();

    make_red(&shell, &path, files);
    let again = shell.orcctl(&["project", "add", &path.display().to_string(), "--yes", "--name", "red"]);
    let _ = again.fails(6, "config-invalid");
    let entries = shell.orcctl(&["--format", "json", "project", "list"]).ok().json();
    assert_eq!(entries["projects"].as_object().unwrap().len(), 1, "overlapping roots are not registered: {entries}");
}

/// Breaks the test, and looks at it with a copy of the repository elsewhere: it is said that it is red.
fn make_red(shell: &Shell, path: &Path, files: &[(&str, &str)]) {
    let broken: Vec<(&str, String)> = files.iter().map(|(file, content)| (*file, content.replace("1 + 1, 2", "1 + 1, 3"))).collect();
    let broken: Vec<(&str, &str)> = broken.iter().map(|(file, content)| (*file, content.as_str())).collect();
    assert_ne!(broken, files.to_vec(), "there is a test to break");
    let red = shell.project("broken", &broken);
    assert_ne!(red, path);
    let added = shell.orcctl(&["project", "add", &red.display().to_string(), "--yes"]).ok();
    let _ = added.says("it is red before any work").says("exit code");
    let undone = std::fs::read_to_string(shell.root().join("config/projects.registry.yaml")).unwrap();
    let (before, _) = undone.split_once("\n  broken:").expect("registered all the same: a person said yes");
    orc_tests::replace(&shell.root().join("config/projects.registry.yaml"), &format!("{before}\n"));
    let rules = std::fs::read_to_string(shell.root().join("policies/data/rules.yaml")).unwrap();
    let rules: Vec<&str> = rules.lines().filter(|line| !line.contains("project: broken")).collect();
    orc_tests::replace(&shell.root().join("policies/data/rules.yaml"), &(rules.join("\n") + "\n"));
}

#[test]
fn a_rust_crate_is_registered() {
    if !has("cargo") {
        return skip("a_rust_crate_is_registered", "cargo");
    }
    add_and_run(
        "crate",
        &[
            ("Cargo.toml", "[package]\nname = \"crate-of-a-test\"\nversion = \"0.1.0\"\nedition = \"2021\"\n"),
            ("Cargo.lock", "version = 3\n\n[[package]]\nname = \"crate-of-a-test\"\nversion = \"0.1.0\"\n"),
            ("src/lib.rs", "#[test]\nfn adds() {\n    assert_eq!(1 + 1, 2);\n}\n"),
            (".gitignore", "target/\n"),
        ],
        &["cargo", "test", "--locked"],
    );
}

#[test]
fn a_node_project_is_registered() {
    if !has("npm") {
        return skip("a_node_project_is_registered", "npm");
    }
    add_and_run(
        "node",
        &[
            ("package.json", "{\"name\": \"node-of-a-test\", \"version\": \"1.0.0\", \"scripts\": {\"test\": \"node --test\"}}\n"),
            ("add.test.js", "const test = require('node:test');\ntest('adds', () => require('node:assert').equal(1 + 1, 2));\n"),
        ],
        &["npm", "run", "test"],
    );
}

#[test]
fn a_python_project_is_registered() {
    if !has("python3") {
        return skip("a_python_project_is_registered", "python3");
    }
    let test = "import unittest\n\nclass Adds(unittest.TestCase):\n    def test_adds(self):\n        self.assertEqual(1 + 1, 2)\n";
    add_and_run(
        "python",
        &[
            ("pyproject.toml", "[project]\nname = \"python-of-a-test\"\nversion = \"0\"\n"),
            ("tests/__init__.py", ""),
            ("tests/test_add.py", test),
            (".gitignore", "__pycache__/\n"),
        ],
        &["python3", "-m", "unittest", "discover", "-s", "tests"],
    );
}

#[test]
fn what_cannot_be_registered_says_why() {
    let shell = Shell::solo();
    let plain = shell.path("plain");
    std::fs::create_dir(&plain).unwrap();
    let add = |path: &Path, more: &[&str]| shell.orcctl(&[&["project", "add", path.to_str().unwrap()], more].concat());
    let _ = add(&plain, &["--yes"]).fails(2, "invalid-request").says("is no git checkout").says("run `git init` and commit first");
    let _ = add(&shell.path("nowhere"), &["--yes"]).fails(3, "not-found");
    let good = shell.project("good", &[("check.sh", "#!/bin/sh\n")]);
    let _ = add(&good, &[]).fails(2, "invalid-request").says("give `--yes`");
    let _ = add(&good, &["--yes", "--tenant", "nobody"]).fails(6, "config-invalid");
    let _ = add(&good, &["--yes", "--name", "UPPER"]);
    let registry = std::fs::read_to_string(shell.root().join("config/projects.registry.yaml")).unwrap();
    assert!(!registry.contains("good"), "nothing half-written: {registry}");
    let _ = add(&good, &["--yes", "--base", "no-such-branch"]);
    let _ = add(&good, &["--yes"]).ok().says("no test command was recognised").says("it was not tried");
    let _ = add(&good, &["--yes"]).fails(6, "config-invalid").says("there is a project `good` already");
    let named =
        shell.project("named", &[("check.sh", "#!/bin/sh\ntest \"$1\" = \"a b\" && test -e made\n"), ("make.sh", "#!/bin/sh\n: > made\n")]);
    let _ = add(&named, &["--yes", "--verify", "./check.sh | tee log"]).fails(2, "invalid-command").says("`|` in column 12");
    let commands = ["--yes", "--prepare", "./make.sh", "--verify", "./check.sh 'a b'"];
    let added = add(&named, &commands).ok().says("it is green on the base commit");
    assert!(!added.stdout.contains("no test command was recognised"), "{added}");
}
