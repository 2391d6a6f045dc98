//! Reads the syntax tree of a script and refuses what would only be found out when a rule did not fire: unknown functions, codes, fields
//! and words on branches that no test takes, changes that are silently lost, comparisons that can never hold.
//!
//! The only file that uses Rhai's `internals`. Nodes that it does not know are refused.

use std::collections::{BTreeMap, BTreeSet};

use orc_domain::api::Problem;
use orc_domain::decision::Place;
use orc_domain::nearest::suggest;
use rhai::{AST, ASTFlags, ASTNode, Expr, FnCallExpr, Position, ScriptFuncDef, Stmt};

use crate::out::{METHODS, code_argument};
use crate::problem::unknown;
use crate::rules::Rules;
use crate::shape::Shape;
use crate::{Words, natives, shape};

/// Functions of one file: name and number of parameters.
pub(crate) type Signatures = BTreeSet<(String, usize)>;

/// What a script is checked against.
pub(crate) struct Context<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) words: &'a Words,
    /// Library files that this one may call, by their names.
    pub(crate) libraries: &'a BTreeMap<String, Signatures>,
}

/// What a script turned out to be.
pub(crate) struct Findings {
    pub(crate) problems: Vec<Problem>,
    /// Reason codes that it may give.
    pub(crate) codes: BTreeSet<String>,
}

/// The functions that a file defines.
pub(crate) fn signatures(ast: &AST) -> Signatures {
    ast.iter_functions().map(|function| (function.name.to_owned(), function.params.len())).collect()
}

/// Checks a whole file.
pub(crate) fn check(file: &str, ast: &AST, context: &Context<'_>) -> Findings {
    let mut linter = Linter {
        file,
        context,
        own: signatures(ast),
        scope: Vec::new(),
        found: Findings { problems: Vec::new(), codes: BTreeSet::new() },
        input: shape::input(context.words, context.rules),
        data: shape::data(context.words, context.rules),
    };
    let functions: Vec<&ScriptFuncDef> = ast.iter_fn_def().map(AsRef::as_ref).collect();
    for function in &functions {
        linter.header(function);
    }
    // Bodies have no public name in Rhai: its walk hands out their statements, and the place says whose they are.
    let mut current = None;
    ast.walk(&mut |path| {
        if let [ASTNode::Stmt(statement)] = path {
            let function = enclosing(&functions, statement.position());
            if function.map(|function| &function.name) != current.map(|function: &ScriptFuncDef| &function.name) {
                linter.enter(function);
                current = function;
            }
            match function {
                Some(_) => linter.statement(statement),
                None => {
                    linter.say(statement.position(), "a policy file holds functions only", "put numbers and names into data/rules.yaml")
                }
            }
        }
        true
    });
    linter.found.problems.sort();
    linter.found
}

/// The function around a place: functions do not nest.
fn enclosing<'a>(functions: &[&'a ScriptFuncDef], at: Position) -> Option<&'a ScriptFuncDef> {
    let before = functions.iter().filter(|function| function.body.start_position() <= at);
    let nearest = before.max_by_key(|function| function.body.start_position())?;
    (at <= nearest.body.end_position()).then_some(nearest)
}

/// A name in scope.
struct Name {
    name: String,
    shape: Shape,
    /// Only what `let` made may be assigned to: parameters and loop variables are copies.
    assignable: bool,
}

struct Linter<'a> {
    file: &'a str,
    context: &'a Context<'a>,
    own: Signatures,
    scope: Vec<Name>,
    found: Findings,
    input: Shape,
    data: Shape,
}

const COPIES: &str = "values are copies, so the change would be lost: say it with `out`, or assign to a variable made with `let`";

impl Linter<'_> {
    fn place(&self, at: Position) -> Place {
        Place { file: self.file.to_owned(), line: at.line().unwrap_or(0), column: at.position().unwrap_or(0) }
    }

    fn say(&mut self, at: Position, message: impl Into<String>, help: impl Into<String>) {
        let found = Problem::new(&self.place(at), message).help(help);
        self.found.problems.push(found);
    }

    fn unknown<T: std::fmt::Display>(&mut self, at: Position, kind: &str, name: &str, known: impl IntoIterator<Item = T>) {
        let found = unknown(&self.place(at), kind, name, known);
        self.found.problems.push(found);
    }

    fn header(&mut self, function: &ScriptFuncDef) {
        let native = natives::FUNCTIONS.iter().chain(METHODS).any(|(name, _)| *name == function.name.as_str());
        if native || function.this_type.is_some() {
            let message = format!("`{}` is a function of ORC and cannot be defined again", function.name);
            self.say(function.body.start_position(), message, "give it another name");
        }
    }

    fn enter(&mut self, function: Option<&ScriptFuncDef>) {
        self.scope.clear();
        for parameter in function.iter().flat_map(|function| &function.params) {
            let shape = match parameter.as_str() {
                "input" => self.input.clone(),
                "data" => self.data.clone(),
                "out" => Shape::Out,
                _ => Shape::Any,
            };
            self.scope.push(Name { name: parameter.to_string(), shape, assignable: false });
        }
    }

    fn block(&mut self, statements: &[Stmt]) {
        let outside = self.scope.len();
        for statement in statements {
            self.statement(statement);
        }
        self.scope.truncate(outside);
    }

    fn statement(&mut self, statement: &Stmt) {
        match statement {
            Stmt::Noop(_) | Stmt::BreakLoop(None, ..) => {}
            Stmt::If(parts, _) => {
                self.expression(&parts.expr);
                self.block(parts.body.statements());
                self.block(parts.branch.statements());
            }
            Stmt::For(parts, at) => {
                let (variable, counter, body) = &**parts;
                let list = self.expression(&body.expr);
                if !matches!(list, Shape::List(_) | Shape::Any) {
                    let help = "loop over a list; keys(table) makes one of a table";
                    self.say(body.expr.start_position(), format!("{} is no list", list.name()), help);
                }
                let outside = self.scope.len();
                self.declare(&variable.name, *at, list.element(), false);
                if let Some(counter) = counter {
                    self.declare(&counter.name, *at, Shape::Number, false);
                }
                self.block(body.body.statements());
                self.scope.truncate(outside);
            }
            Stmt::Var(parts, flags, at) => {
                let (variable, value, _) = &**parts;
                let shape = self.expression(value);
                self.declare(&variable.name, *at, shape, !flags.contains(ASTFlags::CONSTANT));
            }
            Stmt::Assignment(parts) => self.assignment(&parts.1.lhs, &parts.1.rhs),
            Stmt::FnCall(call, at) => {
                self.call(call, *at);
            }
            Stmt::Block(block) => self.block(block.statements()),
            Stmt::Expr(expression) => {
                self.expression(expression);
            }
            Stmt::Return(value, flags, _) if !flags.contains(ASTFlags::BREAK) => {
                if let Some(value) = value {
                    self.expression(value);
                }
            }
            other => self.say(other.position(), "this statement is not part of the policy language", "use if, for, let and return"),
        }
    }

    fn declare(&mut self, name: &str, at: Position, shape: Shape, assignable: bool) {
        if matches!(name, "input" | "data" | "out") {
            self.say(at, format!("`{name}` is what every rule is given and cannot be made again"), "choose another name");
        }
        self.scope.push(Name { name: name.to_owned(), shape, assignable });
    }

    fn assignment(&mut self, target: &Expr, value: &Expr) {
        let shape = self.expression(value);
        let Expr::Variable(variable, _, at) = target else {
            self.say(target.start_position(), "a field or an item cannot be assigned to", COPIES);
            return;
        };
        let name = self.scope.iter_mut().rev().find(|known| known.name == variable.1.as_str());
        match name {
            // After an assignment on one branch the value may be either: what both have in common is not worth finding out.
            Some(known) if known.assignable => {
                if !known.shape.comparable(&shape) {
                    known.shape = Shape::Any;
                }
            }
            _ => self.say(*at, format!("`{}` cannot be assigned to", variable.1), COPIES),
        }
    }

    /// Checks an expression and says what form its value has.
    fn expression(&mut self, expression: &Expr) -> Shape {
        match expression {
            Expr::BoolConstant(..) => Shape::Bool,
            Expr::IntegerConstant(..) => Shape::Number,
            Expr::StringConstant(..) => Shape::Text,
            Expr::Unit(_) => Shape::Any,
            Expr::InterpolatedString(parts, _) => {
                for part in parts {
                    self.expression(part);
                }
                Shape::Text
            }
            Expr::Array(items, _) => {
                let mut shapes = items.iter().map(|item| self.expression(item)).collect::<Vec<_>>().into_iter();
                Shape::List(std::sync::Arc::new(shapes.next().unwrap_or(Shape::Any)))
            }
            Expr::Map(entries, _) => {
                for (_, value) in &entries.0 {
                    self.expression(value);
                }
                Shape::Any
            }
            Expr::Variable(variable, _, at) => self.variable(variable, *at),
            Expr::FnCall(call, at) => self.call(call, *at),
            Expr::Dot(pair, flags, _) => {
                let base = self.expression(&pair.lhs);
                self.chain(base, &pair.rhs, true, *flags)
            }
            Expr::Index(pair, flags, _) => {
                let base = self.expression(&pair.lhs);
                self.chain(base, &pair.rhs, false, *flags)
            }
            Expr::And(parts, _) | Expr::Or(parts, _) => {
                for part in parts.iter() {
                    let shape = self.expression(part);
                    self.expect_bool(part.start_position(), &shape);
                }
                Shape::Bool
            }
            Expr::Stmt(block) => {
                self.block(block.statements());
                Shape::Any
            }
            Expr::DynamicConstant(..) => Shape::Any,
            other => {
                self.say(
                    other.start_position(),
                    "this expression is not part of the policy language",
                    "policy uses whole numbers and texts",
                );
                Shape::Any
            }
        }
    }

    fn expect_bool(&mut self, at: Position, shape: &Shape) {
        if !Shape::Bool.comparable(shape) {
            self.say(at, format!("expected true or false, found {}", shape.name()), "compare it with something");
        }
    }

    fn variable(
        &mut self,
        variable: &(Option<std::num::NonZeroUsize>, rhai::ImmutableString, rhai::Namespace, u64),
        at: Position,
    ) -> Shape {
        if !variable.2.is_empty() {
            self.say(at, "a library file holds functions only", "call one of its functions");
            return Shape::Any;
        }
        let known = self.scope.iter().rev().find(|known| known.name == variable.1.as_str());
        known.map_or(Shape::Any, |known| known.shape.clone())
    }

    /// The rest of `base.a.b` or `base[x].b`.
    fn chain(&mut self, base: Shape, rest: &Expr, dot: bool, flags: ASTFlags) -> Shape {
        match rest {
            Expr::Dot(pair, inner, _) if dot || !flags.contains(ASTFlags::BREAK) => {
                let step = self.step(base, &pair.lhs, dot);
                self.chain(step, &pair.rhs, true, *inner)
            }
            Expr::Index(pair, inner, _) if dot || !flags.contains(ASTFlags::BREAK) => {
                let step = self.step(base, &pair.lhs, dot);
                self.chain(step, &pair.rhs, false, *inner)
            }
            _ => self.step(base, rest, dot),
        }
    }

    fn step(&mut self, base: Shape, expression: &Expr, dot: bool) -> Shape {
        match expression {
            Expr::Property(property, at) if dot => self.field(&base, &property.2, *at),
            Expr::MethodCall(call, at) if dot => self.method(&base, call, *at),
            Expr::StringConstant(name, at) if !dot => self.field(&base, name, *at),
            other => {
                self.expression(other);
                base.element()
            }
        }
    }

    fn field(&mut self, base: &Shape, name: &str, at: Position) -> Shape {
        match base {
            Shape::Any => Shape::Any,
            Shape::Table(entry) => (**entry).clone(),
            Shape::Record(known) => match known.get(name) {
                Some(shape) => shape.clone(),
                None => {
                    self.unknown(at, "field here", name, known.keys());
                    Shape::Any
                }
            },
            other => {
                self.say(at, format!("{} has no field `{name}`", other.name()), "functions are called with parentheses, as in len(list)");
                Shape::Any
            }
        }
    }

    fn method(&mut self, base: &Shape, call: &FnCallExpr, at: Position) -> Shape {
        let shapes: Vec<Shape> = call.args.iter().map(|argument| self.expression(argument)).collect();
        let name = call.name.as_str();
        if matches!(base, Shape::Out | Shape::Any) && METHODS.iter().any(|(known, _)| *known == name) {
            self.arity(METHODS, name, shapes.len() + 1, at);
            self.builder_call(call, at);
            return if name == "risk_class" { Shape::word(orc_domain::risk::RiskClass::ALL) } else { Shape::Any };
        }
        if matches!(base, Shape::Out) {
            self.unknown(at, "method of `out`", name, METHODS.iter().map(|(known, _)| known));
            return Shape::Any;
        }
        self.native(name, &[std::slice::from_ref(base), shapes.as_slice()].concat(), at)
    }

    /// The words of `out.deny("code", ..)` and its like.
    fn builder_call(&mut self, call: &FnCallExpr, at: Position) {
        if let Some(code) = code_argument(&call.name).and_then(|index| call.args.get(index)) {
            match code {
                Expr::StringConstant(code, at) => {
                    if !self.context.rules.codes.contains_key(code.as_str()) {
                        let mut found = unknown(&self.place(*at), "reason code", code, self.context.rules.codes.keys());
                        let near = found.help.take().unwrap_or_default();
                        found.help = Some(format!("{near}, or declare it under `codes` in data/rules.yaml"));
                        self.found.problems.push(found);
                    }
                    self.found.codes.insert(code.to_string());
                }
                _ => self.say(
                    at,
                    "the reason code is not written out",
                    "write it as \"some-code\": the message may be computed, the code not",
                ),
            }
        }
        let word = |index: usize| match call.args.get(index) {
            Some(Expr::StringConstant(text, at)) => Some((text.to_string(), *at)),
            _ => None,
        };
        match (call.name.as_str(), word(0)) {
            ("require" | "confirm", Some((group, at))) if !self.context.words.groups.contains(group.as_str()) => {
                self.unknown(at, "role group", &group, &self.context.words.groups);
            }
            ("risk", Some((class, at))) if class.parse::<orc_domain::risk::RiskClass>().is_err() => {
                self.unknown(at, "risk class", &class, orc_domain::risk::RiskClass::ALL);
            }
            ("oblige", Some((kind, at))) if !self.context.words.obligations.contains(kind.as_str()) => {
                self.unknown(at, "obligation", &kind, &self.context.words.obligations);
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &FnCallExpr, at: Position) -> Shape {
        let shapes: Vec<Shape> = call.args.iter().map(|argument| self.expression(argument)).collect();
        let name = call.name.as_str();
        if !call.namespace.is_empty() {
            let library = call.namespace.to_string().trim_end_matches("::").to_owned();
            self.library_call(&library, name, shapes.len(), at);
            return Shape::Any;
        }
        if self.own.iter().any(|(own, _)| own == name) {
            if !self.own.contains(&(name.to_owned(), shapes.len())) {
                self.say(at, format!("`{name}` does not take {} arguments", shapes.len()), "give as many as it has parameters");
            }
            return Shape::Any;
        }
        if matches!(name, "==" | "!=" | "contains") {
            self.comparison(call, &shapes, at);
        }
        self.native(name, &shapes, at)
    }

    fn library_call(&mut self, library: &str, name: &str, arguments: usize, at: Position) {
        let Some(known) = self.context.libraries.get(library) else {
            self.unknown(at, "library file", library, self.context.libraries.keys());
            return;
        };
        if !known.iter().any(|(function, _)| function == name) {
            self.unknown(at, &format!("function of `{library}`"), name, known.iter().map(|(function, _)| function));
        } else if !known.contains(&(name.to_owned(), arguments)) {
            self.say(at, format!("`{library}::{name}` does not take {arguments} arguments"), "give as many as it has parameters");
        }
    }

    /// A call of one of ORC's own functions.
    fn native(&mut self, name: &str, arguments: &[Shape], at: Position) -> Shape {
        if !natives::FUNCTIONS.iter().any(|(known, _)| *known == name) {
            let own = self.own.iter().map(|(name, _)| name.as_str());
            let known = natives::FUNCTIONS.iter().map(|(name, _)| *name).chain(own);
            let help = suggest(name, known);
            self.say(at, format!("there is no function `{name}`"), help);
            return Shape::Any;
        }
        self.arity(natives::FUNCTIONS, name, arguments.len(), at);
        self.arithmetic(name, arguments, at);
        match (name, arguments) {
            ("keys", [table, ..]) => Shape::List(std::sync::Arc::new(table.keys())),
            ("+" | "-" | "*" | "/" | "%" | "min" | "max", [Shape::Number, Shape::Number]) | ("len", _) => Shape::Number,
            ("+", [Shape::Text | Shape::Word(_), Shape::Text | Shape::Word(_)]) | ("join", _) => Shape::Text,
            ("+" | "-" | "*" | "/" | "%" | "min" | "max", _) => Shape::Any,
            _ => Shape::Bool,
        }
    }

    fn arithmetic(&mut self, name: &str, arguments: &[Shape], at: Position) {
        let [a, b] = arguments else { return };
        let number = |shape: &Shape| Shape::Number.comparable(shape);
        let text = |shape: &Shape| Shape::Text.comparable(shape);
        let (takes, fits) = match name {
            "+" => ("numbers or texts", number(a) && number(b) || text(a) && text(b)),
            "-" | "*" | "/" | "%" | "<" | "<=" | ">" | ">=" => ("numbers", number(a) && number(b)),
            _ => return,
        };
        if !fits {
            let message = format!("`{name}` takes {takes}, not {} and {}", a.name(), b.name());
            self.say(at, message, "compare risk classes with at_least(a, b), and put values into texts with `${..}`");
        }
    }

    fn arity(&mut self, table: &[(&str, &[usize])], name: &str, arguments: usize, at: Position) {
        let known = table.iter().find(|(known, _)| *known == name).map(|(_, arities)| *arities).unwrap_or_default();
        if !known.contains(&arguments) {
            self.say(at, format!("`{name}` does not take that many arguments"), "see the table of functions in docs/policy.md");
        }
    }

    /// `a == b`, `a != b` and `a in b`, which is `contains(b, a)`.
    fn comparison(&mut self, call: &FnCallExpr, shapes: &[Shape], at: Position) {
        let ([left, right], [a, b]) = (call.args.as_slice(), shapes) else { return };
        if call.name.as_str() == "contains" {
            match (left, a) {
                (Expr::Array(items, _), _) => items.iter().for_each(|item| self.one_of(b, item)),
                (_, Shape::List(item)) => self.one_of(&item.clone(), right),
                (_, Shape::Record(_)) => self.one_of(&Shape::List(a.keys().into()).element(), right),
                _ => {}
            }
            return;
        }
        self.one_of(a, right);
        self.one_of(b, left);
        if !a.comparable(b) {
            self.say(at, format!("{} and {} can never be equal", a.name(), b.name()), "compare like with like");
        }
    }

    /// Where `shape` knows its words, a text that is written out must be one of them.
    fn one_of(&mut self, shape: &Shape, written: &Expr) {
        if let (Shape::Word(words), Expr::StringConstant(text, at)) = (shape, written)
            && !words.iter().any(|word| word == text.as_str())
        {
            self.unknown(*at, "word here", text, words.iter());
        }
    }
}
