//! The nearest valid name.

/// How alike two names must be to be called a slip of the pen.
const ALIKE: f64 = 0.78;
/// Names listed where none is near.
const LISTED: usize = 12;

/// The name that was probably meant.
pub(crate) fn nearest<'a>(text: &str, valid: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let bounded: String = text.chars().take(80).collect();
    valid
        .map(|name| (strsim::jaro_winkler(&bounded, name), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// `did you mean ...`, or what there is to choose from.
pub(crate) fn suggest<'a>(text: &str, valid: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(name) = nearest(text, valid.clone()) {
        return format!("did you mean `{name}`?");
    }
    let mut listed: Vec<String> = valid.clone().take(LISTED).map(|name| format!("`{name}`")).collect();
    match (listed.len(), valid.count()) {
        (0, _) => "there is none to choose from".to_owned(),
        (shown, all) if all > shown => {
            listed.push(format!("and {} more", all - shown));
            format!("there are {}", listed.join(", "))
        }
        (1, _) => format!("there is {}", listed.concat()),
        _ => format!("there are {}", listed.join(", ")),
    }
}
