//! Takes each statement of the stock scripts that says something away in turn: the stock cases must notice.

use crate::support::*;

#[test]
fn the_stock_cases_notice_every_missing_rule() {
    let stock = stock();
    let mut survivors = Vec::new();
    let mut mutants = 0;
    for (path, bytes) in stock.iter().filter(|(path, _)| path.ends_with(".rhai")) {
        let text = String::from_utf8(bytes.clone()).unwrap();
        for (number, line) in text.lines().enumerate() {
            let statement = line.trim();
            let speaks = statement.starts_with("out.") || statement.contains("::") && statement.ends_with("(input, data, out);");
            if !speaks || statement.starts_with("//") {
                continue;
            }
            mutants += 1;
            let without: Vec<&str> = text.lines().enumerate().map(|(at, line)| if at == number { "" } else { line }).collect();
            let mut files = stock.clone();
            files.insert(path.clone(), without.join("\n").into_bytes());
            if load(&files).run_tests(None).ok() {
                survivors.push(format!("{path}:{}: {statement}", number + 1));
            }
        }
    }
    assert!(mutants >= 25, "only {mutants} mutants: the search for statements is broken");
    assert!(survivors.is_empty(), "no case notices that these are gone:\n{}", survivors.join("\n"));
}

#[test]
fn the_stock_cases_notice_every_weakened_condition() {
    let stock = stock();
    let conditions = [
        ("policies/lib/limits.rhai", "input.tenant.active >= tenant.active", "input.tenant.active > tenant.active"),
        ("policies/lib/limits.rhai", "input.project.active >= project.active", "input.project.active > project.active"),
        ("policies/lib/limits.rhai", "input.tenant.planned_last_hour >= most", "input.tenant.planned_last_hour > most"),
        ("policies/lib/limits.rhai", "input.hour < window.to_hour", "input.hour <= window.to_hour"),
        ("policies/lib/limits.rhai", "input.family in window.families && ", ""),
        ("policies/lib/assess.rhai", "if input.flags[name] {", "if true {"),
        ("policies/lib/assess.rhai", "input.diff.files > data.thresholds.diff_files || ", ""),
        ("policies/lib/assess.rhai", " || lines > data.thresholds.diff_lines", ""),
        ("policies/lib/approvals.rhai", "data.sole_operator.confirmation && ", ""),
        ("policies/lib/approvals.rhai", " && input.operators == 1", ""),
        ("policies/lib/approvals.rhai", " && !at_least(class, \"elevated\")", ""),
        ("policies/lib/approvals.rhai", " && !data.families[input.family].low_needs_approval", ""),
        ("policies/skip.rhai", " || at_least(input.approved_risk, \"elevated\")", ""),
        ("policies/skip.rhai", " && input.action in rule.actions", ""),
        ("policies/autorun.rhai", "data.autorun.enabled && ", ""),
        ("policies/autorun.rhai", " && input.family in data.autorun.families", ""),
        ("policies/launch.rhai", "launch.purpose == \"command\" && ", ""),
        ("policies/launch.rhai", " && !(launch.purpose in full.purposes)", ""),
    ];
    for (path, from, to) in conditions {
        let mut files = stock.clone();
        edit(&mut files, path, from, to);
        assert!(!load(&files).run_tests(None).ok(), "{path}: no case notices {from:?} → {to:?}");
    }
}
