//! What is taken for an answer, and what is not.

use orc_domain::grant::LaunchEnd;
use orc_domain::ports::Worker;
use orc_domain::worker::AnswerFaultKind::{self, *};
use orc_domain::worker::CaptureRule::{self, *};
use orc_domain::worker::{Answer, AnswerFault, WorkerEnded, WorkerTask};
use orc_workers::{CommandWorker, capture};
use proptest::prelude::*;
use serde_json::{Value, json};

const DONE: LaunchEnd = LaunchEnd::Exited { code: 0 };

fn ended(end: LaunchEnd, stdout: &[u8], cut: bool) -> Result<Answer, AnswerFault> {
    CommandWorker.answer(&WorkerEnded { end, stdout: stdout.to_vec(), cut })
}

#[test]
fn an_answer_is_taken_for_where_it_stands() {
    let one = json!({"a": 1});
    let table: &[(&str, CaptureRule, Value)] = &[
        (r#"{"a":1}"#, Whole, one.clone()),
        ("\r\n\t {\"a\":1} \n\n", Whole, one.clone()),
        ("{}", Whole, json!({})),
        ("{\n  \"a\": {\"b\": [1, -2.5e3, true, null, \"x\"]}\n}", Whole, json!({"a": {"b": [1, -2.5e3, true, null, "x"]}})),
        // An object in a string is a string.
        (r#"{"note":"{\"b\":2}"}"#, Whole, json!({"note": "{\"b\":2}"})),
        (r#"{"a":"}{","b":"\\"}"#, Whole, json!({"a": "}{", "b": "\\"})),
        // A fence in a string is a string.
        (r#"{"a":"```json\n{}\n```"}"#, Whole, json!({"a": "```json\n{}\n```"})),
        (r#"{"a":"\u0000\u001b[2J\u202e"}"#, Whole, json!({"a": "\0\u{1b}[2J\u{202e}"})),
        ("Here it is:\n```json\n{\"a\":1}\n```\nThat is all.", Fenced, one.clone()),
        ("```JSON\r\n{\"a\":1}\r\n```\r\n", Fenced, one.clone()),
        ("  ````json  \n{\"a\":1}\n`````", Fenced, one.clone()),
        // Other blocks and objects inside a line are prose.
        ("```sh\nls\n```\n```json\n{\"a\":1}\n```", Fenced, one.clone()),
        ("tool: {\"b\":2}\nI wrote `fn f() {}`.\n```json\n{\"a\":1}\n```", Fenced, one.clone()),
        // The outer block is markdown that shows a block; the answer is the other.
        ("````markdown\n```json\nx\n```\n````\n```json\n{\"a\":1}\n```", Fenced, one.clone()),
        ("I am done.\n{\"a\":1}", Trailing, one.clone()),
        ("I am done.\n\n  {\n\"a\":1}\n", Trailing, one.clone()),
        ("\u{1b}[31mred\u{1b}[0m\n{\"a\":1}", Trailing, one.clone()),
        ("\u{202e}reversed\u{0}\n{\"a\":1}", Trailing, one.clone()),
        // Broken and open brackets of prose hide nothing behind them.
        ("a { b [ c \" d\n{\"a\":1}", Trailing, one.clone()),
        ("{\"x\n{\"a\":1}", Trailing, one.clone()),
        ("see [1], [info] and {{x}}\n{\"a\":1}", Trailing, one.clone()),
        // A block that was never closed is text.
        ("```json\n{\"a\":1}", Trailing, one.clone()),
        // A block that holds no object leaves the end of the text.
        ("```json\n[1]\n```\n{\"a\":1}", Trailing, one),
    ];
    for (text, rule, output) in table {
        let answer = ended(DONE, text.as_bytes(), false);
        assert_eq!(answer, Ok(Answer { rule: *rule, output: output.clone() }), "{text:?}");
    }
}

#[test]
fn what_is_no_answer_is_named() {
    let table: &[(&[u8], AnswerFaultKind)] = &[
        (b"", Empty),
        (b" \n\t\r\n", Empty),
        (b"\0", NoObject),
        (b"I could not do it.", NoObject),
        (b"[]", NoObject),
        (b"[{\"a\":1}]", NoObject),
        (b"[\n{\"a\":1}", NoObject),
        (b"[\n{\"a\":1}\n]", NoObject),
        (b"42", NoObject),
        (b"null", NoObject),
        (b"\"{\\\"a\\\":1}\"", NoObject),
        (b"{\"a\":1", NoObject),
        (b"{\"a\":{\"b\":2}", NoObject),
        (b"{\"a\":1,}", NoObject),
        (b"{'a':1}", NoObject),
        (b"{\"a\":01}", NoObject),
        (b"{\"a\":1e999}", NoObject),
        (b"{\"a\":nope}", NoObject),
        (b"{\"a\":\"\\ud800\"}", NoObject),
        (b"{\"a\":1}\0", NoObject),
        (b"{\"a\":1};", NoObject),
        (b"{\"a\":1}\n\x1b[0m", NoObject),
        (b"{\"a\":1}\nDone.", NoObject),
        ("\u{feff}{\"a\":1}".as_bytes(), NoObject),
        (b"\x1b[0m{\"a\":1}", NoObject),
        // Two readers would disagree on what it says.
        (b"{\"a\":1,\"a\":2}", NoObject),
        (b"{\"x\":[{\"a\":1,\"\\u0061\":2}]}", NoObject),
        (b"{\"a\":1,\"a\":2}\n", NoObject),
        // Lines of a transcript, wherever they stand.
        (b"tool: {\"a\":1}", NoObject),
        (b"tool: {\"a\":1}\nand on", NoObject),
        (b"reading\ntool: {\"a\":1}\n\n", NoObject),
        (b"tool: {\"a\":1}\n{\"b\":2}", SeveralObjects),
        (b"{\"a\":1}{\"b\":2}", SeveralObjects),
        (b"{\"type\":\"event\"}\n{\"a\":1}\n", SeveralObjects),
        (b"{\"a\":1}\n{\"a\":1}\n", SeveralObjects),
        (b"{\"a\":1,\"a\":2}\n{\"b\":2}", SeveralObjects),
        (b"I wrote `fn f() {}`.\n{\"a\":1}", SeveralObjects),
        (b"```json\n{\"a\":1}\n```\n```json\n{\"b\":2}\n```", SeveralObjects),
        (b"```json\n{\"a\":1}\n```\n```json\nprose\n```", SeveralObjects),
        (b"```json\n{\"a\":1}\n{\"b\":2}\n```", SeveralObjects),
        (b"```json\n{\"a\":1}\n```\nFinal:\n{\"b\":2}", SeveralObjects),
        (b"tool output:\n{\"b\":2}\n```json\n{\"a\":1}\n```", SeveralObjects),
        (b"```json\nprose\n```", NoObject),
        (b"```json\n{\"a\":1,\"a\":2}\n```", NoObject),
        (b"```\n{\"a\":1}\n```", NoObject),
        (b"~~~json\n{\"a\":1}\n~~~", NoObject),
        (b"````markdown\n```json\n{\"a\":1}\n```\n````", NoObject),
        (b"    ```json\n{\"a\":1}\n    ```", NoObject),
        (b"{\"a\":1}\xff", NotUtf8),
        (b"\xff\xfe{\0\"\0", NotUtf8),
        (b"{\"a\":\"\xc3\"}", NotUtf8),
    ];
    for (text, kind) in table {
        let shown = String::from_utf8_lossy(text);
        assert_eq!(ended(DONE, text, false).map_err(|fault| fault.kind), Err(*kind), "{shown:?}");
    }
}

#[test]
fn a_worker_that_ended_badly_gave_no_answer() {
    let object = br#"{"a":1}"#;
    let table = [
        (LaunchEnd::Exited { code: 1 }, false, Failed, "exit code 1"),
        (LaunchEnd::Exited { code: 3 }, true, Failed, "exit code 3"),
        (LaunchEnd::Signaled { signal: 9 }, false, Failed, "killed by signal 9"),
        (LaunchEnd::TimedOut, false, Failed, "timed out"),
        (LaunchEnd::Cancelled, false, Failed, "cancelled"),
        (LaunchEnd::OutputLimit, true, TooLarge, "more than it may"),
        (DONE, true, TooLarge, "more than is kept"),
    ];
    for (end, cut, kind, part) in table {
        let fault = ended(end, object, cut).unwrap_err();
        assert_eq!(fault.kind, kind, "{part}");
        assert!(fault.message.raw().contains(part), "{:?}", fault.message);
        assert_eq!(fault.head.raw(), r#"{"a":1}"#);
    }
}

#[test]
fn a_fault_says_what_is_wrong_and_keeps_the_beginning() {
    let fault = ended(DONE, br#"{"a":1,"a":2}"#, false).unwrap_err();
    assert!(fault.message.raw().contains("the key `a` twice"), "{:?}", fault.message);
    let long = "ä".repeat(100_000);
    let fault = ended(DONE, long.as_bytes(), false).unwrap_err();
    assert_eq!(fault.head.raw(), "ä".repeat(2048));
    let fault = ended(DONE, format!("x{long}").as_bytes(), false).unwrap_err();
    assert_eq!(fault.head.raw(), format!("x{}", "ä".repeat(2047)));
}

#[test]
fn depth_and_size_are_bounded() {
    let nested = |depth: usize| format!("{{\"a\":{}1{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(ended(DONE, nested(63).as_bytes(), false).is_ok());
    for depth in [64, 1000, 1_000_000] {
        let fault = ended(DONE, nested(depth).as_bytes(), false).unwrap_err();
        assert_eq!(fault.kind, if depth > 500_000 { TooLarge } else { NoObject }, "{depth}");
    }
    let large = |size: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8));
    assert!(ended(DONE, large(capture::MAX_OBJECT).as_bytes(), false).is_ok());
    assert_eq!(ended(DONE, large(capture::MAX_OBJECT + 1).as_bytes(), false).unwrap_err().kind, TooLarge);
}

/// Each of these is quadratic for a reader that tries again at every bracket: it would take hours.
#[test]
fn no_text_makes_the_search_slow() {
    for part in ["{\"a\":", "[", "{", "{\"a\":[{}", "```json\n{", "{}", "{\"", "\\\"{", "[{\"a\":\"\\"] {
        let text = part.repeat((2 << 20) / part.len());
        assert!(ended(DONE, text.as_bytes(), false).is_err(), "{part:?}");
    }
}

#[test]
fn a_hundred_megabytes_that_were_cut_are_too_large() {
    let text = vec![b'x'; 100 << 20];
    let fault = ended(DONE, &text, true).unwrap_err();
    assert_eq!((fault.kind, fault.head.raw().len()), (TooLarge, 4096));
}

#[test]
fn the_task_is_one_document_on_standard_input() {
    let task = json!({
        "schema": "orc.task/1", "workflow": "wf_k7f3q2mz", "execution": "ex_k7f3q2mz", "project": "flowry", "phase": "develop",
        "attempt": 2, "access": "write", "workspace": "/w", "task": "say \u{202e}hello", "prompt": "p\n", "diff": "d",
        "output_schema": {"type": "object"}, "reasons": [{"code": "tests", "message": "red", "fix": "mend"}],
        "repair": {"answer": "x", "problems": ["y"]},
    });
    let parsed: WorkerTask = serde_json::from_value(task.clone()).unwrap();
    let call = CommandWorker.call(&parsed).unwrap();
    assert_eq!(call.args, Vec::<String>::new());
    assert_eq!(serde_json::from_slice::<Value>(&call.stdin).unwrap(), task);
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let words = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\\",
        "\"a\"",
        "{}",
        "{\"a\":1}",
        "{\"a\":1,\"a\":2}",
        "1",
        "null",
        " ",
        "\n",
        "\r\n",
        "```",
        "```json\n",
        "\n```\n",
        "~~~",
        "tool: ",
        "\u{feff}",
        "\u{1b}[0m",
        "\0",
        "ä",
    ];
    let word = prop::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec());
    let any = prop::collection::vec(any::<u8>(), 0..4);
    let piece = prop_oneof![12 => word, 1 => any];
    let ending = prop::sample::select(vec!["", "\n{\"a\":1}", "\n```json\n{\"b\":2}\n```"]);
    (prop::collection::vec(piece, 0..24), ending).prop_map(|(pieces, ending)| [pieces.concat().as_slice(), ending.as_bytes()].concat())
}

fn literally_there(text: &[u8], object: &Value) -> bool {
    let starts = text.iter().enumerate().filter(|(_, byte)| **byte == b'{').map(|(at, _)| at);
    let ends: Vec<usize> = text.iter().enumerate().filter(|(_, byte)| **byte == b'}').map(|(at, _)| at + 1).collect();
    let reads_as = |start: usize, end: usize| serde_json::from_slice::<Value>(&text[start..end]).is_ok_and(|value| value == *object);
    starts.into_iter().any(|start| ends.iter().any(|end| start < *end && reads_as(start, *end)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_returned_was_literally_there(text in pieces()) {
        if let Ok(answer) = capture::in_text(&text) {
            prop_assert!(answer.output.is_object());
            prop_assert!(literally_there(&text, &answer.output));
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(text in prop::collection::vec(any::<u8>(), 0..512)) {
        if let Ok(answer) = capture::in_text(&text) {
            prop_assert!(literally_there(&text, &answer.output));
        }
    }
}
