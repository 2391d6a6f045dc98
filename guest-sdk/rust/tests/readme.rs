//! What the README shows is the example that is built and tested here, word for word.

#[test]
fn the_readme_shows_the_example() {
    let readme = include_str!("../README.md");
    let shown = include_str!("../examples/no-fixme/src/lib.rs").replace("NoFixme, \"examples/no-fixme/guest.toml\"", "NoFixme");
    let parts = [
        shown.split("\n#[cfg(test)]").next().unwrap().to_owned(),
        include_str!("../examples/no-fixme/guest.toml").to_owned(),
        include_str!("../examples/no-fixme/cases/a-fixme-fails.toml").to_owned(),
    ];
    for part in parts {
        assert!(readme.contains(part.trim()), "the README does not show:\n{part}");
    }
}
