//! The protocol from both sides: what the adapter says is what programs read, and what they print is what it finds. The programs are the
//! sample worker and the examples of `docs/workers.md`, as they stand there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use orc_domain::grant::LaunchEnd;
use orc_domain::output::DevelopOutput;
use orc_domain::ports::Worker as _;
use orc_domain::worker::{Answer, AnswerFault, AnswerFaultKind, CaptureRule, Repair, WorkerEnded, WorkerTask};
use orc_workers::CommandWorker;
use serde_json::json;
use tempfile::TempDir;

fn task(root: &Path, phase: &str) -> WorkerTask {
    let task = json!({
        "schema": "orc.task/1", "workflow": "wf_k7f3q2mz", "execution": "ex_k7f3q2mz", "project": "flowry", "phase": phase, "attempt": 1,
        "access": "write", "workspace": root, "task": "say \"phase\":\"develop\" or \"repair\":{\napply: p", "prompt": "p",
        "output_schema": {"type": "object"}, "reasons": [],
    });
    serde_json::from_value(task).unwrap()
}

fn work(program: &Path, task: &WorkerTask) -> Result<Answer, AnswerFault> {
    let call = CommandWorker.call(task).unwrap();
    let mut command = assert_cmd::Command::new(program);
    let ran = command.args(call.args).current_dir(&task.workspace).write_stdin(call.stdin).output().unwrap();
    let end = LaunchEnd::Exited { code: ran.status.code().unwrap() };
    CommandWorker.answer(&WorkerEnded { end, stdout: ran.stdout, cut: false })
}

/// The one example in this language, as an executable.
fn example(dir: &Path, language: &str) -> PathBuf {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/workers.md")).unwrap();
    let (_, rest) = page.split_once(&format!("\n```{language}\n")).unwrap();
    let program = dir.join(language);
    fs::write(&program, rest.split_once("\n```\n").unwrap().0).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

fn files(root: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

fn three_tasks(program: &Path, made: &str) {
    let dir: TempDir = tempfile::tempdir().unwrap();
    let root = dir.path();
    fs::write(root.join("p"), format!("--- /dev/null\n+++ b/{made}\n@@ -0,0 +1 @@\n+x\n")).unwrap();

    let mut repair = task(root, "develop");
    repair.repair = Some(Repair { answer: "{".into(), problems: vec!["it breaks off".into()] });
    assert_eq!(work(program, &repair).unwrap().rule, CaptureRule::Whole);
    assert_eq!(files(root), ["p"], "a repair changes nothing");

    let fault = work(program, &task(root, "deploy")).unwrap_err();
    assert_eq!((fault.kind, files(root).len()), (AnswerFaultKind::Failed, 1));

    let answer = work(program, &task(root, "develop")).unwrap();
    let output: DevelopOutput = serde_json::from_value(answer.output).unwrap();
    assert_eq!(output.files_modified, [made.into()]);
    assert_eq!(files(root).iter().filter(|name| *name != "p").collect::<Vec<_>>(), [made], "what it says it changed is what changed");
}

#[test]
fn the_sample_worker_keeps_to_the_protocol() {
    three_tasks(Path::new(env!("CARGO_BIN_EXE_orc-sample-worker")), "made");
}

#[test]
fn the_example_in_python_works() {
    let dir = tempfile::tempdir().unwrap();
    three_tasks(&example(dir.path(), "python"), "NOTES.md");
}

#[test]
fn the_example_in_sh_works() {
    let dir = tempfile::tempdir().unwrap();
    three_tasks(&example(dir.path(), "sh"), "BUILT.txt");
}
