//! The name that was probably meant.

use std::borrow::Borrow;

/// How alike two names must be to be called a slip of the pen.
const ALIKE: f64 = 0.78;
/// Names that are near, at most.
const NEAR: usize = 3;
/// Names listed where none is near.
const LISTED: usize = 12;

/// Those of `valid` that were probably meant, the likeliest first, at most three.
pub fn nearest<'a, T: Borrow<str> + ?Sized + 'a>(asked: &str, valid: impl IntoIterator<Item = &'a T>) -> Vec<&'a str> {
    // The comparison takes the product of both lengths: nobody misspells more than that.
    let asked: String = asked.chars().take(80).collect();
    let scored = valid.into_iter().map(Borrow::borrow).map(|name: &str| (strsim::jaro_winkler(&asked, name), name));
    let mut near: Vec<(f64, &str)> = scored.filter(|(alike, _)| *alike >= ALIKE).collect();
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    near.into_iter().take(NEAR).map(|(_, name)| name).collect()
}

/// ``did you mean `name`?``, where one is near.
pub fn did_you_mean<'a, T: Borrow<str> + ?Sized + 'a>(asked: &str, valid: impl IntoIterator<Item = &'a T>) -> Option<String> {
    nearest(asked, valid).first().map(|name| format!("did you mean `{name}`?"))
}

/// ``did you mean `name`?``, or what there is to choose from.
pub fn suggest<'a, T: Borrow<str> + ?Sized + 'a>(asked: &str, valid: impl IntoIterator<Item = &'a T>) -> String {
    let valid: Vec<&str> = valid.into_iter().map(Borrow::borrow).collect();
    did_you_mean(asked, valid.iter().copied()).unwrap_or_else(|| choice(&valid))
}

fn choice(valid: &[&str]) -> String {
    let mut listed: Vec<String> = valid.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
    if valid.len() > LISTED {
        listed.push(format!("and {} more", valid.len() - LISTED));
    }
    match listed.as_slice() {
        [] => "there is none to choose from".to_owned(),
        [one] => format!("there is {one}"),
        _ => format!("there are {}", listed.join(", ")),
    }
}
