//! The five machines against matrices written by hand: a column a state, a row an event, `.` is refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use orc_domain::states::*;

fn check<M: Machine + std::fmt::Debug>(matrix: &str) {
    let mut lines = matrix.lines().map(str::trim).filter(|line| !line.is_empty());
    let columns: Vec<&str> = lines.next().unwrap().split_whitespace().collect();
    let states: Vec<&str> = M::STATES.iter().map(|state| state.word()).collect();
    assert_eq!(columns, states, "{}: states", M::NAME);
    let mut events = Vec::new();
    for line in lines {
        let mut cells = line.split_whitespace();
        let event = cells.next().unwrap();
        let event =
            *M::EVENTS.iter().find(|known| M::event_word(**known) == event).unwrap_or_else(|| panic!("{}: no event {event}", M::NAME));
        events.push(M::event_word(event));
        let expected: Vec<&str> = cells.collect();
        let actual: Vec<&str> = M::STATES.iter().map(|state| state.next(event).map_or(".", M::word)).collect();
        assert_eq!(actual, expected, "{}: {}", M::NAME, M::event_word(event));
        for (state, cell) in M::STATES.iter().zip(&expected) {
            if *cell == "." {
                let refused = state.next(event).unwrap_err();
                assert_eq!((refused.machine, refused.state, refused.event), (M::NAME, state.word(), M::event_word(event)));
            }
        }
    }
    let all: Vec<&str> = M::EVENTS.iter().map(|event| M::event_word(*event)).collect();
    assert_eq!(events, all, "{}: events", M::NAME);
}

#[test]
fn workflow() {
    check::<WorkflowState>(
        "
                           planned           awaiting_approval approved  stale     rejected expired withdrawn executing completed failed  cancelled
        approval_requested  awaiting_approval .                 .         .         .        .       .         .         .         .       .
        approval_not_needed approved          .                 .         .         .        .       .         .         .         .       .
        approved            .                 approved          .         .         .        .       .         .         .         .       .
        rejected            .                 rejected          rejected  .         .        .       .         .         .         .       .
        expired             .                 expired           expired   .         .        .       .         .         .         .       .
        withdrawn           withdrawn         withdrawn         withdrawn withdrawn .        .       .         .         .         .       .
        went_stale          .                 stale             stale     .         .        .       .         .         .         .       .
        replanned           .                 planned           planned   planned   planned  planned .         .         .         planned planned
        execution_started   .                 .                 executing .         .        .       .         .         .         .       .
        completed           .                 .                 .         .         .        .       .         completed .         .       .
        failed              .                 .                 .         .         .        .       .         failed    .         .       .
        cancelled           .                 .                 .         .         .        .       .         cancelled .         .       .
        ",
    );
}

#[test]
fn approval_request() {
    check::<ApprovalRequestState>(
        "
                   pending    approved   rejected expired superseded
        approved   approved   .          .        .       .
        rejected   rejected   rejected   .        .       .
        expired    expired    expired    .        .       .
        superseded superseded superseded .        .       .
        ",
    );
}

#[test]
fn execution() {
    check::<ExecutionState>(
        "
                    queued    running     paused      interrupted completed failed cancelled
        started     running   .           .           .           .         .      .
        paused      paused    paused      .           .           .         .      .
        resumed     .         .           running     running     .         .      .
        requeued    .         queued      .           queued      .         .      .
        interrupted .         interrupted interrupted .           .         .      .
        completed   .         completed   .           .           .         .      .
        failed      failed    failed      failed      failed      .         .      .
        cancelled   cancelled cancelled   cancelled   cancelled   .         .      .
        ",
    );
}

#[test]
fn phase_run() {
    check::<PhaseRunState>(
        "
                        pending   skipped running     blocked paused      completed failed interrupted cancelled
        skipped         skipped   .       .           .       .           .         .      .           .
        started         running   .       .           .       .           .         .      .           .
        attempt_started .         .       running     .       .           .         .      .           .
        blocked         blocked   .       blocked     .       .           .         .      .           .
        paused          .         .       paused      .       .           .         .      .           .
        resumed         .         .       .           .       running     .         .      running     .
        completed       .         .       completed   .       .           .         .      .           .
        failed          failed    .       failed      .       failed      .         .      failed      .
        interrupted     .         .       interrupted .       interrupted .         .      .           .
        cancelled       cancelled .       cancelled   .       cancelled   .         .      cancelled   .
        ",
    );
}

#[test]
fn worker_run() {
    check::<WorkerRunState>(
        "
                  intended  launching running exited lost killed
        launching launching .         .       .      .    .
        running   .         running   .       .      .    .
        exited    .         exited    exited  .      .    .
        killed    killed    killed    killed  .      .    .
        lost      lost      lost      lost    .      .    .
        ",
    );
}

#[test]
fn terminal_states_are_the_designs() {
    fn terminal<M: Machine>() -> Vec<&'static str> {
        M::STATES.iter().filter(|state| state.is_terminal()).map(|state| state.word()).collect()
    }
    assert_eq!(terminal::<WorkflowState>(), ["withdrawn", "completed"]);
    assert_eq!(terminal::<ApprovalRequestState>(), ["rejected", "expired", "superseded"]);
    assert_eq!(terminal::<ExecutionState>(), ["completed", "failed", "cancelled"]);
    assert_eq!(terminal::<PhaseRunState>(), ["skipped", "blocked", "completed", "failed", "cancelled"]);
    assert_eq!(terminal::<WorkerRunState>(), ["exited", "lost", "killed"]);
}

#[test]
fn the_generated_page_is_up_to_date() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/states.md")).unwrap();
    assert!(page == document(), "docs/states.md is behind the code: run `cargo xtask states`");
}
