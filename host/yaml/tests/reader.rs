//! The reader through its surface: what a file says, and what is refused, with its place.

use orc_yaml::{Node, Scalar, parse, parse_past_duplicates};

fn said(text: &str) -> Node {
    parse("f.yaml", text.as_bytes()).unwrap_or_else(|problems| panic!("{text:?}: {problems:?}"))
}

/// Each problem as `place: message [help]`.
fn refused(bytes: &[u8]) -> Vec<String> {
    let problems = parse("f.yaml", bytes).err().unwrap_or_default();
    let line = |help: Option<String>| help.map(|help| format!(" [{help}]")).unwrap_or_default();
    problems.into_iter().map(|problem| format!("{}: {}{}", problem.at, problem.message, line(problem.help))).collect()
}

#[test]
fn what_is_not_read_is_refused_with_its_place() {
    const ANCHOR: &str = "anchors (`&name`) and tags (`!name`) are not used here [write the value out]";
    #[rustfmt::skip]
    let table: &[(&str, &str)] = &[
        ("a: &t x\nb: *t\n",           &format!("f.yaml:1:7: {ANCHOR}")),
        ("&a [*a]",                    &format!("f.yaml:1:4: {ANCHOR}")),
        ("a: !!int '1'\n",             &format!("f.yaml:1:10: {ANCHOR}")),
        ("a: 1\n---\nb: 2\n",          "f.yaml:2:1: a second document: this file holds one [remove the `---`]"),
        ("a:\n\tb: 1\n",               "f.yaml:2:2: not valid YAML: tabs disallowed within this context (block indentation)"),
        ("a: 1\nb: 2\na: 3\n",         "f.yaml:3:1: `a` stands twice [it stands first in line 1: keep one]"),
        ("{a: {b: 1, 'b': 2}}",        "f.yaml:1:12: `b` stands twice [it stands first in line 1: keep one]"),
        ("? [a]\n: 1\n",               "f.yaml:1:3: a key is text, not a list"),
        ("a: [b\n",                    ""),
        ("a: b: c\n",                  ""),
    ];
    for (text, problem) in table {
        let found = refused(text.as_bytes());
        assert!(found.len() == 1 && found[0].contains(problem), "{text:?}: {found:#?}");
    }
    assert_eq!(refused(b"a: 1\nb: \xff\n"), ["f.yaml:2: the file is not UTF-8"]);
}

#[test]
fn keys_that_stand_twice_are_all_named_and_the_first_counts() {
    let text = b"a: 1\na: 2\nb: {c: 3, c: 4}\na: 5\n";
    assert_eq!(refused(text).len(), 3);
    let (root, duplicates) = parse_past_duplicates("f.yaml", text).unwrap();
    assert_eq!(duplicates.len(), 3);
    assert_eq!(root.to_json(), serde_json::json!({"a": 1, "b": {"c": 3}}));
}

/// A few kilobytes could stand for gigabytes, or for a stack as deep.
#[test]
fn files_built_to_be_slow_or_large_are_refused_soon() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    let table: [(Vec<u8>, &str); 7] = [
        (bomb.into_bytes(), "anchors"),
        ([b"[".repeat(34), b"]".repeat(34)].concat(), "f.yaml:1:34: nested deeper than 32"),
        (b"{".repeat(500_000), "recursion limit exceeded"),
        (b"- ".repeat(400_000), "nested deeper than 32"),
        ([b"[".to_vec(), b"x,".repeat(250_001), b"]".to_vec()].concat(), "the file holds more than 250000 values"),
        (b"a".repeat(1024 * 1024 + 1), "f.yaml: the file has 1048577 bytes, more than 1048576"),
        (b"a: 1\n".repeat(100_000), "`a` stands twice"),
    ];
    for (bytes, problem) in table {
        let found = refused(&bytes);
        assert!(found.first().is_some_and(|first| first.contains(problem)), "{problem}: {:?}", found.first());
    }
    assert_eq!(refused(&[b"[".repeat(33), b"]".repeat(33)].concat()), [""; 0]);
}

#[test]
fn a_scalar_means_what_the_core_schema_says() {
    use Scalar::{Bool, Float, Integer, Nothing, Text};
    #[rustfmt::skip]
    let table = [
        ("", Nothing), ("~", Nothing), ("null", Nothing), ("# nothing here\n", Nothing),
        ("true", Bool(true)), ("False", Bool(false)),
        ("yes", Text("yes")), ("no", Text("no")), ("on", Text("on")), ("'true'", Text("true")),
        ("7", Integer(7)), ("-7", Integer(-7)), ("+7", Integer(7)), ("18446744073709551616", Integer(1 << 64)),
        ("1.5", Float(1.5)), ("-1e3", Float(-1000.0)), (".5", Float(0.5)),
        ("0x1f", Text("0x1f")), ("0o7", Text("0o7")), ("1_000", Text("1_000")), (".inf", Text(".inf")), ("\"7\"", Text("7")),
        ("1.2.3", Text("1.2.3")), ("12:30", Text("12:30")), ("|\n  a\n  b\n", Text("a\nb\n")),
    ];
    for (text, meaning) in table {
        assert_eq!(said(text).scalar(), Some(meaning), "{text:?}");
    }
}

#[test]
fn every_value_knows_its_place() {
    let root = said("a: 1\nb:\n  - x\n  - {c: y}\n# the end\n");
    let place = |node: &Node| (node.at.line, node.at.column, node.last_line);
    let (key, list) = root.entry("b").unwrap();
    let items = list.items().unwrap();
    assert_eq!([key, list, &items[0], items[1].get("c").unwrap()].map(place), [(2, 1, 2), (3, 3, 4), (3, 5, 3), (4, 9, 4)]);
    assert_eq!((place(&root), root.at.file.as_str()), ((1, 1, 4), "f.yaml"));
}

#[test]
fn a_value_is_called_what_it_is() {
    #[rustfmt::skip]
    let table = [
        ("x", "a list", "expected a list, found the text `x`", None),
        ("5", "text", "expected text, found the number `5`", Some("put it in quotes")),
        ("true", "text", "expected text, found `true`", Some("put it in quotes")),
        ("[]", "text", "expected text, found a list", None),
        ("{}", "a whole number", "expected a whole number, found a mapping", None),
        ("", "text", "expected text, found nothing", None),
        ("\"a\\eb\"", "a list", "expected a list, found the text `a\u{fffd}b`", None),
    ];
    for (text, what, message, help) in table {
        let problem = said(text).expected(what);
        assert_eq!((problem.message.as_str(), problem.help.as_deref()), (message, help));
    }
}

#[test]
fn nothing_is_an_empty_list_and_an_empty_mapping() {
    let nothing = said("a:\n");
    let nothing = nothing.get("a").unwrap();
    assert!(nothing.items().is_some_and(<[Node]>::is_empty) && nothing.entries().is_some_and(<[(Node, Node)]>::is_empty));
    assert!(said("x").items().is_none() && said("[]").entries().is_none() && said("{}").items().is_none());
}
