//! Project detection, proposals, and edits of files that a person keeps.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use orc_config::project::{Detected, EditError, append_allowed_command, append_project, detect, propose, toolchain};
use orc_domain::project::{PathRule, ProjectEntry, ProjectLaunch, Registry};
use orc_domain::risk::CommandFamily;

fn detected(files: &[(&str, &str)]) -> Detected {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let full = folder.path().join(path);
        fs::create_dir_all(full.parent().unwrap()).unwrap();
        fs::write(full, text).unwrap();
    }
    detect(folder.path())
}

fn lines(commands: &[Vec<String>]) -> Vec<String> {
    commands.iter().map(|argv| argv.join(" ")).collect()
}

#[test]
fn stacks_are_recognised_with_their_commands() {
    const PACKAGE: &str = r#"{"scripts": {"test": "vitest", "lint": "eslint"}, "devDependencies": {"vitest": "1"}}"#;
    const BARE: &str = r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#;
    type Case = (&'static [(&'static str, &'static str)], &'static [&'static str], &'static [&'static str], &'static [&'static str]);
    let cases: &[Case] = &[
        (&[("Cargo.toml", "[package]"), ("Cargo.lock", "")], &["rust"], &[], &["cargo test --locked"]),
        (&[("Cargo.toml", "[workspace]\nmembers = []")], &["rust"], &[], &["cargo test --workspace"]),
        (&[("package.json", PACKAGE), ("package-lock.json", "")], &["node"], &["npm ci"], &["npm run test", "npm run lint"]),
        (
            &[("package.json", PACKAGE), ("pnpm-lock.yaml", "")],
            &["node"],
            &["pnpm install --frozen-lockfile"],
            &["pnpm run test", "pnpm run lint"],
        ),
        (
            &[("package.json", PACKAGE), ("yarn.lock", "")],
            &["node"],
            &["yarn install --frozen-lockfile"],
            &["yarn run test", "yarn run lint"],
        ),
        (&[("package.json", BARE)], &["node"], &[], &[]),
        (&[("package.json", "no json")], &["node"], &[], &[]),
        (&[("pyproject.toml", "[tool.pytest.ini_options]")], &["python"], &[], &["python3 -m pytest"]),
        (&[("pyproject.toml", "pytest"), ("uv.lock", "")], &["python"], &["uv sync --frozen"], &["uv run --frozen pytest"]),
        (&[("setup.py", ""), ("tests/test_a.py", "")], &["python"], &[], &["python3 -m unittest discover -s tests"]),
        (&[("go.mod", "module x")], &["go"], &[], &["go test ./..."]),
        (&[("Makefile", "CHECK := 1\ncheck: x\n\ttrue\n")], &["make"], &[], &["make check"]),
        (&[("Makefile", "test := 1\n")], &["make"], &[], &[]),
        (&[("go.mod", ""), ("Makefile", "test:\n")], &["go", "make"], &[], &["go test ./..."]),
        (&[("README", "")], &[], &[], &[]),
    ];
    for (files, stack, prepare, verify) in cases {
        let found = detected(files);
        assert_eq!(found.stack, *stack, "{files:?}");
        assert_eq!(lines(&found.prepare), *prepare, "{files:?}");
        assert_eq!(lines(&found.verify), *verify, "{files:?}");
        assert_eq!(found.families, BTreeSet::from([CommandFamily::BuildTest]));
        assert_eq!(verify.is_empty(), found.notes.iter().any(|note| note.contains("no test command")), "{files:?}");
    }
}

#[test]
fn what_verification_stands_on_is_named() {
    let found = detected(&[("Cargo.toml", ""), ("tests/a.rs", ""), (".github/workflows/ci.yml", ""), ("scripts/x", "")]);
    assert_eq!(found.verification_paths, ["tests/**", "scripts/**", ".github/**", "Cargo.toml", "**/tests/**"]);
}

/// A repository is looked at before anybody trusts it.
#[test]
fn links_in_a_repository_are_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("package.json"), r#"{"scripts": {"test": "x"}}"#).unwrap();
    std::os::unix::fs::symlink(outside.path().join("package.json"), folder.path().join("package.json")).unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("tests")).unwrap();
    let found = detect(folder.path());
    assert!(found.stack.is_empty() && found.verification_paths.is_empty(), "{found:?}");
}

fn entry() -> ProjectEntry {
    ProjectEntry {
        tenant: "default".parse().unwrap(),
        root: "/srv/a b: #c/\"flowry\"".to_owned(),
        base: "main".to_owned(),
        stack: vec!["rust".to_owned(), "no".to_owned()],
        owners: vec!["true".parse().unwrap(), "alice".parse().unwrap()],
        engine: Some("codex".parse().unwrap()),
        families: [CommandFamily::BuildTest].into(),
        prepare: vec![],
        copy: vec![".env.test".to_owned()],
        verify: vec![["cargo", "test", "--", "-j", "1", "a: b", "# x", "null", "é\u{1b}"].map(str::to_owned).into()],
        verification_paths: vec!["tests/**".to_owned(), "*.rs".to_owned()],
        path_rules: vec![PathRule { paths: vec!["infra/**".to_owned()], flag: "infra".parse().unwrap() }],
        launch: ProjectLaunch {
            read: ["/opt/x y".to_owned()].into(),
            env: [("A".to_owned(), "1".to_owned())].into(),
            ..ProjectLaunch::default()
        },
        runbooks: [].into(),
    }
}

fn registry(text: &str) -> Registry {
    serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn a_proposal_reads_back_as_it_was() {
    let name = "flowry".parse().unwrap();
    let block = propose(&name, &entry());
    let text = append_project("tenants: {default: {}}\n", &name, &block).unwrap();
    assert_eq!(registry(&text).projects["flowry"], entry());
    insta::assert_snapshot!(block);
}

#[test]
fn an_entry_is_added_and_every_line_kept() {
    let block = "  new:\n    tenant: t\n    root: /new   # mine\n    families: []\n";
    let cases = [
        ("tenants: {t: {}}\n", "tenants: {t: {}}\nprojects:\n  new:\n    tenant: t\n"),
        ("tenants: {t: {}}\nprojects:", "projects:\n  new:\n"),
        ("tenants: {t: {}}\nprojects: {}  # none\n", "projects:  # none\n  new:\n"),
        ("projects:\n  # one:\n  #   a: b\n# tenants\ntenants: {t: {}}\n", "  #   a: b\n  new:\n"),
        (
            "projects:\n    old:\n        tenant: t  # c\n        root: /old\n        families: []\n\n# tenants\ntenants: {t: {}}\n",
            "        families: []\n    new:\n      tenant: t\n      root: /new   # mine\n      families: []\n\n# tenants\n",
        ),
        ("projects:\r\n  old: {tenant: t, root: /old, families: []}\r\ntenants: {t: {}}\r\n", "families: []}\r\n  new:\r\n"),
    ];
    for (before, part) in cases {
        let after = append_project(before, &"new".parse().unwrap(), block).unwrap();
        assert!(after.contains(part), "{after}");
        assert_eq!(registry(&after).projects["new"].root, "/new");
        let comments = |text: &str| text.matches('#').count();
        assert_eq!(comments(&after), comments(before) + 1, "{after}");
        assert!(registry(&after).projects.len() == registry(before).projects.len() + 1);
    }
}

#[test]
fn what_cannot_be_added_safely_is_not() {
    let block = "  new: {tenant: t, root: /new, families: []}\n";
    let add = |text: &str, block: &str| append_project(text, &"new".parse().unwrap(), block).unwrap_err();
    let there = add("tenants: {t: {}}\nprojects:\n  new: {}\n", block);
    assert!(matches!(there, EditError::Exists { line: 3, .. }), "{there}");
    let flow = add("tenants: {t: {}}\nprojects: {old: {tenant: t, root: /o, families: []}}\n", block);
    assert!(matches!(flow, EditError::Flow { line: 2, .. }), "{flow}");
    assert!(matches!(add("tenants: [\n", block), EditError::Problem { .. }));
    assert!(matches!(add("tenants: {t: {}}\n", "  new: {tenant: t, rot: /new}\n"), EditError::Problem { .. }));
    // A block that brings more than it says.
    let more =
        add("tenants: {t: {}}\nprojects:\n", "  new: {tenant: t, root: /n, families: []}\n  other: {tenant: t, root: /o, families: []}\n");
    assert!(matches!(more, EditError::Unsafe { .. }), "{more}");
}

#[test]
fn a_command_is_allowed_for_one_project() {
    let argv = ["cargo", "test", "--locked"].map(str::to_owned).into();
    let allow = |text: &str| append_allowed_command(text, &"flowry".parse().unwrap(), CommandFamily::BuildTest, &argv).unwrap();
    let line = "- { project: flowry, family: build_test, argv: [cargo, test, --locked] }";
    let added = format!("project_commands:\n  {line}\n");
    assert_eq!(allow("# rules\ncommands: {}\n"), format!("# rules\ncommands: {{}}\n{added}"));
    assert_eq!(allow("project_commands: []\n"), added);
    assert_eq!(allow(&added), added, "it is there already");
    let other = "- { project: flowry, family: read_only, argv: [cargo, test, --locked] }  # keep";
    assert_eq!(
        allow(&format!("project_commands:\n{other}\nquotas: {{}}\n")),
        format!("project_commands:\n{other}\n{line}\nquotas: {{}}\n"),
        "dashes stay in their column"
    );
}

#[test]
fn the_stock_rules_take_a_command_and_keep_their_text() {
    let stock = std::str::from_utf8(orc_config::stock::file("policies/data/rules.yaml").unwrap()).unwrap();
    let argv = ["./verify", "a b", "1"].map(str::to_owned).into();
    let added = append_allowed_command(stock, &"flowry".parse().unwrap(), CommandFamily::BuildTest, &argv).unwrap();
    let line = "- { project: flowry, family: build_test, argv: [\"./verify\", \"a b\", \"1\"] }";
    let rest: Vec<&str> = added.lines().filter(|kept| kept.trim() != line).collect();
    let before: Vec<&str> = stock.lines().map(|line| if line == "project_commands: []" { "project_commands:" } else { line }).collect();
    assert_eq!(rest, before);
    assert_eq!(added.lines().count(), before.len() + 1);
}

#[test]
fn toolchains_outside_the_system_are_granted_by_their_directory() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    for program in [".cargo/bin/cargo", ".cargo/credentials.toml", "node/v20/bin/npm", ".pyenv/shims/python3", ".local/bin/uv"] {
        fs::create_dir_all(path(program).parent().unwrap()).unwrap();
        fs::write(path(program), "").unwrap();
    }
    fs::create_dir_all(path(".rustup")).unwrap();
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let places = [".cargo/bin", "node/v20/bin", ".pyenv/shims", ".local/bin"].map(|place| text(&path(place))).join(":");
    let search = format!("{places}:relative:/usr/bin:/bin");
    let commands =
        [["cargo", "test"], ["npm", "test"], ["python3", "-m"], ["uv", "run"], ["sh", "-c"], ["no-such-program", "x"], ["./own", "x"]]
            .map(|argv| argv.map(str::to_owned).to_vec());
    let found = toolchain(&commands, &search, None);
    // Never the whole of cargo's home, where tokens lie, nor of the directory that holds every program's data.
    let granted = [".cargo/bin", ".rustup", "node/v20", ".pyenv", ".local/bin"];
    assert_eq!(found.read, granted.iter().map(|place| text(&path(place))).collect());
    assert_eq!(found.env["CARGO_HOME"], text(&path(".cargo")));
    assert_eq!(found.env["RUSTUP_HOME"], text(&path(".rustup")));
    assert_eq!(found.missing, ["no-such-program".to_owned()].into());
    let parts: Vec<&str> = found.env["PATH"].split(':').collect();
    assert!(parts.contains(&text(&path("node/v20/bin")).as_str()) && parts.ends_with(&["/usr/bin", "/bin"]), "{parts:?}");
    assert!(!parts.contains(&"relative"));
}
