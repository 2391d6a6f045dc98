//! The name that was probably meant.

use orc_domain::nearest::{did_you_mean, nearest, suggest};

#[test]
fn the_likeliest_names_come_first() {
    assert_eq!(nearest("relase", ["main", "release", "releases"]), ["release", "releases"]);
    assert_eq!(nearest("item", ["item4", "item3", "item2", "item1"]), ["item1", "item2", "item3"], "three, as alike ones by name");
    assert!(nearest("deploy", ["main", "tests"]).is_empty());
    assert_eq!(did_you_mean("mian", ["main", "release"]).as_deref(), Some("did you mean `main`?"));
    assert_eq!(did_you_mean("deploy", ["main"]), None);
    // A text of megabytes costs no more than a long word.
    assert!(nearest(&"main".repeat(1_000_000), ["main"]).len() <= 1);
}

#[test]
fn without_a_near_one_there_is_a_choice() {
    let many: Vec<String> = (10..24).map(|number| format!("name-{number}")).collect();
    let listed = "there are `name-10`, `name-11`, `name-12`, `name-13`, `name-14`, `name-15`, `name-16`, `name-17`, `name-18`, \
                  `name-19`, `name-20`, `name-21`, and 2 more";
    assert_eq!(suggest("x", &many), listed);
    assert_eq!(suggest("x", ["main", "tests"]), "there are `main`, `tests`");
    assert_eq!(suggest("x", ["main"]), "there is `main`");
    assert_eq!(suggest("x", [""; 0]), "there is none to choose from");
}
