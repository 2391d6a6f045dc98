//! Adds to a YAML file that a person keeps: every line that was there stays as it was, and the result is read again before it is given out.

use orc_domain::ProjectName;
use orc_domain::api::Problem;
use orc_domain::project::{Argv, Registry};
use orc_domain::risk::CommandFamily;
use orc_yaml::{Kind, Node, Scalar};

use crate::check::Document;
use crate::lock::quoted;
use crate::{REGISTRY_FILE, RULES_FILE};

/// Why nothing was added.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The file, or what was to be added to it, is not in order.
    #[error("{}: {}", problem.at, problem.message)]
    Problem {
        /// What is wrong.
        problem: Problem,
    },
    /// It is there already.
    #[error("{file}:{line}: there is a project `{name}` already; choose another name, or edit the entry")]
    Exists {
        /// The project.
        name: ProjectName,
        /// The file.
        file: &'static str,
        /// Its line.
        line: usize,
    },
    /// The place is written in braces or brackets.
    #[error("{file}:{line}: `{key}` is written in braces or brackets; write it as an indented block, so that lines can be added")]
    Flow {
        /// The key.
        key: String,
        /// The file.
        file: &'static str,
        /// Its line.
        line: usize,
    },
    /// The result would say something else than the old text and the addition.
    #[error("{file}: adding lines would change what the rest of the file says; add them by hand:\n{addition}")]
    Unsafe {
        /// The file.
        file: &'static str,
        /// What was to be added.
        addition: String,
    },
}

/// Adds an entry, as [`super::propose`] writes it, to the registry's text.
///
/// # Errors
/// When the registry or the block is not in order, or the project is there.
pub fn append_project(registry_text: &str, name: &ProjectName, block: &str) -> Result<String, EditError> {
    let tree = parse(REGISTRY_FILE, registry_text)?;
    let there = tree.get("projects").and_then(|projects| projects.entry(name.as_str()));
    if let Some((key, _)) = there {
        return Err(EditError::Exists { name: name.clone(), file: REGISTRY_FILE, line: key.at.line });
    }
    let entry = parse(REGISTRY_FILE, block)?;
    let entry = entry.get(name.as_str()).map(Node::to_json).unwrap_or_default();
    let lines: Vec<&str> = block.lines().collect();
    let addition = Addition { file: REGISTRY_FILE, path: &["projects", name.as_str()], value: entry, lines: &lines };
    let text = addition.add(registry_text, &tree)?;
    let (problems, _) = Document::<Registry>::parse(REGISTRY_FILE, text.as_bytes());
    sound(text, problems)
}

/// Adds a command to those that the rules allow for one project (`project_commands` of `policies/data/rules.yaml`), so that it can be
/// planned. The same text comes back where it is there already.
///
/// # Errors
/// When the rules' text is not in order.
pub fn append_allowed_command(rules_text: &str, project: &ProjectName, family: CommandFamily, argv: &Argv) -> Result<String, EditError> {
    let tree = parse(RULES_FILE, rules_text)?;
    let value = serde_json::json!({ "project": project, "family": family, "argv": argv });
    let there = tree.get("project_commands").map(Node::to_json);
    if there.is_some_and(|list| list.as_array().is_some_and(|list| list.contains(&value))) {
        return Ok(rules_text.to_owned());
    }
    let words: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
    let line = format!("- {{ project: {}, family: {family}, argv: [{}] }}", quoted(project.as_str()), words.join(", "));
    Addition { file: RULES_FILE, path: &["project_commands"], value, lines: &[&line] }.add(rules_text, &tree)
}

fn parse(file: &'static str, text: &str) -> Result<Node, EditError> {
    let parsed = orc_yaml::parse_past_duplicates(file, text.as_bytes());
    let (tree, duplicates) = parsed.map_err(|problem| EditError::Problem { problem })?;
    sound(tree, duplicates)
}

fn sound<T>(value: T, problems: Vec<Problem>) -> Result<T, EditError> {
    problems.into_iter().next().map_or(Ok(value), |problem| Err(EditError::Problem { problem }))
}

/// Lines for a place in a file. The last step of `path` is the new key of a mapping, or, where the first line is an item (`- `), the list
/// that gets it.
struct Addition<'a> {
    file: &'static str,
    path: &'a [&'a str],
    value: serde_json::Value,
    lines: &'a [&'a str],
}

impl Addition<'_> {
    fn is_item(&self) -> bool {
        self.lines.first().is_some_and(|line| line.trim_start().starts_with("- "))
    }

    fn add(&self, text: &str, tree: &Node) -> Result<String, EditError> {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let spot = self.spot(tree, &mut lines)?;
        let end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        lines.splice(spot.after..spot.after, self.indented(&spot));
        let mut new = lines.join(end);
        new.push_str(end);
        let said = orc_yaml::parse(self.file, new.as_bytes()).map(|tree| tree.to_json());
        if said.is_ok_and(|said| said == self.expected(tree.to_json())) {
            Ok(new)
        } else {
            Err(EditError::Unsafe { file: self.file, addition: self.lines.join("\n") })
        }
    }

    /// Finds where the lines go: as deep in the file as the path exists.
    fn spot(&self, tree: &Node, lines: &mut [String]) -> Result<Spot, EditError> {
        let containers = if self.is_item() { self.path } else { &self.path[..self.path.len() - 1] };
        let mut spot = Spot { indent: 0, after: lines.len(), missing: containers.len() };
        let mut node = tree;
        for (depth, step) in containers.iter().enumerate() {
            let Some((key, value)) = node.entry(step) else { break };
            let empty = value.scalar() == Some(Scalar::Nothing);
            let flow = || EditError::Flow { key: (*step).to_owned(), file: self.file, line: key.at.line };
            spot = match &value.kind {
                Kind::Mapping { flow: false, .. } => Spot { indent: value.at.column - 1, after: value.last_line, missing: 0 },
                Kind::List(items) if let Some(indent) = dash(items, lines) => Spot { indent, after: value.last_line, missing: 0 },
                _ if empty || clear_brackets(value, lines) => {
                    Spot { indent: key.at.column + 1, after: after_comments(key, lines), missing: 0 }
                }
                _ => return Err(flow()),
            };
            spot.missing = containers.len() - depth - 1;
            node = value;
        }
        Ok(spot)
    }

    /// The lines, under keys for those steps of the path that the file does not have.
    fn indented(&self, spot: &Spot) -> Vec<String> {
        let containers = if self.is_item() { self.path } else { &self.path[..self.path.len() - 1] };
        let missing = &containers[containers.len() - spot.missing..];
        let mut indent = spot.indent;
        let mut out = Vec::new();
        for step in missing {
            out.push(format!("{:indent$}{}:", "", quoted(step)));
            indent += 2;
        }
        let own = self.lines.iter().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len()).min();
        out.extend(self.lines.iter().map(|line| match line.trim() {
            "" => String::new(),
            _ => format!("{:indent$}{}", "", &line[own.unwrap_or_default()..]),
        }));
        out
    }

    /// What the file says after it.
    fn expected(&self, mut said: serde_json::Value) -> serde_json::Value {
        use serde_json::{Map, Value};
        let mut at = &mut said;
        for (depth, step) in self.path.iter().enumerate() {
            if at.is_null() || at.as_array().is_some_and(Vec::is_empty) {
                *at = Value::Object(Map::new());
            }
            let Some(map) = at.as_object_mut() else { return Value::Null };
            at = map.entry((*step).to_owned()).or_insert(Value::Null);
            if depth + 1 == self.path.len() {
                match (self.is_item(), at.as_array_mut()) {
                    (true, Some(list)) => list.push(self.value.clone()),
                    (true, None) => *at = Value::Array(vec![self.value.clone()]),
                    (false, _) => *at = self.value.clone(),
                }
            }
        }
        said
    }
}

struct Spot {
    indent: usize,
    /// Lines before it.
    after: usize,
    /// Containers of the path that are not in the file.
    missing: usize,
}

/// The column of the dashes of a list in block form, from 0.
fn dash(items: &[Node], lines: &[String]) -> Option<usize> {
    let line = lines.get(items.first()?.at.line - 1)?;
    line.trim_start().starts_with("- ").then(|| line.len() - line.trim_start().len())
}

/// Takes `{}` or `[]` out of its line. `false` where the value is something else.
fn clear_brackets(value: &Node, lines: &mut [String]) -> bool {
    let Some(line) = lines.get_mut(value.at.line - 1) else { return false };
    let Some((start, _)) = line.char_indices().nth(value.at.column - 1) else { return false };
    let (before, rest) = line.split_at(start);
    let Some(rest) = rest.strip_prefix("{}").or_else(|| rest.strip_prefix("[]")) else { return false };
    *line = format!("{}{rest}", before.trim_end());
    true
}

/// Lines up to and with the comments that stand indented under a key.
fn after_comments(key: &Node, lines: &[String]) -> usize {
    let under = |line: &&String| {
        let text = line.trim_start();
        text.starts_with('#') && line.len() - text.len() >= key.at.column
    };
    key.at.line + lines[key.at.line.min(lines.len())..].iter().take_while(under).count()
}
