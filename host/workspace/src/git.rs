//! One git call: the one place that knows how git is hardened and what it is granted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orc_domain::grant::{Access, DirGrant, LaunchEnd, LaunchGrant, LaunchPlan, Network, Protection, ResourceLimits};
use orc_domain::ports::{LaunchIo, Launcher};
use orc_domain::untrusted::Untrusted;
use tokio_util::sync::CancellationToken;

use crate::{Result, WorkspaceError, text};

/// Configuration of every call. Command scope wins over every file, and the files that git does read are ORC's own.
const CONFIG: [&str; 15] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.quotePath=false",
    "core.sparseCheckout=false",
    // An object id is an id: no ref of the same name is looked for, and none is opened.
    "core.warnAmbiguousRefs=false",
    // Links are content: they are made as links and never followed.
    "core.symlinks=true",
    "protocol.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
    "advice.detachedHead=false",
    "safe.directory=*",
];

/// Environment of every call, over the caller's.
const ENVIRONMENT: [(&str, &str); 14] = [
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    // A clone with a promisor remote would fetch what it lacks, by a command that its configuration names.
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_ALLOW_PROTOCOL", "none"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_PAGER", "cat"),
    ("GIT_EDITOR", "false"),
    ("HOME", "/nonexistent"),
    ("TZ", "UTC"),
    ("LANG", "C"),
    ("LC_ALL", "C"),
];

/// Wall time of one call, in seconds: a checkout of a very large project takes minutes.
const WALL_S: u64 = 900;

/// Wall time of a call that only looks at refs, formats or history, in seconds. Whoever waits for it waits for a person's answer, and a
/// repository could keep git waiting for ever.
const LOOK_S: u64 = 20;

/// The largest answer that is held in memory: a listing of a million paths.
pub(crate) const ANSWER_BYTES: usize = 256 << 20;

/// Git, and what it is started with.
pub(crate) struct Git {
    program: PathBuf,
    launcher: Arc<dyn Launcher>,
    system: Vec<DirGrant>,
    env: BTreeMap<String, String>,
}

impl Git {
    pub(crate) fn new(program: PathBuf, launcher: Arc<dyn Launcher>, system: Vec<DirGrant>, mut env: BTreeMap<String, String>) -> Self {
        env.retain(|name, _| !name.starts_with("GIT_") && name != "XDG_CONFIG_HOME");
        env.extend(ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Self { program, launcher, system, env }
    }

    /// A call to `what` ("list branches") on a git directory, which is granted for reading.
    pub(crate) fn call(&self, what: &'static str, git_dir: &Path) -> Call<'_> {
        Call {
            git: self,
            what,
            git_dir: git_dir.to_owned(),
            work_tree: None,
            index: None,
            read: vec![git_dir.to_owned()],
            write: Vec::new(),
            env: Vec::new(),
            args: Vec::new(),
            stdin: Vec::new(),
            keep: ANSWER_BYTES,
            wall_s: WALL_S,
            file_bytes: None,
        }
    }
}

/// A git call in the making.
pub(crate) struct Call<'a> {
    git: &'a Git,
    what: &'static str,
    git_dir: PathBuf,
    work_tree: Option<PathBuf>,
    index: Option<PathBuf>,
    read: Vec<PathBuf>,
    write: Vec<PathBuf>,
    env: Vec<(&'static str, String)>,
    args: Vec<String>,
    stdin: Vec<u8>,
    keep: usize,
    wall_s: u64,
    file_bytes: Option<u64>,
}

/// What git said, where it ended by itself.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
}

impl Answer {
    /// The answer where it is one line of text.
    pub(crate) fn line(&self, what: &'static str) -> Result<&str> {
        let line = self.stdout.strip_suffix(b"\n").unwrap_or(&self.stdout);
        std::str::from_utf8(line).map_err(|_| WorkspaceError::Answer { what })
    }
}

impl Call<'_> {
    pub(crate) fn args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Grants reading.
    pub(crate) fn read(mut self, paths: &[PathBuf]) -> Self {
        self.read.extend_from_slice(paths);
        self
    }

    /// Grants writing.
    pub(crate) fn write(mut self, path: &Path) -> Self {
        self.write.push(path.to_owned());
        self
    }

    /// Works on the files of this directory, which is granted for reading.
    pub(crate) fn work_tree(mut self, path: &Path) -> Self {
        self.read.push(path.to_owned());
        self.work_tree = Some(path.to_owned());
        self
    }

    /// Uses this index. The directory that it is in has to be granted for writing.
    pub(crate) fn index(mut self, path: &Path) -> Self {
        self.index = Some(path.to_owned());
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    pub(crate) fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = bytes;
        self
    }

    /// Has to end soon: it only looks.
    pub(crate) fn brief(mut self) -> Self {
        self.wall_s = LOOK_S;
        self
    }

    /// May write no file that is larger, rounded up to a MiB.
    pub(crate) fn file_bytes(mut self, max: u64) -> Self {
        self.file_bytes = Some(max);
        self
    }

    fn argv(&self) -> Result<Vec<String>> {
        let mut argv = vec![text(&self.git.program)?.to_owned(), format!("--git-dir={}", text(&self.git_dir)?)];
        if let Some(path) = &self.work_tree {
            argv.push(format!("--work-tree={}", text(path)?));
        }
        argv.push("--no-pager".to_owned());
        argv.extend(CONFIG.iter().flat_map(|entry| ["-c".to_owned(), (*entry).to_owned()]));
        argv.extend_from_slice(&self.args);
        Ok(argv)
    }

    fn grant(&self) -> Result<LaunchGrant> {
        let mut dirs = self.git.system.clone();
        for (paths, access) in [(&self.write, Access::Write), (&self.read, Access::Read)] {
            for path in paths {
                // One entry a path, and the stronger one: what is writable is readable too.
                let covered = access == Access::Read && self.write.iter().any(|wider| path.starts_with(wider));
                if !covered && !dirs.iter().any(|dir| Path::new(&dir.path) == path) {
                    dirs.push(DirGrant { path: text(path)?.to_owned(), access, role: "git".to_owned() });
                }
            }
        }
        let mut env = self.git.env.clone();
        env.extend(self.env.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        if let Some(index) = &self.index {
            env.insert("GIT_INDEX_FILE".to_owned(), text(index)?.to_owned());
        }
        // The answer is bounded by what is kept of it; this bounds what git may complain.
        let output = self.keep.max(1 << 20) as u64;
        let file_mib = self.file_bytes.map(|max| max.div_ceil(1 << 20));
        let limits = ResourceLimits { wall_s: Some(self.wall_s), output_bytes: Some(output), file_mib, ..ResourceLimits::default() };
        let must = [Protection::Files, Protection::NoNewPrivs, Protection::ProcessTree].into();
        Ok(LaunchGrant { dirs, env, network: Network::None, limits, must })
    }

    async fn launch(self) -> Result<(LaunchEnd, Vec<u8>, String)> {
        let what = self.what;
        let cwd = text(self.work_tree.as_deref().unwrap_or(&self.git_dir))?.to_owned();
        let plan = LaunchPlan { purpose: format!("git: {what}"), argv: self.argv()?, cwd, grant: self.grant()? };
        let io = LaunchIo { stdin: self.stdin, capture: Some(self.keep), ..LaunchIo::default() };
        let outcome = self.git.launcher.launch(&plan, io, &CancellationToken::new()).await;
        let outcome = outcome.map_err(|source| WorkspaceError::Launch { what, source })?;
        tracing::debug!(what, end = %outcome.report.end, ms = outcome.report.duration_ms, "git");
        Ok((outcome.report.end, outcome.captured, outcome.report.stderr.last(2000).to_owned()))
    }

    /// Runs it; ending with 0 or one of `codes` is an answer.
    pub(crate) async fn run_or(self, codes: &[i32]) -> Result<Answer> {
        let what = self.what;
        match self.launch().await? {
            (LaunchEnd::Exited { code }, stdout, _) if code == 0 || codes.contains(&code) => Ok(Answer { code, stdout }),
            (end, _, said) => Err(WorkspaceError::Git { what, end, said: Untrusted::new(said) }),
        }
    }

    /// Runs it; only ending with 0 is an answer.
    pub(crate) async fn run(self) -> Result<Answer> {
        self.run_or(&[]).await
    }

    /// Runs it and takes the first `max` bytes of its answer; says whether there was more.
    pub(crate) async fn run_cut(mut self, max: usize) -> Result<(Vec<u8>, bool)> {
        let what = self.what;
        self.keep = max;
        match self.launch().await? {
            (LaunchEnd::Exited { code: 0 }, stdout, _) => Ok((stdout, false)),
            (LaunchEnd::OutputLimit, mut stdout, _) => {
                stdout.truncate(max);
                Ok((stdout, true))
            }
            (end, _, said) => Err(WorkspaceError::Git { what, end, said: Untrusted::new(said) }),
        }
    }
}

/// Whether this is a whole object id: 40 or 64 lower-case hex digits. Nothing else may stand where git takes a revision.
pub(crate) fn is_object_id(id: &str) -> bool {
    matches!(id.len(), 40 | 64) && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The id, where it is a whole one.
///
/// # Errors
/// [`WorkspaceError::ObjectGone`]: a thing without an id does not exist.
pub(crate) fn object_id(id: &str) -> Result<&str> {
    if is_object_id(id) { Ok(id) } else { Err(WorkspaceError::ObjectGone { id: Untrusted::new(id) }) }
}

/// The NUL-terminated records of an answer of `-z`.
pub(crate) fn records(answer: &[u8]) -> impl Iterator<Item = &[u8]> {
    answer.split(|byte| *byte == 0).filter(|record| !record.is_empty())
}

/// The largest standard input of one call; the launcher takes twice as much.
const STDIN_BYTES: usize = 32 << 20;

/// Lines for standard input, in as many batches as the launcher makes necessary.
pub(crate) fn batches(lines: impl Iterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    let mut batches: Vec<Vec<u8>> = Vec::new();
    for line in lines {
        match batches.last_mut() {
            Some(batch) if batch.len() + line.len() <= STDIN_BYTES => batch.extend_from_slice(&line),
            _ => batches.push(line),
        }
    }
    batches
}
