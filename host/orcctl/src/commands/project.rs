//! `orcctl project`

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use orc_config::project::{EditError, NO_TESTS, append_allowed_command, append_project, detect, propose, toolchain};
use orc_config::{Checked, REGISTRY_FILE, RULES_FILE, RootSnapshot};
use orc_domain::api::NextStep;
use orc_domain::project::{Argv, ProjectEntry, ProjectLaunch};
use orc_domain::risk::CommandFamily;
use orc_domain::{ErrorCode, OperatorName, OrcError, ProjectName, TenantName};
use orc_engine::parse_command;
use serde::Serialize;

use crate::context::Context;
use crate::failure::{io, usage};
use crate::render::text::argv;
use crate::tryout::{self, Tried};
use crate::wiring::{self, Paths};
use crate::{local, render};

/// Register projects and list them
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  orcctl project add ~/src/flowry\n  orcctl project list")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Look at a git repository, propose an entry, and add it to the registry
    #[command(after_help = "Examples:\n  orcctl project add ~/src/flowry --name flowry\n  \
                            orcctl project add ~/src/legacy --verify \"./ci/test.sh --all\"")]
    Add(Box<Add>),
    /// List the registered projects
    #[command(after_help = "Example:\n  orcctl project list")]
    List,
}

#[derive(Debug, Args)]
struct Add {
    /// The repository's own checkout
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// What it is called [default: the directory's name]
    #[arg(long, value_name = "NAME")]
    name: Option<ProjectName>,
    /// The tenant [default: the one there is]
    #[arg(long, value_name = "NAME")]
    tenant: Option<TenantName>,
    /// The branch that work starts from [default: the one checked out]
    #[arg(long, value_name = "BRANCH")]
    base: Option<String>,
    /// A command that makes a fresh checkout usable, instead of what is recognised; repeatable
    #[arg(long, value_name = "COMMAND")]
    prepare: Vec<String>,
    /// A command that says whether the project is well, instead of what is recognised; repeatable
    #[arg(long, value_name = "COMMAND")]
    verify: Vec<String>,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Do not run the proposed commands on the base commit first
    #[arg(long)]
    no_try: bool,
}

/// The registered projects.
#[derive(Debug, Serialize)]
pub(crate) struct Projects {
    pub(crate) projects: BTreeMap<ProjectName, ProjectEntry>,
}

/// A project that was registered.
#[derive(Debug, Serialize)]
pub(crate) struct Added {
    pub(crate) project: ProjectName,
    pub(crate) entry: ProjectEntry,
    /// How its commands went on the base commit.
    pub(crate) tried: Vec<Tried>,
    /// Commands that the rules allow for it now.
    pub(crate) allowed: Vec<Argv>,
    pub(crate) notes: Vec<String>,
    pub(crate) next: Vec<NextStep>,
}

pub(crate) async fn run(context: &Context, arguments: Arguments) -> Result<(), OrcError> {
    let paths = Paths::resolve(&context.globals)?;
    let snapshot = local::snapshot(paths.own_root()?)?;
    let checked = local::checked(&snapshot).map_err(|problems| OrcError::of_root(&problems))?;
    match arguments.command {
        Command::List => context.answer(&Projects { projects: checked.registry.projects }),
        Command::Add(add) => register(context, &paths, &checked, *add).await,
    }
}

async fn register(context: &Context, paths: &Paths, checked: &Checked, add: Add) -> Result<(), OrcError> {
    let path = add.path.canonicalize().map_err(|error| io(&format!("cannot find `{}`", add.path.display()), &error))?;
    let name = project_name(&add, &path)?;
    let (entry, notes) = look_at(context, checked, &add, &path)?;
    let block = propose(&name, &entry);
    // What cannot be registered is not worth a question, or an hour of tests.
    with_entry(checked.snapshot().clone(), &name, &block, &entry.verify)?;
    context.printer.words(&format!("proposed for {REGISTRY_FILE}:\n"));
    context.printer.words(&block.lines().map(render::text::safe).collect::<Vec<_>>().join("\n"));
    if !add.yes {
        context.printer.confirm("\nadd it, and allow its verify commands? [y/N]", "nothing was written", "give `--yes`")?;
    }
    let tried = match add.no_try {
        true => Vec::new(),
        false => tryout::run(paths, &checked.settings, &name, &entry, &context.printer).await?,
    };
    // Trying took a while: what was saved under the root meanwhile stays.
    let snapshot = local::snapshot(&paths.root)?;
    let allowed: Vec<Argv> = entry.verify.clone();
    let content = with_entry(snapshot, &name, &block, &allowed)?;
    write_entry(&paths.root, &content)?;
    let next = next_steps(&name, &entry);
    context.answer(&Added { project: name, entry, tried, allowed, notes, next })
}

fn project_name(add: &Add, path: &Path) -> Result<ProjectName, OrcError> {
    if let Some(name) = &add.name {
        return Ok(name.clone());
    }
    let directory = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    directory.parse().map_err(|_| usage(format!("`{}` is no project name", render::text::safe(&directory))).hint("name it with `--name`"))
}

/// The proposed entry, and what the person should know.
fn look_at(context: &Context, checked: &Checked, add: &Add, path: &Path) -> Result<(ProjectEntry, Vec<String>), OrcError> {
    let root = path.to_str().ok_or_else(|| usage("the repository's path is no UTF-8 text"))?.to_owned();
    if let Some(outer) = path.ancestors().skip(1).find(|outer| !path.join(".git").exists() && outer.join(".git").exists()) {
        return Err(usage(format!("`{root}` lies inside the git checkout `{}`", outer.display())).hint("register the checkout itself"));
    }
    if !path.join(".git").exists() {
        return Err(
            usage(format!("`{root}` is no git checkout")).hint("only committed work can be planned: run `git init` and commit first")
        );
    }
    let mut found = detect(path);
    if !add.prepare.is_empty() {
        found.prepare = commands(&add.prepare)?;
    }
    if !add.verify.is_empty() {
        found.verify = commands(&add.verify)?;
        found.notes.retain(|note| note != NO_TESTS);
    }
    let (search, rustup) = wiring::toolchain_places();
    let tools = toolchain(found.prepare.iter().chain(&found.verify), &search, rustup.as_deref());
    found.notes.extend(tools.missing.iter().map(|program| format!("`{program}` is in no directory of PATH")));
    let entry = ProjectEntry {
        tenant: tenant(checked, add.tenant.clone())?,
        root,
        base: base(add, path)?,
        stack: found.stack,
        owners: owner(context, checked).into_iter().collect(),
        engine: None,
        families: found.families,
        prepare: found.prepare,
        copy: Vec::new(),
        verify: found.verify,
        verification_paths: found.verification_paths,
        path_rules: Vec::new(),
        launch: ProjectLaunch { read: tools.read, env: tools.env, ..ProjectLaunch::default() },
        runbooks: BTreeMap::new(),
    };
    Ok((entry, found.notes))
}

fn commands(texts: &[String]) -> Result<Vec<Argv>, OrcError> {
    texts.iter().map(|text| parse_command(text)).collect()
}

fn tenant(checked: &Checked, named: Option<TenantName>) -> Result<TenantName, OrcError> {
    let mut tenants = checked.registry.tenants.keys();
    match (named, tenants.next(), tenants.next()) {
        (Some(tenant), ..) => Ok(tenant),
        (None, Some(only), None) => Ok(only.clone()),
        (None, None, _) => Err(usage(format!("{REGISTRY_FILE} has no tenant"))),
        (None, Some(_), Some(_)) => Err(usage("there are several tenants").hint("name one with `--tenant`")),
    }
}

/// The branch that is checked out, as `.git/HEAD` says; a detached head or a linked worktree names none.
fn base(add: &Add, path: &Path) -> Result<String, OrcError> {
    if let Some(base) = &add.base {
        return Ok(base.clone());
    }
    let head = std::fs::read_to_string(path.join(".git/HEAD")).unwrap_or_default();
    let branch = head.trim().strip_prefix("ref: refs/heads/").map(str::to_owned);
    branch.ok_or_else(|| usage("no branch is checked out there").hint("name the branch that work starts from with `--base`"))
}

/// The operator that answers for it: the named one, else the one that the unix user is.
fn owner(context: &Context, checked: &Checked) -> Option<OperatorName> {
    let unix = orc_server::unix_user(rustix::process::geteuid().as_raw())?;
    context.globals.user.clone().or_else(|| checked.operators.bound_to(&unix).next().cloned())
}

/// The files that registering changes, as they will be.
struct Content {
    registry: String,
    rules: String,
}

/// The root's files with the entry and the allowed commands, once the whole root was checked with them.
fn with_entry(mut snapshot: RootSnapshot, name: &ProjectName, block: &str, allowed: &[Argv]) -> Result<Content, OrcError> {
    let registry = append_project(&text_of(&snapshot, REGISTRY_FILE)?, name, block).map_err(|error| edit(&error))?;
    let mut rules = text_of(&snapshot, RULES_FILE)?;
    for command in allowed {
        rules = append_allowed_command(&rules, name, CommandFamily::BuildTest, command).map_err(|error| edit(&error))?;
    }
    snapshot.files.insert(REGISTRY_FILE.to_owned(), registry.clone().into_bytes());
    snapshot.files.insert(RULES_FILE.to_owned(), rules.clone().into_bytes());
    let checked = local::checked(&snapshot).map_err(|problems| OrcError::of_root(&problems))?;
    local::policy(&checked).map_err(|problems| OrcError::of_root(&problems))?;
    Ok(Content { registry, rules })
}

/// A half-written pair is no danger: a project without allowed commands can plan nothing, so the rules come last.
fn write_entry(root: &Path, content: &Content) -> Result<(), OrcError> {
    local::write(&root.join(REGISTRY_FILE), &content.registry)?;
    local::write(&root.join(RULES_FILE), &content.rules)
}

fn text_of(snapshot: &RootSnapshot, file: &str) -> Result<String, OrcError> {
    let bytes = snapshot.file(file).unwrap_or_default();
    String::from_utf8(bytes.to_vec()).map_err(|_| OrcError::new(ErrorCode::ConfigInvalid, format!("{file} is no UTF-8 text")))
}

fn edit(error: &EditError) -> OrcError {
    let refused = OrcError::from_source(ErrorCode::ConfigInvalid, "the entry was not added", error);
    match error {
        EditError::Exists { .. } => refused.hint("`--name` gives it another name; `orcctl project list` shows what is registered"),
        _ => refused,
    }
}

fn next_steps(name: &ProjectName, entry: &ProjectEntry) -> Vec<NextStep> {
    let Some(command) = entry.verify.first() else {
        let why = format!("once `verify` of {name} in {REGISTRY_FILE} and `project_commands` in {RULES_FILE} name its commands");
        return vec![NextStep { command: "orcctl config check".to_owned(), why }];
    };
    let text = render::text::word(&argv(command));
    let command = format!("orcctl plan --project {name} --action test --family build_test --command-text {text}");
    vec![NextStep { command, why: "plan its first verify command".to_owned() }]
}
