//! The scripts of a root, compiled and checked: one syntax tree a file, never merged, so that no function can replace another.

use std::collections::{BTreeMap, BTreeSet};

use orc_domain::Untrusted;
use orc_domain::api::Problem;
use orc_domain::decision::{EntryPoint, Place};
use rhai::{AST, Engine, Module, Scope};

use crate::lint::{self, Context, Signatures};
use crate::rules::Rules;
use crate::{Words, engine};

const LIBRARIES: &str = "policies/lib/";
/// The largest script, in bytes.
const LARGEST: usize = 256 * 1024;

/// Compiled scripts.
pub(crate) struct Program {
    pub(crate) engine: Engine,
    pub(crate) entries: BTreeMap<EntryPoint, AST>,
    /// Reason codes that the scripts may give, whatever file gives them.
    pub(crate) codes: BTreeSet<String>,
}

/// Compiles and checks every script of `files`. What it returns is whole only where no problem was found.
pub(crate) fn compile(files: &BTreeMap<&str, &[u8]>, rules: &Rules, words: &Words) -> (Program, Vec<Problem>) {
    let mut compiler = Compiler { engine: engine::new(), rules, words, problems: Vec::new(), codes: BTreeSet::new() };
    let libraries = compiler.libraries(files);
    let mut entries = BTreeMap::new();
    for entry in EntryPoint::ALL {
        let file = format!("policies/{entry}.rhai");
        let Some(bytes) = files.get(file.as_str()) else {
            let help = format!("add it with `fn {entry}(input, data, out) {{ }}`: without it every such question is denied");
            compiler.problems.push(Problem::new(&Place::file(&file), "the file is missing").help(help));
            continue;
        };
        if let Some(ast) = compiler.script(&file, bytes, &libraries) {
            compiler.entry_function(&file, *entry, &ast);
            entries.insert(*entry, ast);
        }
    }
    (Program { engine: compiler.engine, entries, codes: compiler.codes }, compiler.problems)
}

struct Compiler<'a> {
    engine: Engine,
    rules: &'a Rules,
    words: &'a Words,
    problems: Vec<Problem>,
    codes: BTreeSet<String>,
}

impl Compiler<'_> {
    /// Library files become modules named like the file. They see no other file.
    fn libraries(&mut self, files: &BTreeMap<&str, &[u8]>) -> BTreeMap<String, Signatures> {
        let none = BTreeMap::new();
        let mut libraries = BTreeMap::new();
        for (file, bytes) in files.iter().filter(|(file, _)| file.starts_with(LIBRARIES)) {
            let Some(name) = file.strip_prefix(LIBRARIES).and_then(|name| name.strip_suffix(".rhai")) else { continue };
            if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') || name.is_empty() {
                let problem = Problem::new(&Place::file(*file), "this is no name of a library");
                self.problems.push(problem.help("use a-z and `_`, as in lib/limits.rhai"));
                continue;
            }
            let Some(ast) = self.script(file, bytes, &none) else { continue };
            libraries.insert(name.to_owned(), lint::signatures(&ast));
            // A file that failed the linter may hold top-level statements; those must not run.
            if ast.iter_functions().next().is_some() {
                let functions = ast.clone_functions_only();
                match Module::eval_ast_as_new(Scope::new(), &functions, &self.engine) {
                    Ok(module) => {
                        self.engine.register_static_module(name, module.into());
                    }
                    Err(error) => self.problems.push(Problem::new(&Place::file(*file), error.to_string())),
                }
            }
        }
        libraries
    }

    fn script(&mut self, file: &str, bytes: &[u8], libraries: &BTreeMap<String, Signatures>) -> Option<AST> {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) if text.len() <= LARGEST => text,
            Ok(_) => {
                self.problems.push(Problem::new(&Place::file(file), format!("the script is larger than {LARGEST} bytes")));
                return None;
            }
            Err(_) => {
                self.problems.push(Problem::new(&Place::file(file), "the file is not UTF-8 text"));
                return None;
            }
        };
        match self.engine.compile(text) {
            Ok(mut ast) => {
                ast.set_source(file);
                let context = Context { rules: self.rules, words: self.words, libraries };
                let found = lint::check(file, &ast, &context);
                self.problems.extend(found.problems);
                self.codes.extend(found.codes);
                Some(ast)
            }
            Err(error) => {
                let (line, column) = (error.1.line().unwrap_or(0), error.1.position().unwrap_or(0));
                let at = Place { file: file.to_owned(), line, column };
                let message = Untrusted::new(error.0.to_string()).for_line(300);
                self.problems
                    .push(Problem::new(&at, message).help("docs/policy.md says what the policy language has, and what it does without"));
                None
            }
        }
    }

    fn entry_function(&mut self, file: &str, entry: EntryPoint, ast: &AST) {
        let parameters = ast.iter_functions().find(|function| function.name == entry.as_str()).map(|function| function.params);
        if parameters.is_none_or(|parameters| parameters != ["input", "data", "out"]) {
            let help = format!("write it as `fn {entry}(input, data, out) {{ .. }}`");
            self.problems
                .push(Problem::new(&Place::file(file), format!("the function `{entry}` with its three parameters is missing")).help(help));
        }
    }
}
