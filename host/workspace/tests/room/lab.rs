//! A project, a state directory and a room in a temporary place.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use orc_domain::ports::Launcher;
use orc_domain::{ExecutionId, ProjectName};
use orc_workspace::{CapturedTree, CollectionLimits, Refusal, Workspace, Workspaces, WorkspacesOptions};
use tempfile::TempDir;

use crate::unconfined::Unconfined;

pub(crate) struct Lab {
    pub(crate) dir: TempDir,
    pub(crate) room: Workspaces,
}

impl Lab {
    /// A room behind the real launcher, and a project with one commit of a few files.
    pub(crate) fn new() -> Self {
        Self::with(&[], confined, CollectionLimits::default())
    }

    /// The same, unconfined: what runs leaves a trace.
    pub(crate) fn unconfined() -> Self {
        Self::behind(Arc::new(Unconfined))
    }

    /// The same, behind a launcher of the test's own.
    pub(crate) fn behind(launcher: Arc<dyn Launcher>) -> Self {
        Self::with(&[], |_| launcher, CollectionLimits::default())
    }

    pub(crate) fn with_limits(limits: CollectionLimits) -> Self {
        Self::with(&[], confined, limits)
    }

    pub(crate) fn with_init(init: &[&str]) -> Self {
        Self::with(init, confined, CollectionLimits::default())
    }

    fn with(init: &[&str], launcher: impl FnOnce(&Path) -> Arc<dyn Launcher>, limits: CollectionLimits) -> Self {
        let dir = TempDir::new().unwrap();
        let state = dir.path().join("state.d");
        fs::create_dir(&state).unwrap();
        let room = Workspaces::new(WorkspacesOptions {
            state_dir: state.clone(),
            git: git_program(),
            launcher: launcher(&state),
            system: orc_launch::system_grant(),
            env: orc_launch::baseline_env("/nonexistent", "/nonexistent"),
            limits,
        });
        let lab = Self { dir, room };
        fs::create_dir(lab.project()).unwrap();
        lab.git(&[&["init", "-q", "-b", "main"], init].concat());
        lab.write("README", "read me\n");
        lab.write("src/main.rs", "fn main() {}\n");
        lab.write("run.sh", "#!/bin/sh\n");
        fs::set_permissions(lab.project().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
        std::os::unix::fs::symlink("README", lab.project().join("link")).unwrap();
        lab.write(".gitignore", "target/\n*.log\n");
        lab.commit();
        lab
    }

    pub(crate) fn project(&self) -> PathBuf {
        self.dir.path().join("project")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state.d")
    }

    /// Writes a file of the project's own checkout.
    pub(crate) fn write(&self, path: &str, content: &str) {
        put(&self.project().join(path), content);
    }

    /// Commits all of the project's own checkout; the new commit's id.
    pub(crate) fn commit(&self) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", "a commit"]);
        self.head()
    }

    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Plain git in the project's own checkout, as a person would run it.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        git_in(&self.project(), args)
    }

    /// Makes a tree of lines as `git ls-tree` prints them, in the project's repository; `missing` takes objects that are not there.
    pub(crate) fn mktree(&self, lines: &str, missing: bool) -> String {
        use std::io::Write;
        let mut command = plain_git(&self.project());
        command.arg("mktree").args(missing.then_some("--missing"));
        let mut child = command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
    }

    /// A checkout of the project's head, in an execution named after `name`.
    pub(crate) async fn checkout(&self, name: &str) -> Workspace {
        let commit = self.head();
        self.room.checkout(&project_name(), &self.project(), &commit, name, &execution(name)).await.unwrap()
    }

    /// What plain `git add -A` and `git write-tree` make of a copy of the files.
    pub(crate) fn plain_tree(&self, workspace: &Workspace) -> String {
        let index = self.dir.path().join("plain-index");
        let common = self.project().join(".git");
        let objects = self.dir.path().join("plain-objects");
        fs::create_dir_all(&objects).unwrap();
        let run = |args: &[&str]| {
            let mut command = plain_git(&workspace.path);
            command.env("GIT_INDEX_FILE", &index).env("GIT_OBJECT_DIRECTORY", &objects);
            command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", common.join("objects"));
            command.arg(format!("--git-dir={}", common.display())).arg(format!("--work-tree={}", workspace.path.display()));
            succeeded(command.args(args).output().unwrap(), args)
        };
        run(&["read-tree", &workspace.base]);
        run(&["add", "-A"]);
        run(&["write-tree"])
    }

    /// The paths of a tree in ORC's own repository, with their modes.
    pub(crate) fn paths(&self, tree: &str) -> Vec<String> {
        let own = self.own();
        let listed = git_in(&own, &["--git-dir=.", "-c", "core.quotePath=true", "ls-tree", "-r", tree]);
        listed.lines().map(|line| line.split_once('\t').unwrap().1.to_owned()).collect()
    }

    /// A file of a tree in ORC's own repository.
    pub(crate) fn content(&self, tree: &str, path: &str) -> String {
        git_in(&self.own(), &["--git-dir=.", "cat-file", "blob", &format!("{tree}:{path}")])
    }

    pub(crate) fn own(&self) -> PathBuf {
        self.state().join("git/flowry.git")
    }

    /// Every file of the project, `.git` included, with its content or target and its times.
    pub(crate) fn snapshot(&self) -> Vec<String> {
        let mut command = {
            #[expect(clippy::disallowed_methods, reason = "fixtures are looked at with plain tools")]
            std::process::Command::new("/bin/sh")
        };
        let script = "find . -printf '%p %y %m %s %T@ %l\\n' | sort; find . -type f -print0 | sort -z | xargs -0 cksum";
        let output = command.args(["-c", script]).current_dir(self.project()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
    }
}

fn confined(state: &Path) -> Arc<dyn Launcher> {
    let helper = orc_launch::find_helper(&std::env::current_exe().unwrap());
    let helper = helper.expect("build `orc-launch-helper` first: `cargo build -p orc-launch-helper`");
    let launcher = orc_launch::HelperLauncher::new(orc_launch::LauncherOptions {
        helper,
        forbidden: vec![state.to_owned()],
        allowed_within: vec![state.join("git"), state.join("worktrees")],
    });
    Arc::new(launcher.unwrap())
}

pub(crate) fn project_name() -> ProjectName {
    "flowry".parse().unwrap()
}

/// An execution whose id is made of a name.
pub(crate) fn execution(name: &str) -> ExecutionId {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
    format!("ex_{letters}").parse().unwrap()
}

/// The first git of the machine.
fn git_program() -> PathBuf {
    ["/usr/local/bin/git", "/usr/bin/git"].map(PathBuf::from).into_iter().find(|path| path.exists()).expect("git is installed")
}

pub(crate) fn put(path: &Path, content: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

pub(crate) fn refusals(captured: &CapturedTree) -> Vec<(&str, Refusal)> {
    captured.refused.iter().map(|refused| (refused.path.raw(), refused.why)).collect()
}

pub(crate) fn git_in(dir: &Path, args: &[&str]) -> String {
    succeeded(plain_git(dir).args(args).output().unwrap(), args)
}

pub(crate) fn plain_git(dir: &Path) -> std::process::Command {
    #[expect(clippy::disallowed_methods, reason = "fixtures are made with plain git, as a person would")]
    let mut command = std::process::Command::new(git_program());
    command.current_dir(dir).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", "/nonexistent");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{who}_NAME"), "A Person").env(format!("GIT_{who}_EMAIL"), "person@example.invalid");
    }
    command
}

fn succeeded(output: Output, args: &[&str]) -> String {
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}
