//! The name that a line of a manifest gives a dependency, by the line's look. Lock files are left alone: they repeat hundreds of names that
//! nobody chose.

/// How a manifest writes its dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `name = "1.2"` or `name = { ... }`; `"name>=1.2",` in a list.
    Toml,
    /// `"name": "^1.2"`.
    Json,
    /// `name==1.2`
    Lines,
    /// `example.org/name v1.2.3`
    GoMod,
    /// `gem "name", "~> 1.2"`
    Gem,
    /// `<artifactId>name</artifactId>`
    Maven,
    /// `implementation("group:name:1.2")`
    Gradle,
}

/// How the file at `path` writes them; `None` where it is not known, or a lock file.
pub(crate) fn form(path: &str) -> Option<Form> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let text = name.ends_with(".txt") && (path.contains("requirements") || name.starts_with("constraints"));
    Some(match name {
        "Cargo.toml" | "pyproject.toml" | "Pipfile" | "libs.versions.toml" => Form::Toml,
        "package.json" | "composer.json" | "deno.json" => Form::Json,
        "go.mod" => Form::GoMod,
        "Gemfile" => Form::Gem,
        "pom.xml" => Form::Maven,
        "build.gradle" | "build.gradle.kts" => Form::Gradle,
        _ if text => Form::Lines,
        _ if name.ends_with(".gemspec") => Form::Gem,
        _ => return None,
    })
}

/// The name in a line that looks like a dependency.
pub(crate) fn name(form: Form, line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?.trim();
    match form {
        Form::Toml => toml(line),
        Form::Json => json(line),
        Form::Lines => lines(line),
        Form::GoMod => go_mod(line),
        Form::Gem => quoted(line.strip_prefix("gem ").or_else(|| line.split_once("_dependency").map(|(_, rest)| rest))?),
        Form::Maven => Some(line.split_once("<artifactId>")?.1.split_once("</artifactId>")?.0),
        Form::Gradle => quoted(line).filter(|text| text.matches(':').count() >= 1 && !text.contains(['/', ' '])),
    }
    .filter(|name| !name.is_empty())
}

fn toml(line: &str) -> Option<&str> {
    // An item of a list; a key can stand in quotes too.
    if line.starts_with(['"', '\'']) && !line.contains(" = ") {
        return with_version(quoted(line)?);
    }
    let (name, value) = line.split_once('=')?;
    let (name, value) = (name.trim().trim_matches('"'), value.trim());
    let version = value.strip_prefix(['"', '\'']).is_some_and(begins_version);
    let table = value.starts_with('{') && ["version", "path", "git", "workspace", "registry"].iter().any(|key| value.contains(key));
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let name = name.strip_suffix(".workspace").unwrap_or(name);
    // These stand in every manifest and are no dependency.
    let own = ["version", "edition", "rust-version", "resolver", "requires-python", "python", "channel"].contains(&name);
    (plain && !own && (version || table || line.ends_with(".workspace = true"))).then_some(name)
}

fn json(line: &str) -> Option<&str> {
    let (name, value) = line.strip_prefix('"')?.split_once("\":")?;
    let value = value.trim().strip_prefix('"')?;
    let elsewhere =
        ["git", "http", "file:", "npm:", "workspace:", "link:", "github:", "latest"].iter().any(|begin| value.starts_with(begin));
    (name != "version" && !name.contains(' ') && (begins_version(value) || elsewhere)).then_some(name)
}

fn lines(line: &str) -> Option<&str> {
    if line.starts_with(|c: char| c.is_ascii_alphanumeric()) { with_version(line).or_else(|| Some(head(line))) } else { None }
}

fn go_mod(line: &str) -> Option<&str> {
    let line = line.strip_prefix("require ").unwrap_or(line);
    let (name, version) = line.split_once(' ')?;
    (name.contains('.') && version.strip_prefix('v').is_some_and(begins_version)).then_some(name)
}

/// The name before a version's sign, as in `name[extra]>=1.2`.
fn with_version(text: &str) -> Option<&str> {
    let at = text.find(['=', '<', '>', '~', '!', '@'])?;
    let name = head(text[..at].trim());
    (!name.is_empty()).then_some(name)
}

/// The first run of characters that a name can have.
fn head(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(text.len());
    &text[..end]
}

fn begins_version(text: &str) -> bool {
    text.strip_prefix('v').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit()) || text.starts_with(['^', '~', '=', '<', '>', '*'])
}

/// The first text in quotes.
fn quoted(text: &str) -> Option<&str> {
    let from = text.find(['"', '\''])?;
    let quote = text[from..].chars().next()?;
    text[from + 1..].split_once(quote).map(|(inner, _)| inner)
}
