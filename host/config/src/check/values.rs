//! Checks of single values that more than one file has: globs, paths, commands, environment names, bounds.

use std::path::{Component, Path};

use orc_domain::grant::ResourceLimits;
use orc_domain::project::Argv;
use orc_yaml::{Node, shown};

use super::{Document, Report};

/// Variables that make an agent CLI bill an API account. They never reach a launched process.
const BILLING: [&str; 7] = [
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CODEX_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "OPENAI_API_KEY",
    "OPENROUTER_API_KEY",
];

/// Globs relative to a project.
pub(super) fn globs<T>(file: &Document<T>, path: &str, globs: &[String], report: &mut Report) {
    for (index, glob) in globs.iter().enumerate() {
        let at = format!("{path}/{index}");
        if let Err(error) = globset::Glob::new(glob) {
            file.wrong(report, &at, format!("`{}` is no glob: {}", shown(glob), error.kind()), None);
        } else if !is_relative(glob) {
            let help = "write it from the project's root, as in `tests/**`".to_owned();
            file.wrong(report, &at, format!("the glob `{}` does not stay inside the project", shown(glob)), help);
        }
    }
}

/// Files relative to a project.
pub(super) fn relative_files<T>(file: &Document<T>, path: &str, files: &[String], report: &mut Report) {
    for (index, name) in files.iter().enumerate().filter(|(_, name)| !is_relative(name)) {
        let message = format!("`{}` is no path inside the project", shown(name));
        file.wrong(report, &format!("{path}/{index}"), message, "write it from the project's root, without `..`".to_owned());
    }
}

/// A path of plain names: not empty, not absolute, no `..`.
pub(super) fn is_relative(path: &str) -> bool {
    !path.is_empty() && !path.contains('\0') && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Directories that launches get.
pub(super) fn directories<'a, T>(file: &Document<T>, path: &str, directories: impl Iterator<Item = &'a String>, report: &mut Report) {
    for directory in directories {
        let fault = match directory.as_str() {
            text if !is_absolute(text) => "is no absolute path without `..`",
            text if Path::new(text).parent().is_none() => "grants the whole machine",
            _ => continue,
        };
        let Some(at) = item(file, path, directory) else { continue };
        let help = "name the directories that are needed, each in full".to_owned();
        file.wrong(report, &at, format!("`{}` {fault}", shown(directory)), help);
    }
}

/// An absolute path without `..`.
pub(super) fn is_absolute(path: &str) -> bool {
    let path = Path::new(path);
    path.is_absolute() && !path.components().any(|part| part == Component::ParentDir) && !path.as_os_str().as_encoded_bytes().contains(&0)
}

/// The path in the file of the list's item with this text, or of a value that is no list: sets forget the order of the file. A text that the file does not have stands in
/// for an item whose own problem was said already.
pub(super) fn item<T>(file: &Document<T>, path: &str, text: &str) -> Option<String> {
    let value = path.split('/').try_fold(&file.root, |node, step| node.get(step));
    let Some(items) = value.and_then(Node::items) else { return Some(path.to_owned()) };
    items.iter().position(|node| node.text() == text).map(|index| format!("{path}/{index}"))
}

/// Names of environment variables.
pub(super) fn env_names<'a, T>(file: &Document<T>, path: &str, names: impl Iterator<Item = &'a String>, report: &mut Report) {
    for name in names {
        let mut bytes = name.bytes();
        let starts = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        let formed = starts && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let key = format!("{path}/{name}");
        let Some(at) = (if file.says(&key) { Some(key) } else { item(file, path, name) }) else { continue };
        if !formed {
            let message = format!("`{}` is no name of an environment variable", shown(name));
            file.wrong(report, &at, message, "use A-Z, a-z, 0-9 and `_`, not starting with a digit".to_owned());
        } else if BILLING.contains(&name.as_str()) {
            let help = "remove it: credentials that bill an API never reach a launched process".to_owned();
            file.wrong(report, &at, format!("`{name}` cannot be given to a launch"), help);
        }
    }
}

/// Commands, each a list of program and arguments.
pub(super) fn commands<T>(file: &Document<T>, path: &str, commands: &[Argv], report: &mut Report) {
    for (index, argv) in commands.iter().enumerate() {
        command(file, &format!("{path}/{index}"), argv, report);
    }
}

/// A command: program and arguments.
pub(super) fn command<T>(file: &Document<T>, path: &str, argv: &Argv, report: &mut Report) {
    let Some(program) = argv.first().filter(|program| !program.is_empty()) else {
        return file.wrong(report, path, "a command needs a program", "as in `[cargo, test]`".to_owned());
    };
    if argv.iter().any(|word| word.contains('\0')) {
        file.wrong(report, path, "a command cannot hold a zero byte", None);
    }
    if program.contains(char::is_whitespace) {
        let words: Vec<&str> = program.split_whitespace().collect();
        let help = format!("write one word an item: `[{}]`", shown(&words.join(", ")));
        file.wrong(report, &format!("{path}/0"), format!("there is no program named `{}`", shown(program)), help);
    }
    const SHELL: [&str; 8] = ["&&", "||", "|", ";", ">", ">>", "<", "&"];
    for (index, word) in argv.iter().enumerate().filter(|(_, word)| SHELL.contains(&word.as_str())) {
        let message = format!("`{word}` is given to `{}` as an argument: there is no shell", shown(program));
        file.warn(report, &format!("{path}/{index}"), message, "write each command as a list of its own".to_owned());
    }
}

/// Bounds of launches: a bound of 0 is none that anything could run under.
pub(super) fn limits<T>(file: &Document<T>, path: &str, limits: &ResourceLimits, report: &mut Report) {
    let bounds = [
        ("wall_s", limits.wall_s),
        ("cpu_s", limits.cpu_s),
        ("memory_mib", limits.memory_mib),
        ("processes", limits.processes),
        ("open_files", limits.open_files),
        ("file_mib", limits.file_mib),
        ("output_bytes", limits.output_bytes),
    ];
    for (key, _) in bounds.into_iter().filter(|(_, bound)| *bound == Some(0)) {
        let help = "leave it out to get the launcher's default".to_owned();
        file.wrong(report, &format!("{path}/{key}"), format!("`{key}` must be at least 1"), help);
    }
}

/// Numbers that must not be 0.
pub(super) fn at_least_one<T>(file: &Document<T>, path: &str, number: u64, report: &mut Report) {
    if number == 0 {
        let key = path.rsplit('/').next().unwrap_or(path);
        file.wrong(report, path, format!("`{key}` must be at least 1"), None);
    }
}
