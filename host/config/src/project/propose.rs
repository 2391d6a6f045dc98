//! A project entry as commented YAML.

use std::fmt::Write as _;

use orc_domain::ProjectName;
use orc_domain::project::{Argv, ProjectEntry};

use crate::lock::quoted;

/// The entry as a block for `projects:` of the registry, indented by two spaces, with comments that say what each key is for. Reading it
/// back gives `entry` again, except for limits and runbooks, which a person adds.
pub fn propose(name: &ProjectName, entry: &ProjectEntry) -> String {
    let mut block = Block(String::new());
    block.line(2, &format!("{}:", quoted(name.as_str())));
    block.key("tenant", &quoted(entry.tenant.as_str()), "");
    block.key("root", &quoted(&entry.root), "");
    block.key("base", &quoted(&entry.base), "the branch that work starts from");
    block.key("stack", &flow(entry.stack.iter()), "");
    block.key("owners", &flow(entry.owners.iter().map(|owner| owner.as_str())), "operators that answer for it");
    if let Some(engine) = &entry.engine {
        block.key("engine", &quoted(engine.as_str()), "the worker engine that it prefers");
    }
    block.key("families", &flow(entry.families.iter().map(|family| family.as_str())), "what may be planned");
    block.commands("prepare", &entry.prepare, "commands that make a fresh checkout usable");
    block.key("copy", &flow(entry.copy.iter()), "files of your checkout that each workspace gets, as in `.env.test`");
    block.commands("verify", &entry.verify, "commands that say whether it is well");
    block.list(
        "verification_paths",
        &entry.verification_paths,
        "what verification stands on; a change there raises a flag where work is kept",
    );
    if !entry.path_rules.is_empty() {
        block.line(4, "path_rules:  # a change there raises a flag");
        for rule in &entry.path_rules {
            block.line(6, &format!("- {{paths: {}, flag: {}}}", flow(rule.paths.iter()), quoted(rule.flag.as_str())));
        }
    }
    block.launch(entry);
    block.0
}

struct Block(String);

impl Block {
    fn line(&mut self, indent: usize, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{:indent$}{text}", "");
    }

    fn key(&mut self, key: &str, value: &str, comment: &str) {
        self.line(4, format!("{key}: {value}{}", remark(comment)).trim_end());
    }

    fn commands(&mut self, key: &str, commands: &[Argv], comment: &str) {
        let items: Vec<String> = commands.iter().map(|argv| flow(argv.iter())).collect();
        self.items(key, &items, comment);
    }

    fn list(&mut self, key: &str, texts: &[String], comment: &str) {
        let items: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        self.items(key, &items, comment);
    }

    fn items(&mut self, key: &str, items: &[String], comment: &str) {
        if items.is_empty() {
            return self.key(key, "[]", comment);
        }
        self.line(4, &format!("{key}:{}", remark(comment)));
        for item in items {
            self.line(6, &format!("- {item}"));
        }
    }

    fn launch(&mut self, entry: &ProjectEntry) {
        let launch = &entry.launch;
        self.line(4, "launch:  # what its commands get beyond their workspace and the system's programs");
        self.line(6, &format!("network: {}{}", launch.network, remark("`full` needs a rule that allows it")));
        self.line(6, &format!("read: {}{}", flow(launch.read.iter()), remark("directories to read and execute from")));
        if !launch.write.is_empty() {
            self.line(6, &format!("write: {}{}", flow(launch.write.iter()), remark("shared with every command of it")));
        }
        if !launch.env.is_empty() {
            self.line(6, "env:");
            for (name, value) in &launch.env {
                self.line(8, &format!("{}: {}", quoted(name), quoted(value)));
            }
        }
    }
}

fn remark(comment: &str) -> String {
    if comment.is_empty() { String::new() } else { format!("  # {comment}") }
}

fn flow(items: impl Iterator<Item = impl AsRef<str>>) -> String {
    let items: Vec<String> = items.map(|item| quoted(item.as_ref())).collect();
    format!("[{}]", items.join(", "))
}
