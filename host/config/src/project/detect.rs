//! What a repository is made of, by the files in its root. Nothing of it is executed, and links in it are not followed.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;

use orc_domain::project::Argv;
use orc_domain::risk::CommandFamily;

/// Most of a file that is looked at, in bytes.
const MAX_LOOK: u64 = 1024 * 1024;

/// The note where nothing says whether the project is well.
pub const NO_TESTS: &str = "no test command was recognised: name the commands with `--verify`, or later under `verify`";

/// A guess, for a person to look at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Detected {
    /// As in `rust`, `node`.
    pub stack: Vec<String>,
    /// Commands that make a fresh checkout usable.
    pub prepare: Vec<Argv>,
    /// Commands that say whether the project is well.
    pub verify: Vec<Argv>,
    /// Globs of what verification stands on.
    pub verification_paths: Vec<String>,
    /// Families to begin with.
    pub families: BTreeSet<CommandFamily>,
    /// What the person should know, a sentence each.
    pub notes: Vec<String>,
}

/// Looks at a repository.
pub fn detect(root: &Path) -> Detected {
    let mut found = Detected { families: BTreeSet::from([CommandFamily::BuildTest]), ..Detected::default() };
    let files = Files { root };
    rust(&files, &mut found);
    node(&files, &mut found);
    python(&files, &mut found);
    go(&files, &mut found);
    make(&files, &mut found);
    verification_paths(&files, &mut found);
    if found.verify.is_empty() {
        found.notes.push(NO_TESTS.to_owned());
    }
    found
}

struct Files<'a> {
    root: &'a Path,
}

impl Files<'_> {
    fn is_file(&self, name: &str) -> bool {
        fs::symlink_metadata(self.root.join(name)).is_ok_and(|metadata| metadata.is_file())
    }

    fn is_dir(&self, name: &str) -> bool {
        fs::symlink_metadata(self.root.join(name)).is_ok_and(|metadata| metadata.is_dir())
    }

    fn first<'n>(&self, names: &[&'n str]) -> Option<&'n str> {
        names.iter().copied().find(|name| self.is_file(name))
    }

    /// The beginning of a file, lossily; empty where there is none.
    fn text(&self, name: &str) -> String {
        let mut bytes = Vec::new();
        if self.is_file(name)
            && let Ok(file) = fs::File::open(self.root.join(name))
        {
            // What cannot be read is as good as not there: this is a guess.
            let _ = file.take(MAX_LOOK).read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Detected {
    fn verify(&mut self, command: &[&str]) {
        self.verify.push(argv(command));
    }

    fn prepare(&mut self, command: &[&str]) {
        let line = command.join(" ");
        self.notes.push(format!("`{line}` fetches: fill its cache and grant it under `launch.read`, or allow `launch.network: full`"));
        self.prepare.push(argv(command));
    }
}

fn argv(command: &[&str]) -> Argv {
    command.iter().map(|word| (*word).to_owned()).collect()
}

fn rust(files: &Files<'_>, found: &mut Detected) {
    if !files.is_file("Cargo.toml") {
        return;
    }
    found.stack.push("rust".to_owned());
    let workspace = files.text("Cargo.toml").lines().any(|line| line.trim_start().starts_with("[workspace"));
    let mut command = vec!["cargo", "test"];
    command.extend(workspace.then_some("--workspace"));
    if files.is_file("Cargo.lock") {
        command.push("--locked");
    } else {
        found.notes.push("there is no Cargo.lock: cargo has to resolve versions, which needs the network".to_owned());
    }
    found.verify(&command);
}

fn node(files: &Files<'_>, found: &mut Detected) {
    if !files.is_file("package.json") {
        return;
    }
    found.stack.push("node".to_owned());
    let package: serde_json::Value = serde_json::from_str(&files.text("package.json")).unwrap_or_else(|_| {
        found.notes.push("package.json is no valid JSON".to_owned());
        serde_json::Value::Null
    });
    let manager = match files.first(&["pnpm-lock.yaml", "yarn.lock", "package-lock.json", "npm-shrinkwrap.json"]) {
        Some("pnpm-lock.yaml") => "pnpm",
        Some("yarn.lock") => "yarn",
        _ => "npm",
    };
    let depends = ["dependencies", "devDependencies"].iter().any(|key| package[key].as_object().is_some_and(|map| !map.is_empty()));
    match (depends, manager) {
        (false, _) => {}
        (true, "npm") if !files.is_file("package-lock.json") && !files.is_file("npm-shrinkwrap.json") => {
            found.notes.push("there is no lock file: npm would resolve versions anew each time".to_owned());
            found.prepare(&["npm", "install"]);
        }
        (true, "npm") => found.prepare(&["npm", "ci"]),
        (true, manager) => found.prepare(&[manager, "install", "--frozen-lockfile"]),
    }
    for script in ["test", "lint", "typecheck"] {
        // What `npm init` writes into a package that has no tests.
        let real = |text: &str| !text.contains("no test specified");
        if package["scripts"][script].as_str().is_some_and(real) {
            found.verify(&[manager, "run", script]);
        }
    }
}

fn python(files: &Files<'_>, found: &mut Detected) {
    if files.first(&["pyproject.toml", "setup.py", "setup.cfg", "requirements.txt"]).is_none() {
        return;
    }
    found.stack.push("python".to_owned());
    let mentions = ["pyproject.toml", "setup.cfg", "requirements.txt", "requirements-dev.txt", "tox.ini"];
    let pytest = files.first(&["pytest.ini", "conftest.py", "tests/conftest.py"]).is_some()
        || mentions.iter().any(|name| files.text(name).contains("pytest"));
    match (files.is_file("uv.lock"), pytest) {
        (true, true) => {
            found.prepare(&["uv", "sync", "--frozen"]);
            found.verify(&["uv", "run", "--frozen", "pytest"]);
        }
        (false, true) => {
            found.verify(&["python3", "-m", "pytest"]);
            found.notes.push("pytest and what the project imports must be installed where `python3` finds them".to_owned());
        }
        (_, false) if files.is_dir("tests") => found.verify(&["python3", "-m", "unittest", "discover", "-s", "tests"]),
        (_, false) => {}
    }
}

fn go(files: &Files<'_>, found: &mut Detected) {
    if files.is_file("go.mod") {
        found.stack.push("go".to_owned());
        found.verify(&["go", "test", "./..."]);
    }
}

/// A Makefile wraps what the stack does: its targets are taken where nothing else was recognised.
fn make(files: &Files<'_>, found: &mut Detected) {
    let Some(name) = files.first(&["Makefile", "makefile", "GNUmakefile"]) else { return };
    found.stack.push("make".to_owned());
    let text = files.text(name);
    let has = |target: &str| {
        text.lines().any(|line| line.strip_prefix(target).is_some_and(|rest| rest.trim_start().starts_with(':') && !rest.contains(":=")))
    };
    if let Some(target) = ["test", "check"].into_iter().find(|target| found.verify.is_empty() && has(target)) {
        found.verify(&["make", target]);
    }
}

fn verification_paths(files: &Files<'_>, found: &mut Detected) {
    const DIRECTORIES: [&str; 9] = ["tests", "test", "spec", "__tests__", "scripts", ".github", ".ci", ".circleci", ".cargo"];
    const FILES: [&str; 16] = [
        "Cargo.toml",
        "build.rs",
        "package.json",
        "pyproject.toml",
        "setup.cfg",
        "pytest.ini",
        "conftest.py",
        "tox.ini",
        "go.mod",
        "Makefile",
        "makefile",
        "GNUmakefile",
        ".gitlab-ci.yml",
        "Jenkinsfile",
        "rust-toolchain.toml",
        ".npmrc",
    ];
    found.verification_paths.extend(DIRECTORIES.iter().filter(|name| files.is_dir(name)).map(|name| format!("{name}/**")));
    found.verification_paths.extend(FILES.iter().filter(|name| files.is_file(name)).map(|name| (*name).to_owned()));
    for (stack, glob) in [("rust", "**/tests/**"), ("go", "**/*_test.go"), ("node", "**/*.test.*"), ("python", "**/test_*.py")] {
        if found.stack.iter().any(|name| name == stack) {
            found.verification_paths.push(glob.to_owned());
        }
    }
}
