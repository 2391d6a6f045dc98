//! The review, by rules that anybody can check by hand.
//!
//! | rule | on | severity |
//! |---|---|---|
//! | `eval(` | an added line of a script | high |
//! | tests changed and no source | the whole diff | medium |
//! | `TODO`, `FIXME` | an added line | low |
//! | `.unwrap()` | an added line of Rust outside tests | low |
//! | a function of more than 60 added lines | a run of added lines | low |
//!
//! `quality_score` is 100 − 25 for each high − 10 for each medium − 3 for each low finding, at least 0. `compliance_status` is
//! `non_compliant` with a high finding, `conditional` with a medium one or without a diff, else `compliant`.

use orc_domain::output::{ReviewOutput, SecurityFinding};
use orc_domain::verdict::Severity;

use crate::answer::SAMPLE;

/// Findings beyond these are not reported one by one.
const MAX_FINDINGS: usize = 50;

/// Added lines of a function, from which on it is large.
const LARGE: usize = 60;

const SCRIPTS: [&str; 9] = ["py", "js", "mjs", "cjs", "jsx", "ts", "tsx", "rb", "php"];
const SOURCES: [&str; 12] = ["rs", "go", "java", "kt", "c", "h", "cc", "cpp", "cs", "swift", "scala", "sh"];

/// Reviews a diff.
pub(crate) fn review(diff: Option<&str>) -> ReviewOutput {
    let mut findings = match diff {
        Some(diff) => findings(&files(diff)),
        None => vec![finding(Severity::Info, None, "there is no diff, so nothing was reviewed")],
    };
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (high, medium, low) = (count(Severity::High), count(Severity::Medium), count(Severity::Low));
    let lost = (25 * high + 10 * medium + 3 * low).min(100);
    let status = match diff {
        _ if high > 0 => "non_compliant",
        None => "conditional",
        _ if medium > 0 => "conditional",
        Some(_) => "compliant",
    };
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    shorten(&mut findings);
    ReviewOutput { security_findings: findings, quality_score: u8::try_from(100 - lost).unwrap_or(0), compliance_status: status.into() }
}

/// A file of a diff, with what the diff adds to it.
struct Changed<'a> {
    path: &'a str,
    /// Runs of added lines: the number of the first, and the lines.
    runs: Vec<(usize, Vec<&'a str>)>,
}

impl Changed<'_> {
    fn extension(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    fn is_test(&self) -> bool {
        let (folders, name) = self.path.rsplit_once('/').unwrap_or(("", self.path));
        let stem = name.split('.').next().unwrap_or(name);
        folders.split('/').any(|folder| matches!(folder, "test" | "tests" | "spec" | "__tests__"))
            || stem.starts_with("test_")
            || stem.ends_with("_test")
            || name.contains(".test.")
            || name.contains(".spec.")
    }

    fn is_source(&self) -> bool {
        !self.is_test() && (SCRIPTS.contains(&self.extension()) || SOURCES.contains(&self.extension()))
    }

    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.runs.iter().flat_map(|(first, lines)| lines.iter().enumerate().map(move |(index, line)| (first + index, *line)))
    }
}

fn findings(files: &[Changed<'_>]) -> Vec<SecurityFinding> {
    let mut out: Vec<SecurityFinding> = files.iter().flat_map(|file| line_findings(file).chain(large_functions(file))).collect();
    if let Some(test) = files.iter().find(|file| file.is_test()).filter(|_| !files.iter().any(Changed::is_source)) {
        out.push(finding(Severity::Medium, Some(test.path), "tests were changed, and no source"));
    }
    if out.is_empty() {
        out.push(finding(Severity::Info, None, "its few rules found nothing; nobody read the diff"));
    }
    out
}

fn line_findings(file: &Changed<'_>) -> impl Iterator<Item = SecurityFinding> {
    let said = |(number, line)| line_rules(file, line).map(move |(severity, words)| (severity, format!("{words} in line {number}")));
    file.lines().flat_map(said).map(|(severity, words)| finding(severity, Some(file.path), &words))
}

fn line_rules(file: &Changed<'_>, line: &str) -> impl Iterator<Item = (Severity, &'static str)> {
    let script = SCRIPTS.contains(&file.extension());
    let rust = file.extension() == "rs" && !file.is_test();
    let rules = [
        (script && has_word(line, "eval", "("), Severity::High, "`eval(` runs text as a program"),
        (has_word(line, "TODO", "") || has_word(line, "FIXME", ""), Severity::Low, "work is left undone (`TODO` or `FIXME`)"),
        (rust && line.contains(".unwrap()"), Severity::Low, "`.unwrap()` ends the program where something is missing"),
    ];
    rules.into_iter().filter(|(applies, ..)| *applies).map(|(_, severity, words)| (severity, words))
}

/// Whether `word` stands in the line by itself, with `behind` right behind it.
fn has_word(line: &str, word: &str, behind: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    line.match_indices(word).any(|(at, _)| {
        let rest = &line[at + word.len()..];
        !line[..at].ends_with(inner) && rest.starts_with(behind) && !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_')
    })
}

fn large_functions(file: &Changed<'_>) -> impl Iterator<Item = SecurityFinding> {
    let source = file.is_source();
    let functions = file.runs.iter().filter(move |_| source).flat_map(|(first, lines)| {
        let starts: Vec<usize> = (0..lines.len()).filter(|index| begins_function(lines[*index])).collect();
        let ends = starts.iter().skip(1).copied().chain([lines.len()]).collect::<Vec<_>>();
        starts.into_iter().zip(ends).map(|(start, end)| (*first + start, end - start)).collect::<Vec<_>>()
    });
    functions
        .filter(|(_, length)| *length > LARGE)
        .map(|(line, length)| finding(Severity::Low, Some(file.path), &format!("a function of about {length} lines begins in line {line}")))
}

fn begins_function(line: &str) -> bool {
    ["fn", "def", "function", "func"].iter().any(|word| has_word(line, word, " ")) && line.contains('(')
}

fn finding(severity: Severity, path: Option<&str>, words: &str) -> SecurityFinding {
    SecurityFinding { severity, summary: format!("{SAMPLE} {words}.").into(), path: path.map(Into::into) }
}

fn shorten(findings: &mut Vec<SecurityFinding>) {
    if findings.len() > MAX_FINDINGS {
        let more = findings.len() - MAX_FINDINGS;
        findings.truncate(MAX_FINDINGS);
        findings.push(finding(Severity::Info, None, &format!("{more} more findings are not listed, but counted")));
    }
}

/// Reads a diff of git. Lines of a hunk are counted, so that no added line is taken for a header.
fn files(diff: &str) -> Vec<Changed<'_>> {
    let mut files: Vec<Changed<'_>> = Vec::new();
    let (mut old, mut new, mut number) = (0, 0, 0);
    let mut run = false;
    for line in diff.lines() {
        if old == 0 && new == 0 {
            run = false;
            if let Some(names) = line.strip_prefix("diff --git ") {
                // The name behind the last ` b/`: right for every name that has none in it.
                let path = names.rsplit_once(" b/").map_or(names, |(_, path)| path);
                files.push(Changed { path, runs: Vec::new() });
            } else if let Some(ranges) = line.strip_prefix("@@ -").and_then(hunk) {
                (old, new, number) = ranges;
            }
            continue;
        }
        let added = line.strip_prefix('+').filter(|_| new > 0);
        if let (Some(text), Some(file)) = (added, files.last_mut()) {
            match file.runs.last_mut().filter(|_| run) {
                Some((_, lines)) => lines.push(text),
                None => file.runs.push((number, vec![text])),
            }
        }
        run = added.is_some();
        if !line.starts_with('\\') {
            old = usize::saturating_sub(old, usize::from(!line.starts_with('+')));
            new = usize::saturating_sub(new, usize::from(!line.starts_with('-')));
            number += usize::from(!line.starts_with('-'));
        }
    }
    files
}

/// `1,2 +3,4 @@`: lines of the old side, lines of the new, the first line of the new.
fn hunk(header: &str) -> Option<(usize, usize, usize)> {
    let (old, rest) = header.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let number = |text: &str| text.parse::<u32>().ok().map(|number| number as usize);
    let range = |text: &str| match text.split_once(',') {
        Some((start, count)) => Some((number(start)?, number(count)?)),
        None => Some((number(text)?, 1)),
    };
    let (start, count) = range(new)?;
    Some((range(old)?.1, count, start))
}
