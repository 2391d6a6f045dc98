use super::*;
use crate::testing::{TestDocument, added, deleted, modified};

fn lines(text: &str) -> Result<Vec<(String, char, u32, String)>, String> {
    let mut lines = Vec::new();
    visit(&TestDocument::new("text/x-diff", text), |line| {
        let sign = match line.side {
            Side::Added => '+',
            Side::Removed => '-',
            Side::Context => ' ',
        };
        lines.push((line.path.to_owned(), sign, line.number, String::from_utf8_lossy(line.text).into_owned()));
        ControlFlow::Continue(())
    })
    .map_err(|error| error.to_string())?;
    Ok(lines)
}

fn files(text: &str) -> Vec<(String, bool)> {
    let document = TestDocument::new("text/x-diff", text);
    let files = visit(&document, |_| ControlFlow::Continue(())).unwrap();
    files.into_iter().map(|file| (file.path, file.binary)).collect()
}

const TWO_FILES: &str = "\
diff --git a/src/a.rs b/src/a.rs
index 111..222 100644
--- a/src/a.rs
+++ b/src/a.rs
@@ -10,3 +10,4 @@ fn context() {
 one
-two
+zwei
+drei
 four
@@ -90 +91 @@
-old
+new
\\ No newline at end of file
diff --git a/b c.txt b/b c.txt
new file mode 100644
index 000..333
--- /dev/null
+++ b/b c.txt\t
@@ -0,0 +1,2 @@
+x
+y
";

#[test]
fn every_line_has_file_side_and_number() {
    let expected = [
        ("src/a.rs", ' ', 10, "one"),
        ("src/a.rs", '-', 11, "two"),
        ("src/a.rs", '+', 11, "zwei"),
        ("src/a.rs", '+', 12, "drei"),
        ("src/a.rs", ' ', 13, "four"),
        ("src/a.rs", '-', 90, "old"),
        ("src/a.rs", '+', 91, "new"),
        ("b c.txt", '+', 1, "x"),
        ("b c.txt", '+', 2, "y"),
    ];
    let expected: Vec<_> = expected.map(|(path, sign, number, text)| (path.to_owned(), sign, number, text.to_owned())).into();
    assert_eq!(lines(TWO_FILES).unwrap(), expected);
}

#[test]
fn a_line_that_looks_like_a_header_is_a_line() {
    let text = "\
diff --git a/real b/real
--- a/real
+++ b/real
@@ -1,2 +1,3 @@
--- a/other
+++ b/allowed
+diff --git a/x b/x
+@@ -1 +1 @@
-gone
";
    let read = lines(text).unwrap();
    assert_eq!(read.len(), 5);
    assert!(read.iter().all(|(path, ..)| path == "real"));
    assert_eq!(read[1].3, "++ b/allowed");
}

#[test]
fn files_without_hunks_are_named() {
    let text = "\
diff --git a/mode b/mode
old mode 100644
new mode 100755
diff --git a/old name b/new name
similarity index 100%
rename from old name
rename to new name
diff --git a/pic.png b/pic.png
index 1..2 100644
Binary files a/pic.png and b/pic.png differ
diff --git a/blob b/blob
index 1..2 100644
GIT binary patch
literal 3
Kcmd-gWMp8_0ssI2

diff --git \"a/\\303\\244\\tx\" \"b/\\303\\244\\tx\"
deleted file mode 100644
diff --git a/gone b/gone
deleted file mode 100644
--- a/gone
+++ /dev/null
@@ -1 +0,0 @@
-x
";
    let names = [("mode", false), ("new name", false), ("pic.png", true), ("blob", true), ("ä\tx", false), ("gone", false)];
    assert_eq!(files(text), names.map(|(name, binary)| (name.to_owned(), binary)));
}

#[test]
fn names_that_are_no_utf8_are_shown_as_the_host_does() {
    let text = "diff --git \"a/\\377.txt\" \"b/\\377.txt\"\n--- /dev/null\n+++ \"b/\\377.txt\"\n@@ -0,0 +1 @@\n+x\n";
    assert_eq!(files(text), [("\\xff.txt".to_owned(), false)]);
}

#[test]
fn a_very_long_line_keeps_its_number() {
    let long = "z".repeat(100_000);
    let text = format!("diff --git a/m b/m\n--- a/m\n+++ b/m\n@@ -0,0 +1,2 @@\n+{long}\n+end\n");
    let read = lines(&text).unwrap();
    assert!(read.len() > 3);
    assert!(read[..read.len() - 1].iter().all(|line| line.2 == 1 && line.1 == '+' && line.3.bytes().all(|byte| byte == b'z')));
    assert_eq!(read.last().unwrap(), &("m".to_owned(), '+', 2, "end".to_owned()));
}

#[test]
fn what_does_not_add_up_is_an_error() {
    let head = "diff --git a/f b/f\n--- a/f\n+++ b/f\n";
    let table = [
        ("cut off", format!("{head}@@ -1,2 +1,2 @@\n-a\n"), "ends within a hunk"),
        ("cut off in its last line", format!("{head}@@ -0,0 +1 @@\n+AKI"), "ends within a line"),
        ("cut off in a header", format!("{head}@@ -0,0 +1 @@\n+a\ndiff --git a/hid"), "ends within a line"),
        ("too many lines", format!("{head}@@ -0,0 +1 @@\n+a\n+b\n"), "neither a hunk nor a file"),
        ("one side too many", format!("{head}@@ -1 +1,2 @@\n-a\n-b\n+c\n+d\n"), "more lines than its header says"),
        ("no counts", format!("{head}@@ -x +1 @@\n+a\n"), "header is malformed"),
        ("huge counts", format!("{head}@@ -1 +99999999999 @@\n+a\n"), "header is malformed"),
        ("a foreign line in a hunk", format!("{head}@@ -0,0 +1,2 @@\nhello\n"), "begins with none of"),
        ("an empty line in a hunk", format!("{head}@@ -0,0 +1,2 @@\n\n+a\n"), "begins with none of"),
        ("no diff at all", "hello\n".to_owned(), "no file begins here"),
        ("a merge", "diff --cc f\n@@@ -1 -1 +1 @@@\n".to_owned(), "no file begins here"),
        ("a hunk without a file", "@@ -0,0 +1 @@\n+a\n".to_owned(), "before the name of its file"),
        ("a header without end", format!("diff --git a/{}", "x".repeat(100_000)), "too long"),
    ];
    for (name, text, expected) in table {
        let error = lines(&text).unwrap_err();
        assert!(error.contains(expected), "{name}: {error}");
    }
}

#[test]
fn the_caller_can_stop() {
    let mut seen = 0;
    visit(&TestDocument::new("text/x-diff", TWO_FILES), |_| {
        seen += 1;
        ControlFlow::Break(())
    })
    .unwrap();
    assert_eq!(seen, 1);
}

/// All that a bound can leave of a diff: at no place may what is left pass for the whole.
#[test]
fn a_diff_that_was_cut_anywhere_is_not_all_shown() {
    let changes = [
        Change { added: 3, removed: 2, ..modified("src/a.rs") },
        Change { added: 0, binary: true, ..modified("pic.png") },
        Change { added: 2, ..added("b c.txt") },
    ];
    let binary = "diff --git a/pic.png b/pic.png\nindex 1..2 100644\nBinary files a/pic.png and b/pic.png differ\n";
    let whole = TWO_FILES.replace("diff --git a/b c.txt", &format!("{binary}diff --git a/b c.txt"));
    let judge = |text: &str| {
        let files = visit(&TestDocument::new("text/x-diff", text), |_| ControlFlow::Continue(()))?;
        all_shown(&changes, &files)
    };
    assert_eq!(judge(&whole), Ok(()));
    for end in 0..whole.len() {
        assert!(judge(&whole[..end]).is_err(), "cut to {end} bytes: {:?}", &whole[end.saturating_sub(20)..end]);
    }
}

#[test]
fn lines_are_counted_by_path() {
    let shown = |path: &str, added| File { path: path.to_owned(), binary: false, added };
    let table = [
        ("as many", vec![shown("f", 2)], Ok(())),
        ("a name without lines", vec![shown("f", 0)], Err(2)),
        ("too few", vec![shown("f", 1), shown("other", 9)], Err(1)),
        ("in two parts, as where a file became a link", vec![shown("f", 0), shown("f", 3)], Ok(())),
        ("not there", vec![], Err(2)),
    ];
    for (name, files, expected) in table {
        let expected = expected.map_err(|lines| Declined::from(format!("`f` has {lines} added lines that are not in the document `diff`")));
        assert_eq!(all_shown(&[Change { added: 2, ..added("f") }, deleted("gone")], &files), expected, "{name}");
    }
    // Two names that are shown alike need the lines of both.
    let twice = [Change { added: 2, ..added("f") }, Change { added: 1, ..added("f") }];
    assert!(all_shown(&twice, &[shown("f", 2)]).is_err());
    assert!(all_shown(&twice, &[shown("f", 3)]).is_ok());
}
