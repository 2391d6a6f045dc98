//! What a governed command may do to ORC: each ends in the documented way, the result tells the story, and nothing of it is left.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use orc_domain::api::*;
use orc_domain::states::*;
use orc_domain::{ErrorCode, WorkflowId};
use orc_tests::{World, edit, git, names, plan, replace};
use serde_json::{Value, json};

/// A world in which many executions run at once.
pub(crate) async fn busy_world(change: impl FnOnce(&Path)) -> World {
    let mut world = World::with(|root| {
        edit(root, "config/orc.yaml", "concurrent_executions: 2", "concurrent_executions: 6");
        edit(root, "policies/data/rules.yaml", "projects: {}", "projects: { demo: { active: 20 } }");
        change(root);
    })
    .await;
    world.drive();
    world
}

/// Starts `script` as `./work.sh`. Each plan keeps the commit that it was made on, so several can run at once.
pub(crate) async fn start(world: &World, script: &str) -> WorkflowId {
    world.commit("work.sh", &format!("#!/bin/sh\n{script}\n"));
    let id = world.approved("./work.sh").await.workflow.id;
    world.run(&id, "k1").await.unwrap();
    id
}

pub(crate) async fn ran(world: &World, script: &str) -> Status {
    let id = start(world, script).await;
    world.settled(&id).await
}

/// All of them at once.
async fn ran_all(world: &World, scripts: impl IntoIterator<Item = &str>) -> Vec<Status> {
    let mut started = Vec::new();
    for script in scripts {
        started.push(start(world, script).await);
    }
    let mut over = Vec::new();
    for id in started {
        over.push(world.settled(&id).await);
    }
    over
}

pub(crate) fn result(status: &Status) -> &ExecutionResult {
    status.execution.as_ref().unwrap().result.as_ref().unwrap()
}

pub(crate) fn output(status: &Status) -> &Value {
    result(status).phases[0].output.as_ref().unwrap_or(&Value::Null)
}

pub(crate) fn reasons(status: &Status) -> Vec<(String, String)> {
    result(status).reasons.iter().map(|reason| (reason.code.clone(), reason.message.raw().to_owned())).collect()
}

pub(crate) fn codes(status: &Status) -> Vec<String> {
    result(status).reasons.iter().map(|reason| reason.code.clone()).collect()
}

fn stdout(status: &Status) -> &str {
    output(status)["command_result"]["stdout_tail"].as_str().unwrap_or_default()
}

fn modified(status: &Status) -> Vec<&str> {
    output(status)["files_modified"].as_array().unwrap().iter().map(|path| path.as_str().unwrap()).collect()
}

fn purposes(status: &Status) -> Vec<&str> {
    status.phases[0].worker_runs.iter().map(|run| run.purpose.as_str()).collect()
}

/// Adds a line to the project's entry.
pub(crate) fn registry(root: &Path, line: &str) {
    edit(root, "config/projects.registry.yaml", "    owners: [alice]\n", &format!("    owners: [alice]\n    {line}\n"));
}

fn allow(root: &Path, argv: &str) {
    let file = root.join("policies/data/rules.yaml");
    let rules = fs::read_to_string(&file).unwrap();
    replace(&file, &format!("{}\n  - {{ project: demo, family: build_test, argv: {argv} }}\n", rules.trim_end()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_does_not_end_well_fails_its_execution() {
    let world = busy_world(|_| ()).await;
    let table = [
        ("echo out; echo err >&2; exit 3", json!({"kind": "exited", "code": 3}), "ended with exit code 3"),
        ("kill -KILL $$", json!({"kind": "signaled", "signal": 9}), "ended with killed by signal 9"),
        ("kill -SEGV $$", json!({"kind": "signaled", "signal": 11}), "ended with killed by signal 11"),
        ("head -c 104857600 /dev/zero", json!({"kind": "output_limit"}), "ended with stopped: too much output"),
        ("head -c 104857600 /dev/zero >&2", json!({"kind": "output_limit"}), "ended with stopped: too much output"),
    ];
    let over = ran_all(&world, table.iter().map(|row| row.0)).await;
    for ((script, end, message), status) in table.iter().zip(&over) {
        assert_eq!(status.workflow.state, WorkflowState::Failed, "{script}");
        let result = result(status);
        assert_eq!((result.state, result.phases[0].status), (ExecutionState::Failed, PhaseRunState::Blocked), "{script}");
        assert_eq!(output(status)["command_result"]["end"], *end, "{script}");
        assert_eq!(output(status)["verification_results"], json!([]), "what failed is not verified: {script}");
        let reasons = reasons(status);
        assert_eq!(codes(status), ["command-failed", "verification-passed"], "{script}");
        assert!(reasons[0].1.contains(message) && reasons[0].1.contains("./work.sh"), "{script}: {reasons:?}");
        let report = status.phases[0].worker_runs[0].report.as_ref().unwrap();
        assert!(report.proved_dead, "{script}");
        let explained = world.ask("bob", Explain { id: status.workflow.id.to_string() }).await.unwrap();
        assert_eq!(explained.reasons, result.reasons, "{script}");
    }
    assert_eq!(output(&over[0])["command_result"]["stdout_tail"], "out\n");
    assert_eq!(output(&over[0])["command_result"]["stderr_tail"], "err\n");
    world.assert_nothing_left().await;

    // Of a hundred megabytes heads and tails are kept.
    let transcripts = world.db().with_extension("db.d").join("transcripts");
    for status in &over[3..] {
        let run = &status.phases[0].worker_runs[0];
        assert_eq!(run.state, WorkerRunState::Killed);
        let kept: u64 =
            ["stdout", "stderr"].map(|stream| fs::metadata(transcripts.join(run.id.as_str()).join(stream)).unwrap().len()).iter().sum();
        assert!(kept <= (16 << 20) + 100, "{kept}");
    }
    let stored = fs::metadata(world.db()).unwrap().len();
    assert!(stored < 64 << 20, "{stored}");
}

#[tokio::test(flavor = "multi_thread")]
async fn output_of_any_bytes_is_kept_and_shown_harmless() {
    let world = busy_world(|_| ()).await;
    // A screen cleared, a title set, text reordered; and bytes that are no UTF-8.
    let escapes = r"printf '\033[2J\033]0;owned\007 \342\200\256evil\n'";
    let invalid = r"printf 'a\377\376b\n'";
    let over = ran_all(&world, [escapes, invalid]).await;
    for status in &over {
        assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(status));
    }
    assert_eq!(stdout(&over[0]), "\u{1b}[2J\u{1b}]0;owned\u{7} \u{202e}evil\n");
    assert_eq!(orc_domain::Untrusted::new(stdout(&over[0])).for_line(100), "\u{fffd}[2J\u{fffd}]0;owned\u{fffd} \u{fffd}evil⏎");
    assert_eq!(stdout(&over[1]), "a\u{fffd}\u{fffd}b\n");
    let transcript =
        world.db().with_extension("db.d").join("transcripts").join(over[1].phases[0].worker_runs[0].id.as_str()).join("stdout");
    assert_eq!(fs::read(transcript).unwrap(), b"a\xff\xfeb\n");
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file_names_of_any_bytes_are_collected_and_gated() {
    let world = busy_world(|_| ()).await;
    let script = r#"
        echo x > "$(printf 'esc\033[2J')"
        echo x > "$(printf 'bidi\342\200\256txt')"
        echo x > "$(printf 'new\nline')"
        echo x > "$(printf 'bytes\377\376')"
        echo x > ' blank " quote'
        echo x > -rf"#;
    let status = ran(&world, script).await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(&status));
    let expected = [" blank \" quote", "-rf", "bidi\u{202e}txt", "bytes\\xff\\xfe", "esc\u{1b}[2J", "new\nline"];
    assert_eq!(modified(&status).into_iter().collect::<BTreeSet<_>>(), expected.into());
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_leaves_running_dies_with_it() {
    let world = busy_world(|_| ()).await;
    // The world's path among the arguments is how the test would find what got away.
    let marker = world.dir.path().display();
    let quiet = format!(
        "(env -i setsid sh -c 'cd /; trap \"\" TERM HUP INT; (while :; do sleep 0.05; done) & :' {marker} </dev/null >/dev/null 2>&1 &) ; sleep 0.3"
    );
    // Holding the output open keeps nobody waiting.
    let loud = format!("(setsid sh -c 'cd /; (while :; do sleep 0.05; done) & :' {marker} &) ; sleep 0.3");
    let storm = "i=0; while [ $i -lt 200 ]; do sleep 600 & i=$((i+1)); done";
    let over = ran_all(&world, [quiet.as_str(), loud.as_str(), storm]).await;
    for (status, at_least) in over.iter().zip([1, 1, 200]) {
        assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(status));
        let report = status.phases[0].worker_runs[0].report.as_ref().unwrap();
        assert!(report.proved_dead && report.left_over >= at_least, "{} left over of {at_least}", report.left_over);
    }
    assert_eq!(world.processes(), Vec::<String>::new(), "dead when the execution is over, not some time later");
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_never_ends_is_ended() {
    let world = busy_world(|root| {
        edit(root, "config/phase-contracts.yaml", "timeout_s: 1800", "timeout_s: 2");
        registry(root, "launch: {limits: {grace_s: 1}}");
    })
    .await;
    let scripts = ["trap '' TERM INT HUP; while :; do sleep 0.05; done", "kill -STOP $$; sleep 600", "sleep 600"];
    for (script, status) in scripts.iter().zip(ran_all(&world, scripts).await) {
        assert_eq!(status.workflow.state, WorkflowState::Failed, "{script}");
        assert_eq!(output(&status)["command_result"]["end"], json!({"kind": "timed_out"}), "{script}");
        assert!(reasons(&status)[0].1.ends_with("ended with timed out"), "{:?}", reasons(&status));
        let run = &status.phases[0].worker_runs[0];
        assert_eq!(run.state, WorkerRunState::Killed, "{script}");
        assert!(run.report.as_ref().unwrap().proved_dead, "{script}");
    }
    assert_eq!(world.processes(), Vec::<String>::new());
    world.assert_nothing_left().await;
}

/// A script that says which of these paths it could read or list.
fn reads(paths: &[PathBuf]) -> String {
    let tries = paths.iter().map(|path| format!("try '{}'", path.display())).collect::<Vec<_>>().join("\n");
    format!("try() {{ if cat \"$1\" >/dev/null 2>&1 || ls \"$1/\" >/dev/null 2>&1; then echo \"READ $1\"; fi; }}\n{tries}")
}

#[tokio::test(flavor = "multi_thread")]
async fn orc_and_the_rest_of_the_machine_are_out_of_reach() {
    let world = busy_world(|_| ()).await;
    let (dir, state) = (world.dir.path().to_owned(), world.db().with_extension("db.d"));
    let installation = names(&dir.join("keys")).remove(0);
    let other = state.join("worktrees/other/verify-1");
    fs::create_dir_all(&other).unwrap();
    fs::write(other.join("secret"), "secret").unwrap();
    fs::create_dir_all(state.join("cache")).unwrap();

    let paths = [
        PathBuf::from("./check.sh"),
        world.db(),
        world.db().with_extension("db-wal"),
        state.clone(),
        state.join("owner.lock"),
        state.join("git"),
        state.join("transcripts"),
        state.join("cache"),
        other.join("secret"),
        state.join("worktrees"),
        dir.join("keys").join(installation).join("host.key"),
        world.root(),
        world.root().join("config/operators.yaml"),
        world.project(),
        world.project().join("src/main.txt"),
        world.project().join(".git/config"),
        "/etc/shadow".into(),
        "/proc/self/environ".into(),
        format!("/proc/{}/environ", std::process::id()).into(),
        "/proc/1/cmdline".into(),
        "/".into(),
        "/root".into(),
        "/home".into(),
        "/tmp".into(),
    ];
    let read = reads(&paths);

    let outside = [
        dir.join("planted"),
        state.join("planted"),
        state.join("git/planted"),
        other.join("planted"),
        world.root().join("config/planted"),
        world.project().join("planted"),
        "/tmp/orc-test-planted".into(),
        "/usr/local/orc-test-planted".into(),
    ];
    let targets = outside.iter().map(|path| format!("put '{}'", path.display())).collect::<Vec<_>>().join("\n");
    let write = format!(
        "put() {{ if (echo x > \"$1\") 2>/dev/null || mkdir \"$1\" 2>/dev/null || ln -s x \"$1\" 2>/dev/null; then echo \"WROTE $1\"; fi; }}
         put out.txt\nput \"$TMPDIR/x\" >/dev/null\n{targets}
         rm -f '{main}' 2>/dev/null && echo REMOVED
         mv '{main}' '{main}.moved' 2>/dev/null && echo MOVED
         (echo x >> '{main}') 2>/dev/null && echo APPENDED
         ln '{main}' linked 2>/dev/null && echo LINKED
         gitdir=$(sed 's/gitdir: //' .git)
         (echo x > \"$gitdir/config.worktree\") 2>/dev/null && echo PLANTED
         echo done",
        main = world.project().join("src/main.txt").display()
    );

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(TcpStream::connect(address).unwrap());
    drop(listener.accept().unwrap());
    listener.set_nonblocking(true).unwrap();
    let connect = format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{}' 2>/dev/null && echo CONNECTED; echo done", address.port());
    let signal = format!(
        "kill -0 {pid} 2>/dev/null && echo SIGNALLED; kill -CONT {pid} 2>/dev/null && echo SIGNALLED; echo done",
        pid = std::process::id()
    );

    let expected = ["READ ./check.sh\n", "WROTE out.txt\ndone\n", "done\n", "done\n"];
    for (status, expected) in ran_all(&world, [read.as_str(), &write, &connect, &signal]).await.iter().zip(expected) {
        assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(status));
        assert_eq!(stdout(status), expected);
    }
    assert!(listener.accept().is_err(), "nobody connected");
    for path in outside {
        assert!(!path.exists(), "{}", path.display());
    }
    assert_eq!(git(&world.project(), &["status", "--porcelain"]), "");
    fs::remove_dir_all(state.join("worktrees/other")).unwrap();
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_the_grant_and_nothing_else() {
    let mut world = World::with(|root| registry(root, "launch: {env: {RUST_BACKTRACE: \"1\"}}")).await;
    world.drive();
    // What the shell sets by itself is not of the grant. This process has more than that: `PATH` of another value, `CARGO_…`, `NEXTEST…`.
    let status = ran(&world, "unset PWD OLDPWD SHLVL _\nenv | sort\nulimit -c\numask").await;
    let lines: Vec<&str> = stdout(&status).lines().collect();
    let scratch = lines[1].strip_prefix("HOME=").unwrap();
    let home = format!("HOME={scratch}");
    let tmp = format!("TMPDIR={scratch}");
    let expected = ["CI=true", &home, "LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin", "RUST_BACKTRACE=1", &tmp, "TZ=UTC", "0", "0077"];
    assert_eq!(lines, expected);
    assert!(Path::new(scratch).starts_with(world.db().with_extension("db.d").join("scratch")), "{scratch}");
    assert!(!Path::new(scratch).exists());
    assert!(std::env::vars_os().count() > expected.len(), "this process would have had more to give");
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_seen_and_thrown_away() {
    let world = busy_world(|_| ()).await;
    world.commit("gone.txt", "gone\n");
    let script = "echo more >> src/main.txt; rm gone.txt; echo new > new.txt; chmod -x check.sh; chmod +x check.sh; mkdir -p out; echo x > out/ignored";
    let id = start(&world, script).await;
    let head = git(&world.project(), &["rev-parse", "HEAD"]);
    let status = world.settled(&id).await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(&status));
    assert_eq!(modified(&status), ["gone.txt", "new.txt", "src/main.txt"]);
    assert!(status.phases[0].tree.is_some());
    assert_eq!(git(&world.project(), &["rev-parse", "HEAD"]), head);
    assert_eq!(git(&world.project(), &["status", "--porcelain"]), "");
    assert_eq!(git(&world.project(), &["worktree", "list", "--porcelain"]).matches("worktree ").count(), 1);
    assert_eq!(git(&world.project(), &["for-each-ref", "--format=%(refname)"]), "refs/heads/main");
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_collected_fails_the_attempt_by_name() {
    let world = busy_world(|_| ()).await;
    let table = [
        ("ln -s /etc/passwd link", "link left by the command: a link that leaves the workspace"),
        ("ln -s ../../../keys link", "link left by the command: a link that leaves the workspace"),
        ("ln -s .git/config link", "link left by the command: a link that leaves the workspace"),
        ("mkfifo pipe", "pipe left by the command: a named pipe"),
        ("python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('sock')\"", "sock left by the command: a socket"),
        ("mkdir -p nested/.git; echo x > nested/file", "nested left by the command: a repository inside the workspace"),
        ("mkdir -p bare/objects bare/refs; echo x > bare/HEAD", "bare left by the command: a repository inside the workspace"),
        ("ln src/main.txt other", "other left by the command: a file with another hard link"),
        ("cp check.sh other; chmod u+s other", "other left by the command: a setuid or setgid file"),
        ("echo x > other; chmod 000 other", "other left by the command: not readable"),
        ("mkdir .GIT; echo x > .GIT/config", ".GIT/config left by the command: a name that git does not accept"),
        ("truncate -s 65M large", "large left by the command: a file over the size bound"),
    ];
    for ((script, message), status) in table.iter().zip(ran_all(&world, table.map(|row| row.0)).await) {
        assert_eq!(status.workflow.state, WorkflowState::Failed, "{script}");
        assert_eq!(output(&status)["command_result"]["end"], json!({"kind": "exited", "code": 0}), "{script}: {}", output(&status));
        assert_eq!(reasons(&status), [("collection-refused".to_owned(), (*message).to_owned())], "{script}");
        assert_eq!(purposes(&status), ["command"], "what was not collected is not verified: {script}");
    }
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ruined_workspace_is_survived() {
    let world = busy_world(|_| ()).await;
    let pwned = world.dir.path().join("pwned");
    let program = format!("touch {}", pwned.display());
    let hooked = format!(
        "rm .git; mkdir -p .git/hooks .git/objects .git/refs; echo ref: refs/heads/main > .git/HEAD
         printf '[core]\\n\\tfsmonitor = {program}\\n[filter \"x\"]\\n\\tclean = {program}\\n' > .git/config
         printf '#!/bin/sh\\n{program}\\n' > .git/hooks/post-checkout; chmod +x .git/hooks/post-checkout; echo '* filter=x' > .gitattributes"
    );
    let table: [(&str, WorkflowState, &[&str]); 6] = [
        ("echo gitdir: /tmp > .git", WorkflowState::Completed, &[]),
        ("rm .git", WorkflowState::Completed, &[]),
        ("mkdir -p out/closed/deep; echo x > out/closed/deep/file; chmod -R 000 out/closed", WorkflowState::Completed, &[]),
        ("mkdir -p $HOME/closed/deep; echo x > $HOME/closed/deep/file; chmod -R 500 $HOME/closed", WorkflowState::Completed, &[]),
        // A protected path, and not more.
        (&hooked, WorkflowState::Failed, &["protected-paths"]),
        // The verify command is gone as well.
        ("rm -rf ./* ./.[!.]*", WorkflowState::Failed, &["launch-failed", "launch-failed"]),
    ];
    for ((script, state, expected), status) in table.iter().zip(ran_all(&world, table.map(|row| row.0)).await) {
        assert_eq!(
            (status.workflow.state, codes(&status)),
            (*state, expected.iter().map(|code| (*code).to_owned()).collect()),
            "{script}: {:?}",
            reasons(&status)
        );
    }
    assert!(!pwned.exists(), "nothing that the workspace named was run by git");
    assert_eq!(git(&world.project(), &["status", "--porcelain"]), "");
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_cannot_be_made() {
    let mut world = World::new().await;
    world.drive();
    let status = ran(&world, "mknod device c 1 3 2>/dev/null || echo refused").await;
    assert_eq!((status.workflow.state, stdout(&status)), (WorkflowState::Completed, "refused\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn verification_sees_the_captured_tree_and_not_the_worktree() {
    let mut world = World::new().await;
    world.drive();
    world.commit("check.sh", "#!/bin/sh\ncat out/generated\n");
    let status = ran(&world, "mkdir -p out; echo generated > out/generated; ./check.sh").await;
    assert_eq!(status.workflow.state, WorkflowState::Failed);
    assert_eq!((stdout(&status), purposes(&status)), ("generated\n", vec!["command", "verify"]));
    let verified = &output(&status)["verification_results"][0];
    assert_eq!(verified["end"], json!({"kind": "exited", "code": 1}));
    assert!(verified["stderr_tail"].as_str().unwrap().contains("out/generated"), "{verified}");
    assert_eq!(codes(&status), ["command-failed", "verification-passed"]);
    assert_eq!(reasons(&status)[0].1, "verify: `./check.sh` ended with exit code 1");
    let [command, verify] = [0, 1].map(|run| status.phases[0].worker_runs[run].plan.cwd.clone());
    assert_ne!(command, verify);
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_red_project_is_told_with_the_output_of_what_failed() {
    let mut world = World::new().await;
    world.drive();
    world.commit("check.sh", "#!/bin/sh\necho '1 of 7 tests failed: adds_up'\nexit 1\n");
    let status = ran(&world, "echo nothing").await;
    assert_eq!((status.workflow.state, modified(&status)), (WorkflowState::Failed, vec![]));
    assert_eq!(reasons(&status)[0], ("command-failed".to_owned(), "verify: `./check.sh` ended with exit code 1".to_owned()));
    assert_eq!(output(&status)["verification_results"][0]["stdout_tail"], "1 of 7 tests failed: adds_up\n");
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepare_command_that_fails_stops_the_attempt() {
    let mut world = World::with(|root| registry(root, "prepare: [[./prepare.sh]]")).await;
    world.drive();
    world.commit("prepare.sh", "#!/bin/sh\necho preparing\nexit 4\n");
    let status = ran(&world, "echo never > ran").await;
    assert_eq!((status.workflow.state, purposes(&status)), (WorkflowState::Failed, vec!["prepare"]));
    // Nothing ran that could prove anything, says the gate.
    assert_eq!(codes(&status), ["command-failed", "verification-passed"]);
    assert_eq!(reasons(&status)[0].1, "prepare: `./prepare.sh` ended with exit code 4");
    assert_eq!(status.phases[0].worker_runs[0].report.as_ref().unwrap().stdout.head, "preparing\n");

    // Where it passes, it runs before the command and again before the verification, in each of both checkouts.
    world.commit("prepare.sh", "#!/bin/sh\nmkdir -p out && echo ready > out/prepared\n");
    world.commit("check.sh", "#!/bin/sh\ncat out/prepared\n");
    let status = ran(&world, "cat out/prepared").await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(&status));
    assert_eq!(purposes(&status), ["prepare", "command", "prepare", "verify"]);
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copied_files_are_in_both_checkouts_and_in_no_tree() {
    let mut world = World::with(|root| {
        fs::write(root.parent().unwrap().join("project/settings.env"), "right\n").unwrap();
        registry(root, "copy: [settings.env]");
    })
    .await;
    fs::write(world.project().join(".git/info/exclude"), "settings.env\n").unwrap();
    world.commit("check.sh", "#!/bin/sh\ngrep right settings.env\n");
    world.commit("work.sh", "#!/bin/sh\ngrep right settings.env && echo changed > settings.env\n");
    let status = world.completed("./work.sh").await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(&status));
    assert_eq!(modified(&status), Vec::<&str>::new());
    assert_eq!(fs::read_to_string(world.project().join("settings.env")).unwrap(), "right\n");
    assert_eq!(status.phases[0].guests[0].outcome, "pass", "a copied file is no change before the work");

    // Changed after the plan and before the run: another plan. Changed after that: not what was approved.
    world.stop_driving().await;
    let stale = world.approved("./work.sh").await.workflow.id;
    let late = world.approved("./work.sh").await.workflow.id;
    world.run(&late, "k1").await.unwrap();
    fs::write(world.project().join("settings.env"), "right or wrong\n").unwrap();
    let refused = world.run(&stale, "k1").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::PlanStale);
    assert!(refused.message.contains("/copied/settings.env"), "{}", refused.message);
    world.drive();
    let status = world.settled(&late).await;
    assert_eq!((status.workflow.state, codes(&status)), (WorkflowState::Failed, vec!["plan-stale".to_owned()]));
    assert_eq!(purposes(&status), Vec::<&str>::new());
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_started_is_an_error_that_says_what_to_do() {
    let mut tool = PathBuf::new();
    let world = busy_world(|root| {
        tool = root.parent().unwrap().join("tool.sh");
        orc_tests::write_executable(&tool, "#!/bin/sh\necho hello\n");
        for argv in ["[no-such-program]", "[./absent.sh]", "[./plain.sh]", "[./odd.sh]", &format!("[{}]", tool.display())] {
            allow(root, argv);
        }
    })
    .await;
    world.commit("odd.sh", "#!/no/such/interpreter\n");
    world.commit("plain.sh", "#!/bin/sh\n");
    fs::set_permissions(world.project().join("plain.sh"), fs::Permissions::from_mode(0o644)).unwrap();
    git(&world.project(), &["commit", "-qam", "Not executable"]);
    let tool = tool.display().to_string();
    let table = [
        ("no-such-program", "not found in the grant's PATH (/usr/local/bin:/usr/bin:/bin)"),
        ("./absent.sh", "cannot be found"),
        ("./plain.sh", "has no execute permission"),
        ("./odd.sh", "its interpreter or loader is missing"),
        (&tool, "is outside every directory that the grant lets execute"),
    ];
    for (command, why) in table {
        let planned = world.approved(command).await;
        world.run(&planned.workflow.id, "k1").await.unwrap();
        let status = world.settled(&planned.workflow.id).await;
        assert_eq!((status.workflow.state, result(&status).phases[0].status), (WorkflowState::Failed, PhaseRunState::Failed), "{command}");
        let reasons = &result(&status).reasons;
        assert!(reasons.iter().all(|reason| reason.code == "launch-failed"), "{command}: {reasons:?}");
        assert!(reasons[0].message.raw().ends_with("was not started"), "{command}: {reasons:?}");
        assert!(reasons[0].fix.as_ref().unwrap().raw().contains("launch.read"), "{command}: {reasons:?}");
        assert!(reasons[1].message.raw().contains(why), "{command}: {reasons:?}");
        let run = &status.phases[0].worker_runs[0];
        assert!(run.refused.as_ref().unwrap().contains(why) && run.report.is_none(), "{command}: {run:?}");
    }
    world.assert_nothing_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_verify_is_riskier_and_skips_what_it_says() {
    let mut world = World::new().await;
    world.drive();
    world.commit("check.sh", "#!/bin/sh\nexit 1\n");
    world.commit("work.sh", "#!/bin/sh\necho work\n");
    let planned = world.ask("alice", Plan { no_verify: true, ..plan("./work.sh") }).await.unwrap();
    assert_eq!(planned.workflow.risk.as_str(), "moderate");
    assert_eq!(planned.approval_requests[0].group.as_str(), "tech_lead");
    world.approve("bob", &planned.workflow.id).await.unwrap();
    world.run(&planned.workflow.id, "k1").await.unwrap();
    let status = world.settled(&planned.workflow.id).await;
    assert_eq!(status.workflow.state, WorkflowState::Completed, "{:?}", reasons(&status));
    assert_eq!((purposes(&status), output(&status)["verification_results"].clone()), (vec!["command"], json!([])));
    let gate = status.phases[0].guests.iter().find(|guest| guest.guest.as_str() == "verification-passed").unwrap();
    assert_eq!(gate.outcome, "not_applicable");
    world.assert_nothing_left().await;
}
