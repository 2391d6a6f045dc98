use orc_guest::testing::*;

use super::*;

#[test]
fn cases() {
    run_gate_cases::<VerificationPassed>(env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn only_exit_code_0_is_success_and_the_message_says_how_it_ended() {
    let table = [
        (End::Exited(0), None),
        (End::Exited(101), Some("`cargo test`: exit code 101 after 1.0 s")),
        (End::Exited(-1), Some("`cargo test`: exit code -1 after 1.0 s")),
        (End::Signaled(9), Some("`cargo test`: killed by signal 9 after 1.0 s")),
        (End::TimedOut, Some("`cargo test`: timed out after 1.0 s")),
        (End::Cancelled, Some("`cargo test`: cancelled after 1.0 s")),
        (End::OutputLimit, Some("`cargo test`: stopped: too much output after 1.0 s")),
    ];
    for (end, expected) in table {
        let mut facts = facts(Vec::new());
        facts.commands = vec![command(&["cargo", "test"], end)];
        match VerificationPassed::evaluate(&facts, &NoSettings {}, &TestDocuments::none()).unwrap() {
            Verdict::Pass(_) => assert_eq!(expected, None),
            Verdict::Fail(report) => assert_eq!(expected, Some(report.findings[0].message.as_str())),
            other => panic!("{other:?}"),
        }
    }
}
