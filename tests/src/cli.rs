//! `orcctl` as a person has it: a home of one's own, nothing of the caller's environment but `PATH`, and what it printed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::{edit, git, replace, write_executable};

/// Operators that the owner of the state may name, each in one role beside `operator`. Votes are asserted, so they count up to moderate.
const CREW: &str = "
operators:
  alice: {roles: [operator, admin]}
  bob: {roles: [operator, tech_lead]}
  carol: {roles: [operator, security]}
role_groups:
  operator: [operator]
  tech_lead: [tech_lead]
  security: [security]
  release_manager: [tech_lead]
  admin: [admin]
";

/// What a command said and how it ended.
#[derive(Debug, Clone)]
#[must_use]
pub struct Said {
    pub line: String,
    /// The exit code; 128 and the signal where one ended it.
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Said {
    fn new(line: String, status: ExitStatus, stdout: Vec<u8>, stderr: Vec<u8>) -> Self {
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        let text = |bytes| String::from_utf8(bytes).expect("what orcctl prints is UTF-8");
        Self { line, code, stdout: text(stdout), stderr: text(stderr) }
    }

    /// Asserts success; words on standard error are fine, errors are not.
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self}");
        assert!(!self.stderr.contains("error["), "{self}");
        self
    }

    /// Asserts how it failed: exit code, error code in the words, nothing but a JSON error as data.
    pub fn fails(self, code: i32, error: &str) -> Self {
        assert_eq!(self.code, code, "{self}");
        assert!(self.stderr.contains(&format!("error[{error}]: ")), "no error[{error}] in {self}");
        self
    }

    /// Asserts that the data or the words hold `text`, however it was wrapped.
    pub fn says(self, text: &str) -> Self {
        let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat(&self.stdout).contains(&flat(text)) || flat(&self.stderr).contains(&flat(text)), "no {text:?} in {self}");
        self
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self}"))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "$ orcctl {}\n[exit code {}]\n--- stdout\n{}\n--- stderr\n{}", self.line, self.code, self.stdout, self.stderr)
    }
}

/// A person's shell on a machine of its own.
pub struct Shell {
    dir: TempDir,
    env: BTreeMap<&'static str, String>,
}

impl Default for Shell {
    fn default() -> Self {
        Self::new()
    }
}

impl Shell {
    /// An empty home.
    pub fn new() -> Self {
        // The socket's path has to fit into 107 bytes.
        let dir = TempDir::with_prefix_in("orc-cli-", "/tmp").unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let search = std::env::var("PATH").unwrap();
        let env = [("HOME", path("home")), ("XDG_CONFIG_HOME", path("home/config")), ("XDG_STATE_HOME", path("home/state"))];
        let fixed = [("PATH", search), ("COLUMNS", "120".to_owned()), ("TZ", "UTC".to_owned())];
        let shell = Self { env: env.into_iter().chain(fixed).collect(), dir };
        fs::create_dir(shell.path("home")).unwrap();
        shell
    }

    /// `orcctl init` for one person.
    pub fn solo() -> Self {
        let shell = Self::new();
        let _ = shell.orcctl(&["init"]).ok();
        shell.accept_root();
        shell
    }

    /// An installation of alice, bob and carol with the project `demo`, whose commands are allowed.
    pub fn crew() -> Self {
        let shell = Self::solo();
        replace(&shell.root().join("config/operators.yaml"), CREW);
        shell.project(
            "demo",
            &[
                ("build.sh", "#!/bin/sh\nmkdir -p out && echo built > out/result && echo building\n"),
                ("check.sh", "#!/bin/sh\necho checking\n"),
                ("fail.sh", "#!/bin/sh\necho it went wrong >&2\nexit 3\n"),
                (".gitignore", "out/\n"),
            ],
        );
        shell.register("demo", "[[./check.sh]]", &["./build.sh", "./check.sh", "./fail.sh", "./work.sh"]);
        shell
    }

    /// Root can bound the number of its own processes by nothing; everybody else needs no exception.
    pub fn accept_root(&self) {
        if rustix::process::geteuid().is_root() {
            edit(&self.root(), "config/orc.yaml", "accept_root: []", "accept_root: [processes]");
        }
    }

    /// Makes a git repository of executable files.
    pub fn project(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let dir = self.path(name);
        for (file, content) in files {
            write_executable(&dir.join(file), content);
        }
        git(&dir, &["init", "-q"]);
        git(&dir, &["add", "-A"]);
        git(&dir, &["commit", "-qm", "Start"]);
        dir
    }

    /// Registers a project by hand, and allows its commands of one word.
    pub fn register(&self, name: &str, verify: &str, allowed: &[&str]) {
        let root = self.path(name).display().to_string();
        let entry = format!(
            "projects:\n  {name}:\n    tenant: default\n    root: {root}\n    families: [build_test]\n    verify: {verify}\n    owners: []\n"
        );
        edit(&self.root(), "config/projects.registry.yaml", "projects:\n", &entry);
        let rules = self.root().join("policies/data/rules.yaml");
        let commands: String =
            allowed.iter().map(|command| format!("  - {{ project: {name}, family: build_test, argv: [{command}] }}\n")).collect();
        replace(&rules, &format!("{}\n{commands}", fs::read_to_string(&rules).unwrap().trim_end()));
    }

    /// Commits `content` as a file of a project.
    pub fn commit(&self, project: &str, file: &str, content: &str) {
        let dir = self.path(project);
        write_executable(&dir.join(file), content);
        git(&dir, &["add", "-A"]);
        git(&dir, &["commit", "-qm", "Change"]);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn root(&self) -> PathBuf {
        self.path("home/config/orc")
    }

    pub fn db(&self) -> PathBuf {
        self.path("home/state/orc/orc.db")
    }

    pub fn socket(&self) -> PathBuf {
        self.path("home/state/orc/orc.db.d/orc.sock")
    }

    /// The same shell with a variable set.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.env.insert(name, value.to_owned());
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(orcctl());
        command.env_clear().envs(&self.env).current_dir(self.dir.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs `orcctl` to its end.
    pub fn orcctl(&self, arguments: &[&str]) -> Said {
        let out = self.command(arguments).output().unwrap();
        Said::new(arguments.join(" "), out.status, out.stdout, out.stderr)
    }

    /// The same without root's right to pass every mode; an ordinary user has none to give up.
    pub fn as_ordinary_user(&self, arguments: &[&str]) -> Said {
        if !rustix::process::geteuid().is_root() {
            return self.orcctl(arguments);
        }
        let mut command = Command::new("setpriv");
        command.env_clear().envs(&self.env).current_dir(self.dir.path()).stdin(Stdio::null());
        command.args(["--bounding-set", "-dac_override,-dac_read_search", "--"]).arg(orcctl()).args(arguments);
        let out = command.output().unwrap();
        Said::new(arguments.join(" "), out.status, out.stdout, out.stderr)
    }

    /// The same in the name of an operator.
    pub fn by(&self, user: &str, arguments: &[&str]) -> Said {
        self.orcctl(&[&["--user", user], arguments].concat())
    }

    /// The same, its answer as JSON; it must succeed.
    pub fn json(&self, user: &str, arguments: &[&str]) -> Value {
        self.by(user, &[&["--format", "json"], arguments].concat()).ok().json()
    }

    /// Runs `orcctl` with something to read.
    pub fn fed(&self, input: &str, arguments: &[&str]) -> Said {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        Said::new(arguments.join(" "), out.status, out.stdout, out.stderr)
    }

    /// Runs `orcctl` whose standard output is read for one line and then closed, as by `| head -1`.
    pub fn head(&self, arguments: &[&str]) -> Said {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (mut out, mut line, mut byte) = (child.stdout.take().unwrap(), Vec::new(), [0]);
        while !line.ends_with(b"\n") && out.read(&mut byte).unwrap() == 1 {
            line.push(byte[0]);
        }
        drop(out);
        let rest = child.wait_with_output().unwrap();
        Said::new(arguments.join(" "), rest.status, line, rest.stderr)
    }

    /// Starts `orcctl` and leaves it running.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let (_, out) = tempfile::NamedTempFile::with_prefix_in("out-", self.dir.path()).unwrap().keep().unwrap();
        let words = out.with_extension("err");
        let (stdout, stderr) = (File::create(&out).unwrap(), File::create(&words).unwrap());
        let child = self.command(arguments).stdout(stdout).stderr(stderr).spawn().unwrap();
        Running { line: arguments.join(" "), child, out, words }
    }

    /// Starts `orcctl serve` and waits until it listens.
    pub fn serve(&self) -> Running {
        let mut host = self.start(&["serve"]);
        host.wait_for_words("serving ");
        host
    }

    /// Plans a command of `demo` as alice; the workflow's id.
    pub fn plan(&self, command: &str) -> String {
        let line = ["plan", "--project", "demo", "--action", "build", "--family", "build_test", "--command-text", command];
        self.json("alice", &line)["workflow"]["id"].as_str().unwrap().to_owned()
    }

    /// A plan of `command` that bob approved.
    pub fn approved(&self, command: &str) -> String {
        let id = self.plan(command);
        let _ = self.by("bob", &["approve", &id, "--yes"]).ok();
        id
    }

    /// A workflow's state.
    pub fn state(&self, id: &str) -> String {
        self.json("alice", &["status", id])["workflow"]["state"].as_str().unwrap().to_owned()
    }

    /// Waits, at most a minute, until a workflow's state is the one.
    pub fn wait_for_state(&self, id: &str, state: &str) {
        until(&format!("{id} is {state}"), || self.state(id) == state);
    }

    /// What was printed without what differs from run to run: ids by order of appearance, digests, times, durations, processes, paths.
    pub fn redact(&self, text: &str) -> String {
        redact(&text.replace(&self.dir.path().display().to_string(), "DIR"))
    }
}

/// An `orcctl` that runs. It is killed when this goes.
pub struct Running {
    line: String,
    child: Child,
    out: PathBuf,
    words: PathBuf,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn words(&self) -> String {
        fs::read_to_string(&self.words).unwrap()
    }

    /// Waits, at most a minute, until it has said `text` on standard error.
    pub fn wait_for_words(&mut self, text: &str) {
        for _ in 0..1200 {
            if self.words().contains(text) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "`orcctl {}` ended with {ended:?}, saying {}", self.line, self.words());
            sleep(Duration::from_millis(50));
        }
        panic!("`orcctl {}` never said {text:?}, but {}", self.line, self.words());
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits, at most a minute, for its end.
    pub fn end(mut self) -> Said {
        for _ in 0..1200 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Said::new(self.line.clone(), status, fs::read(&self.out).unwrap(), fs::read(&self.words).unwrap());
            }
            sleep(Duration::from_millis(50));
        }
        panic!("`orcctl {}` does not end; it said {}", self.line, self.words());
    }

    /// Asks it to stop, and waits for its end.
    pub fn stop(self) -> Said {
        self.signal(Signal::TERM);
        self.end()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits, at most a minute, until `true_now`.
pub fn until(what: &str, mut true_now: impl FnMut() -> bool) {
    for _ in 0..600 {
        if true_now() {
            return;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("not within a minute: {what}");
}

/// Whether a process whose command line contains `text` lives. Zombies have no command line.
pub fn process_lives(text: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten().filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok());
    processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok()).any(|line| String::from_utf8_lossy(&line).contains(text))
}

/// Whether a program is in `PATH`.
pub fn has(program: &str) -> bool {
    let search = std::env::var("PATH").unwrap();
    search.split(':').any(|folder| Path::new(folder).join(program).is_file())
}

/// Where the binary under test is.
pub fn orcctl() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let found = exe.ancestors().skip(1).take(2).map(|dir| dir.join("orcctl")).find(|file| file.is_file());
    found.expect("no orcctl beside the test: run `cargo xtask build` first")
}

/// Ids by order of appearance, digests, times, durations and processes made the same in every run; blanks in a row made one.
fn redact(text: &str) -> String {
    let mut ids = BTreeMap::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut words: Vec<String> = Vec::new();
        for word in line.split_whitespace() {
            let unit = matches!(word.trim_end_matches([',', ';', ')']), "ms" | "s" | "min");
            if unit && let Some(before) = words.last_mut() {
                *before = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned() + "N";
            }
            let counted = words.last().is_some_and(|before| matches!(before.as_str(), "process" | "generation" | "\"duration_ms\":"));
            let plain = match (unit, counted) {
                (true, _) => "UNIT",
                (false, true) => "N",
                (false, false) => word,
            };
            words.push(tokens(plain, &mut ids));
        }
        lines.push(words.join(" "));
    }
    lines.join("\n") + "\n"
}

/// Each run of letters, digits and `_`, `-`, `:` of a word.
fn tokens(word: &str, ids: &mut BTreeMap<String, String>) -> String {
    let inside = |c: char| c.is_ascii_alphanumeric() || "_-:".contains(c);
    let mut out = String::new();
    let mut rest = word;
    while let Some(start) = rest.find(inside) {
        let length = rest[start..].find(|c| !inside(c)).unwrap_or(rest.len() - start);
        out.push_str(&rest[..start]);
        out.push_str(&token(&rest[start..start + length], ids));
        rest = &rest[start + length..];
    }
    out + rest
}

fn token(token: &str, ids: &mut BTreeMap<String, String>) -> String {
    if let Some(before) = token.strip_suffix(':') {
        return self::token(before, ids) + ":";
    }
    let bytes = token.as_bytes();
    let hex = |text: &str| text.len() >= 12 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let digits = |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    if bytes.len() == 11 && bytes[2] == b'_' && bytes[..2].iter().all(u8::is_ascii_lowercase) {
        let number = ids.len() + 1;
        return ids.entry(token.to_owned()).or_insert_with(|| format!("{}_{number}", &token[..2])).clone();
    }
    match token {
        _ if token.strip_prefix("sha256:").is_some_and(hex) => "sha256:HASH".to_owned(),
        _ if hex(token) => "HASH".to_owned(),
        _ if token.strip_prefix("cli-").is_some_and(hex) => "cli-HASH".to_owned(),
        _ if bytes.len() == 10 && digits(0..4) && bytes[4] == b'-' && digits(5..7) => "DATE".to_owned(),
        _ if bytes.len() >= 5 && digits(0..2) && bytes[2] == b':' && digits(3..5) => "TIME".to_owned(),
        _ => token.to_owned(),
    }
}
