//! The real program with real standard input in real directories.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use orc_domain::output::{ArchitectOutput, DevelopOutput, PlanOutput, ReviewOutput};
use orc_domain::verdict::Severity;
use serde_json::{Value, json};
use tempfile::TempDir;

const PATCH: &str = "\
diff --git a/src/app.py b/src/app.py
index 1111111..2222222 100644
--- a/src/app.py
+++ b/src/app.py
@@ -1,3 +1,4 @@
 one
-two
+TWO
+two and a half
 three
@@ -10,2 +11,1 @@ somewhere
 ten
-eleven
diff --git a/new/run.sh b/new/run.sh
new file mode 100755
index 0000000..3333333
--- /dev/null
+++ b/new/run.sh
@@ -0,0 +1,2 @@
+#!/bin/sh
+echo \"--- a/x\"
\\ No newline at end of file
diff --git a/old.txt b/old.txt
deleted file mode 100644
index 4444444..0000000
--- a/old.txt
+++ /dev/null
@@ -1 +0,0 @@
-gone
diff --git a/empty b/empty
new file mode 100644
index 0000000..e69de29
";

const APP: &str = "one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\neleven\n";

fn project() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in [("src/app.py", APP), ("old.txt", "gone\n"), ("demo/first.patch", PATCH)] {
        put(dir.path(), path, content);
    }
    dir
}

fn put(root: &Path, path: &str, content: &str) {
    fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
    fs::write(root.join(path), content).unwrap();
}

fn get(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap()
}

fn task(root: &Path, phase: &str, words: &str) -> Value {
    json!({
        "schema": "orc.task/1", "workflow": "wf_k7f3q2mz", "execution": "ex_k7f3q2mz", "project": "flowry", "phase": phase,
        "attempt": 1, "access": if phase == "develop" { "write" } else { "read" }, "workspace": root, "task": words,
        "prompt": "apply: other.patch", "output_schema": {}, "reasons": [],
    })
}

fn run(stdin: &[u8]) -> Result<Value, String> {
    let ran = assert_cmd::Command::new(env!("CARGO_BIN_EXE_orc-sample-worker")).write_stdin(stdin).output().unwrap();
    let (stdout, stderr) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    if ran.status.success() {
        assert_eq!((stdout.lines().count(), stderr.as_str()), (1, ""));
        Ok(serde_json::from_str(&stdout).unwrap())
    } else {
        assert_eq!((ran.status.code(), stdout.as_str()), (Some(1), ""));
        Err(stderr)
    }
}

fn ask(task: &Value) -> Result<Value, String> {
    run(task.to_string().as_bytes())
}

/// The answer as the domain's type, after the stock schema of its phase accepted it.
fn answer<T: serde::de::DeserializeOwned>(task: &Value) -> T {
    let answer = ask(task).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../phases/schemas").join(format!("{}.json", task["phase"].as_str().unwrap()));
    let schema: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::validate(&schema, &answer).unwrap_or_else(|error| panic!("{answer}: {error}"));
    serde_json::from_value(answer).unwrap()
}

fn raw(texts: &[orc_domain::untrusted::Untrusted]) -> Vec<&str> {
    texts.iter().map(orc_domain::untrusted::Untrusted::raw).collect()
}

#[test]
fn develop_applies_the_patch_that_the_task_names() {
    let dir = project();
    let root = dir.path();
    let output: DevelopOutput = answer(&task(root, "develop", "do it apply: demo/first.patch please"));
    assert_eq!(get(root, "src/app.py"), "one\nTWO\ntwo and a half\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n");
    assert_eq!(get(root, "new/run.sh"), "#!/bin/sh\necho \"--- a/x\"");
    assert_eq!(get(root, "empty"), "");
    assert!(!root.join("old.txt").exists());
    let executable = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o100 != 0;
    assert_eq!([executable("new/run.sh"), executable("empty")], [true, false]);
    assert_eq!(raw(&output.files_modified), ["src/app.py", "new/run.sh", "old.txt", "empty"]);
    assert_eq!(
        output.changes_summary.raw(),
        "Sample worker, no agent: applied the patch `demo/first.patch`: 4 files, 4 lines added, 3 removed."
    );
    assert_eq!(output.verification_results, []);
}

#[test]
fn a_later_attempt_with_reasons_takes_the_next_patch() {
    let words = "apply: 1.patch\napply-2: 2.patch apply-3: 3.patch";
    let reasons = json!([{"code": "tests", "message": "red"}]);
    let table = [(1, json!([]), "1"), (2, json!([]), "1"), (2, reasons.clone(), "2"), (3, reasons.clone(), "3"), (7, reasons.clone(), "3")];
    for (attempt, reasons, expected) in table {
        let dir = tempfile::tempdir().unwrap();
        for n in 1..4 {
            let patch = format!("--- /dev/null\n+++ b/{n}\n@@ -0,0 +1 @@\n+x\n");
            put(dir.path(), &format!("{n}.patch"), &patch);
        }
        let mut task = task(dir.path(), "develop", words);
        task["attempt"] = json!(attempt);
        task["reasons"] = reasons;
        let output: DevelopOutput = answer(&task);
        assert_eq!(raw(&output.files_modified), [expected], "{attempt}");
        assert_eq!(get(dir.path(), expected), "x\n");
    }
    let dir = project();
    let mut only_one = task(dir.path(), "develop", "apply: demo/first.patch");
    only_one["attempt"] = json!(2);
    only_one["reasons"] = reasons;
    assert_eq!(answer::<DevelopOutput>(&only_one).files_modified.len(), 4);
}

#[test]
fn a_repair_changes_nothing_and_answers_again() {
    let dir = project();
    let mut task = task(dir.path(), "develop", "apply: demo/first.patch");
    task["repair"] = json!({"answer": "x", "problems": ["no object"]});
    assert_eq!(answer::<DevelopOutput>(&task).files_modified.len(), 4);
    assert_eq!(get(dir.path(), "src/app.py"), APP);
}

#[test]
fn a_task_without_a_patch_is_answered_honestly() {
    let dir = project();
    let output: DevelopOutput = answer(&task(dir.path(), "develop", "say apply:demo/first.patch"));
    assert!(output.changes_summary.raw().contains("names no patch"), "{output:?}");
    assert_eq!(output.files_modified, []);
    let output: PlanOutput = answer(&task(dir.path(), "plan", "look around"));
    assert!(output.scope_summary.raw().contains("nothing would be changed"), "{output:?}");
}

#[test]
fn plan_and_architect_say_what_is_in_the_patch_and_change_nothing() {
    let dir = project();
    let plan: PlanOutput = answer(&task(dir.path(), "plan", "apply: demo/first.patch"));
    assert_eq!(raw(&plan.affected_files), ["src/app.py", "new/run.sh", "old.txt", "empty"]);
    assert_eq!(
        raw(&plan.task_breakdown),
        [
            "Sample worker, no agent: change `src/app.py` (+2 -2)",
            "Sample worker, no agent: create `new/run.sh` (+2 -0)",
            "Sample worker, no agent: delete `old.txt` (+0 -1)",
            "Sample worker, no agent: create `empty` (+0 -0)",
        ]
    );
    let architect: ArchitectOutput = answer(&task(dir.path(), "architect", "apply: demo/first.patch"));
    for text in [&plan.scope_summary, &plan.risk_assessment, &architect.design_decisions[0], &architect.pattern_compliance] {
        assert!(text.raw().starts_with("Sample worker, no agent: "), "{text:?}");
    }
    assert_eq!(get(dir.path(), "src/app.py"), APP);
    assert!(!dir.path().join("new").exists());
}

fn modify(path: &str) -> String {
    format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-one\n+ONE\n")
}

#[test]
fn a_patch_that_is_not_in_order_changes_nothing() {
    let fits = modify("src/app.py");
    let table: Vec<(String, &str)> = vec![
        (String::new(), "is empty"),
        ("hello\n".into(), "line 1"),
        (modify("../outside"), "is none in the workspace"),
        (modify("/etc/passwd"), "is none in the workspace"),
        (modify("src//app.py"), "is none in the workspace"),
        (modify("./src/app.py"), "is none in the workspace"),
        (modify(".git/config"), "is none in the workspace"),
        (modify("src/.GIT/hooks/x"), "is none in the workspace"),
        (modify("src\\app.py"), "is none in the workspace"),
        (modify("missing"), "there is no `missing`"),
        (modify("src"), "is no file"),
        (modify("link"), "goes through a link"),
        (modify("folder/app.py"), "goes through a link"),
        (modify("binary"), "no text"),
        (modify("latin"), "no text"),
        ("--- /dev/null\n+++ b/folder/new\n@@ -0,0 +1 @@\n+x\n".into(), "goes through a link"),
        ("--- /dev/null\n+++ b/dangling\n@@ -0,0 +1 @@\n+x\n".into(), "goes through a link"),
        ("--- /dev/null\n+++ b/old.txt\n@@ -0,0 +1 @@\n+x\n".into(), "is there already"),
        ("--- a/src/app.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n".into(), "has more lines"),
        (fits.replace("@@ -1 +1 @@", "@@ -2 +2 @@"), "does not fit `src/app.py` at line 2"),
        (fits.replace("@@ -1 +1 @@", "@@ -1 +5 @@"), "does not fit"),
        (fits.replace("@@ -1 +1 @@", "@@ -9999999 +9999999 @@"), "does not fit"),
        (fits.replace("@@ -1 +1 @@", "@@ -99999999999999999999 +1 @@"), "expected `@@"),
        (fits.replace("-one", "-One"), "does not fit"),
        (fits.replace("@@ -1 +1 @@", "@@ -1,2 +1,2 @@"), "before its lines are all there"),
        (fits.replace("+ONE\n", "+ONE"), "breaks off"),
        (format!("{fits}{fits}"), "twice"),
        (format!("{fits}-- \n2.40\n"), "line 6"),
        (fits.replace("+++ b/src/app.py", "+++ b/src/other.py"), "contradict"),
        (fits.replace("--- a/", "--- c/"), "begins with `a/`"),
        (fits.replace("@@ -1 +1 @@\n-one\n+ONE\n", ""), "expected a file's header"),
        (format!("diff --git a/src/app.py b/src/other.py\n{fits}"), "two names"),
        (format!("diff --git a/x b/x\n{fits}"), "contradict"),
        ("diff --git a/src/app.py b/src/app.py\nold mode 100644\nnew mode 100755\n".into(), "only text files"),
        ("diff --git a/src/app.py b/src/app.py\nrename from x\n".into(), "only text files"),
        ("diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc\n".into(), "only text files"),
        ("diff --git a/b b/b\nnew file mode 100644\nBinary files /dev/null and b/b differ\n".into(), "only text files"),
        ("diff --git a/b b/b\nindex 1..2 100644\n".into(), "expected a file's header"),
    ];
    for (patch, problem) in table {
        let dir = project();
        let root = dir.path();
        put(root, "folder.real/app.py", "one\n");
        put(root, "binary", "one\0\n");
        fs::write(root.join("latin"), b"one\xff\n").unwrap();
        symlink("src/app.py", root.join("link")).unwrap();
        symlink("folder.real", root.join("folder")).unwrap();
        symlink("nowhere", root.join("dangling")).unwrap();
        // What comes before in the patch must not be written either.
        let good = "--- /dev/null\n+++ b/good\n@@ -0,0 +1 @@\n+x\n";
        put(root, "p", &if patch.is_empty() { patch.clone() } else { format!("{good}{patch}") });
        let error = ask(&task(root, "develop", "apply: p")).unwrap_err();
        let problem = match problem {
            "line 1" => "line 5",
            "line 6" => "line 10",
            other => other,
        };
        assert!(error.contains(problem), "{patch}\n{error}\n{problem}");
        assert_eq!((get(root, "src/app.py").as_str(), root.join("good").exists()), (APP, false), "{patch}");
    }
}

#[test]
fn the_patch_itself_is_read_in_the_workspace_alone() {
    let dir = project();
    let outside = tempfile::tempdir().unwrap();
    put(outside.path(), "p", PATCH);
    symlink(outside.path(), dir.path().join("out")).unwrap();
    for path in ["../p", "out/p", "/etc/hostname", "nothing.patch", ".git/p", "src"] {
        assert!(ask(&task(dir.path(), "develop", &format!("apply: {path}"))).is_err(), "{path}");
    }
    assert_eq!(get(dir.path(), "src/app.py"), APP);
}

#[test]
fn what_is_no_task_for_it_is_refused() {
    let dir = project();
    let good = task(dir.path(), "develop", "apply: demo/first.patch");
    let with = |key: &str, value: Value| {
        let mut task = good.clone();
        task[key] = value;
        ask(&task).unwrap_err()
    };
    assert!(with("access", json!("read")).contains("may only be read"));
    assert!(with("phase", json!("deploy")).contains("no phase `deploy`"));
    assert!(with("schema", json!("orc.task/2")).contains("orc.task/1"));
    assert!(with("unheard_of", json!(1)).contains("is no task"));
    assert!(run(b"").unwrap_err().contains("is no task"));
    assert!(run(b"\xff").unwrap_err().contains("is no task"));
    assert_eq!(get(dir.path(), "src/app.py"), APP);
}

fn review(diff: Option<&str>) -> ReviewOutput {
    let mut task = task(Path::new("/nowhere"), "review", "");
    if let Some(diff) = diff {
        task["diff"] = json!(diff);
    }
    let output: ReviewOutput = answer(&task);
    assert!(output.security_findings.iter().all(|finding| finding.summary.raw().starts_with("Sample worker, no agent: ")));
    output
}

fn added(path: &str, lines: &[&str]) -> String {
    let body: String = lines.iter().map(|line| format!("+{line}\n")).collect();
    format!("diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1,{} @@\n{body}", lines.len())
}

#[test]
fn review_goes_by_its_rules() {
    let large: Vec<String> = (0..70).map(|n| format!("    let x{n} = {n};")).collect();
    let large: Vec<&str> = ["pub fn large() {"].into_iter().chain(large.iter().map(String::as_str)).collect();
    type Row<'a> = (String, Vec<(Severity, &'a str)>, u8, &'a str);
    let table: Vec<Row<'_>> = vec![
        (added("src/a.rs", &["fn f() {}"]), vec![(Severity::Info, "found nothing")], 100, "compliant"),
        (
            added("src/a.rs", &["// ok", "// TODO later", "// FIXME: x"]),
            vec![(Severity::Low, "line 2"), (Severity::Low, "line 3")],
            94,
            "compliant",
        ),
        (added("src/a.rs", &["a.unwrap();"]), vec![(Severity::Low, "`.unwrap()`")], 97, "compliant"),
        (added("web/a.ts", &["x = eval(y)"]), vec![(Severity::High, "`eval(`")], 75, "non_compliant"),
        (
            added("a.py", &["model.eval()", "retrieval(x)", "TODOS = 1", "eval = 2"]),
            vec![(Severity::Info, "found nothing")],
            100,
            "compliant",
        ),
        (added("tests/a.rs", &["a.unwrap();"]), vec![(Severity::Medium, "tests were changed")], 90, "conditional"),
        (added("tests/a.rs", &["x"]) + &added("src/a.rs", &["x"]), vec![(Severity::Info, "found nothing")], 100, "compliant"),
        (added("src/test_a.py", &["x"]), vec![(Severity::Medium, "tests were changed")], 90, "conditional"),
        (added("src/a.rs", &large), vec![(Severity::Low, "71 lines begins in line 1")], 97, "compliant"),
        (added("README.md", &large), vec![(Severity::Info, "found nothing")], 100, "compliant"),
        (String::new(), vec![(Severity::Info, "found nothing")], 100, "compliant"),
        (
            "@@ -1 +1 @@\n+TODO\nBinary files a/x and b/x differ\n@@ -4294967295,9 +4294967295,9 @@\n+TODO\n".into(),
            vec![(Severity::Info, "found nothing")],
            100,
            "compliant",
        ),
    ];
    for (diff, findings, score, status) in table {
        let output = review(Some(&diff));
        let found: Vec<(Severity, &str)> = output.security_findings.iter().map(|f| (f.severity, f.summary.raw())).collect();
        assert_eq!(found.len(), findings.len(), "{found:?}\n{diff}");
        for ((severity, text), (expected, part)) in found.iter().zip(&findings) {
            assert!(severity == expected && text.contains(part), "{found:?}\n{diff}");
        }
        assert_eq!((output.quality_score, output.compliance_status.raw()), (score, status), "{diff}");
    }
}

#[test]
fn review_reads_only_what_was_added() {
    let diff = "\
diff --git a/src/a.rs b/src/a.rs
--- a/src/a.rs
+++ b/src/a.rs
@@ -7,4 +7,4 @@ // TODO in the function's name
 // TODO kept
-// TODO removed
+++ b/src/evil.py TODO
 kept
 kept
diff --git a/src/b.rs b/src/b.rs
";
    let output = review(Some(diff));
    let [finding] = output.security_findings.as_slice() else { panic!("{output:?}") };
    assert_eq!(finding.path.as_ref().unwrap().raw(), "src/a.rs");
    assert!(finding.summary.raw().contains("in line 8"), "{finding:?}");
}

#[test]
fn review_without_a_diff_says_that_it_reviewed_nothing() {
    let output = review(None);
    assert!(output.security_findings[0].summary.raw().contains("nothing was reviewed"));
    assert_eq!((output.security_findings[0].path.as_ref(), output.compliance_status.raw()), (None, "conditional"));
}

#[test]
fn many_findings_are_counted_and_not_all_listed() {
    let lines = vec!["// TODO"; 200];
    let output = review(Some(&added("src/a.rs", &lines)));
    assert_eq!((output.security_findings.len(), output.quality_score), (51, 0));
    assert!(output.security_findings[50].summary.raw().contains("150 more"));
}
