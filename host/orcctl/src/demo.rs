//! `orcctl demo`: the whole way once, for real, in a directory that is thrown away. Everything printed is what the engine answered.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use orc_client::{InProcess, Session, call};
use orc_config::init::{InitOptions, Team, init};
use orc_config::project::{append_allowed_command, append_project, propose};
use orc_domain::api::*;
use orc_domain::decision::Reason;
use orc_domain::grant::{LaunchGrant, LaunchPlan, Network, Protection, ResourceLimits};
use orc_domain::ports::{LaunchIo, Launcher as _};
use orc_domain::project::{ProjectEntry, ProjectLaunch};
use orc_domain::risk::CommandFamily;
use orc_domain::states::ExecutionState;
use orc_domain::{ErrorCode, OperatorName, OrcError, ProjectName};
use orc_engine::Engine;

use crate::commands::init::stock;
use crate::context::Context;
use crate::follow::verdict;
use crate::host::{self, Owning, Working};
use crate::render::text::{self, argv};
use crate::wiring::Paths;
use crate::{failure, local};

/// A small project with real source and a real test.
const FILES: [(&str, &str); 4] = [
    ("add.sh", "#!/bin/sh\n# Adds two numbers.\necho $(($1 + $2))\n"),
    (
        "test.sh",
        "#!/bin/sh\n# The project's tests.\nset -eu\n[ \"$(./add.sh 2 3)\" = 5 ]\n[ \"$(./add.sh 0 0)\" = 0 ]\necho '2 tests passed'\n",
    ),
    ("build.sh", "#!/bin/sh\n# Makes out/add from the source.\nset -eu\nmkdir -p out\ncp add.sh out/add\nsha256sum out/add\n"),
    (".gitignore", "out/\n"),
];

/// Operators of the demo. With `trust: single_user` the owner of the database may name any of them; such votes are `asserted`.
const OPERATORS: &str = "\
operators:
  alice: {roles: [operator, admin]}
  bob: {roles: [operator, tech_lead]}
  carol: {roles: [operator, security]}
  dave: {roles: [operator, release_manager]}
role_groups:
  operator: [operator]
  tech_lead: [tech_lead]
  security: [security]
  release_manager: [release_manager]
  admin: [admin]
";

struct Demo<'a> {
    context: &'a Context,
    paths: Paths,
    project: PathBuf,
    engine: Arc<Engine>,
}

/// Runs the demo.
pub(crate) async fn run(context: &Context, keep: bool) -> Result<(), OrcError> {
    let dir =
        tempfile::Builder::new().prefix("orc-demo-").tempdir().map_err(|error| failure::io("cannot make a temporary directory", &error))?;
    let place = dir.path().canonicalize().map_err(|error| failure::io("cannot resolve the temporary directory", &error))?;
    let paths = Paths::of(place.join("state/orc.db"), place.join("root"), place.join("keys"));
    let project = place.join("adder");
    say(context, &format!("ORC {}: a command governed from intent to proof, in {}", env!("CARGO_PKG_VERSION"), place.display()))?;
    make_project(&paths, &project).await?;
    make_root(&paths, &project)?;
    let engine = match host::own(&paths).await? {
        Owning::Engine(engine) => engine,
        Owning::Elsewhere(_) => return Err(OrcError::new(ErrorCode::Internal, "somebody owns the demo's new database")),
    };
    let working = Working::start(&paths, &engine).await?;
    let demo = Demo { context, paths, project, engine };
    let told = demo.tell().await;
    working.stop().await;
    told?;
    demo.farewell(keep)?;
    if keep {
        let _ = dir.keep();
    }
    Ok(())
}

fn say(context: &Context, line: &str) -> Result<(), OrcError> {
    context.printer.data(line)
}

fn io(what: &'static str) -> impl Fn(std::io::Error) -> OrcError {
    move |error| failure::io(what, &error)
}

/// Makes the repository with real git, through the launcher like every other process.
async fn make_project(paths: &Paths, project: &Path) -> Result<(), OrcError> {
    fs::create_dir_all(project).map_err(io("cannot make the demo's project"))?;
    for (name, content) in FILES {
        let path = project.join(name);
        fs::write(&path, content).map_err(io("cannot write the demo's project"))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(io("cannot write the demo's project"))?;
    }
    git(paths, project, &["init", "--quiet", "--initial-branch=main"]).await?;
    git(paths, project, &["add", "--all"]).await?;
    git(paths, project, &["commit", "--quiet", "--message=Add two numbers"]).await
}

async fn git(paths: &Paths, project: &Path, args: &[&str]) -> Result<(), OrcError> {
    let launcher = host::launcher(paths, &paths.state())?;
    let machine = host::machine(None);
    let cwd = project.display().to_string();
    let mut dirs = machine.system;
    dirs.push(orc_domain::grant::DirGrant {
        path: cwd.clone(),
        access: orc_domain::grant::Access::WriteExecute,
        role: "workspace".to_owned(),
    });
    let mut env = machine.env;
    for (name, value) in [
        ("HOME", "/nonexistent"),
        ("GIT_AUTHOR_NAME", "demo"),
        ("GIT_AUTHOR_EMAIL", "demo@example.invalid"),
        ("GIT_COMMITTER_NAME", "demo"),
        ("GIT_COMMITTER_EMAIL", "demo@example.invalid"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    let mut argv = vec![host::git()?.display().to_string()];
    argv.extend(args.iter().map(|arg| (*arg).to_owned()));
    let must = [Protection::Files, Protection::NoNewPrivs, Protection::ProcessTree].into();
    let grant = LaunchGrant { dirs, env, network: Network::None, limits: ResourceLimits::default(), must };
    let plan = LaunchPlan { purpose: "make the demo's project".to_owned(), argv, cwd, grant };
    let outcome = launcher.launch(&plan, LaunchIo::default(), &tokio_util::sync::CancellationToken::new()).await;
    let report = outcome.map_err(|error| OrcError::from_source(ErrorCode::LaunchFailed, "git was not started", &error))?.report;
    if report.end.success() {
        return Ok(());
    }
    Err(OrcError::new(ErrorCode::CommandFailed, format!("git {} ended with {}", args[0], report.end))
        .cause(text::safe(report.stderr.last(500))))
}

/// A root as `orcctl init` and `orcctl project add` write it, for four people.
fn make_root(paths: &Paths, project: &Path) -> Result<(), OrcError> {
    let options = InitOptions {
        installation: host::new_installation(),
        team: Team::Solo,
        operator: name("alice")?,
        unix_user: "nobody".to_owned(),
        guests: stock(&local::stock_guests()?)?,
    };
    init(&paths.root, &options)
        .map_err(|error| OrcError::from_source(ErrorCode::ConfigInvalid, "the demo's root cannot be written", &error))?;
    local::write(&paths.root.join(orc_config::OPERATORS_FILE), OPERATORS)?;
    edit(paths, orc_config::REGISTRY_FILE, |registry| {
        let (name, entry) = entry(project)?;
        let block = propose(&name, &entry);
        append_project(registry, &name, &block)
            .map_err(|error| OrcError::from_source(ErrorCode::ConfigInvalid, "the demo's project cannot be registered", &error))
    })?;
    edit(paths, orc_config::RULES_FILE, |rules| {
        let (name, _) = entry(project)?;
        // Two groups at moderate risk, so that there is something to see.
        let rules = rules.replace(
            "moderate: { expires_h: 24, groups: { tech_lead: 1 } }",
            "moderate: { expires_h: 24, groups: { tech_lead: 1, security: 1 } }",
        );
        let build = vec!["./build.sh".to_owned()];
        append_allowed_command(&rules, &name, CommandFamily::BuildTest, &build)
            .map_err(|error| OrcError::from_source(ErrorCode::ConfigInvalid, "the demo's command cannot be allowed", &error))
    })?;
    if rustix::process::geteuid().is_root() {
        edit(paths, orc_config::ORC_FILE, |settings| Ok(settings.replace("accept_root: []", "accept_root: [processes]")))?;
    }
    Ok(())
}

fn edit(paths: &Paths, file: &str, change: impl FnOnce(&str) -> Result<String, OrcError>) -> Result<(), OrcError> {
    let path = paths.root.join(file);
    let text = fs::read_to_string(&path).map_err(io("cannot read the demo's root"))?;
    local::write(&path, &change(&text)?)
}

fn entry(project: &Path) -> Result<(ProjectName, ProjectEntry), OrcError> {
    let name = "adder".parse().map_err(|error| failure::usage(format!("{error}")))?;
    let tenant = "default".parse().map_err(|error| failure::usage(format!("{error}")))?;
    let entry = ProjectEntry {
        tenant,
        root: project.display().to_string(),
        base: "main".to_owned(),
        stack: vec!["shell".to_owned()],
        owners: vec![name_of("alice")?],
        engine: None,
        families: [CommandFamily::BuildTest].into(),
        prepare: Vec::new(),
        copy: Vec::new(),
        verify: vec![vec!["./test.sh".to_owned()]],
        verification_paths: vec!["test.sh".to_owned()],
        path_rules: Vec::new(),
        launch: ProjectLaunch::default(),
        runbooks: Default::default(),
    };
    Ok((name, entry))
}

fn name(text: &str) -> Result<OperatorName, OrcError> {
    text.parse().map_err(|error| failure::usage(format!("{error}")))
}

use name as name_of;

impl Demo<'_> {
    async fn ask<I: Intent>(&self, user: &str, request: I) -> Result<I::Answer, OrcError> {
        let client = InProcess { engine: Arc::clone(&self.engine), peer: host::this_peer() };
        call(&client, &Session { user: Some(name(user)?) }, None, request).await
    }

    fn step(&self, title: &str, command: &str) -> Result<(), OrcError> {
        self.line(&format!("\n{title}\n  $ orcctl {command}"))
    }

    fn line(&self, line: &str) -> Result<(), OrcError> {
        say(self.context, line)
    }

    async fn tell(&self) -> Result<(), OrcError> {
        let planned = self.plan().await?;
        let id = planned.workflow.id.to_string();
        self.votes(&id).await?;
        self.run(&id).await?;
        self.off_the_list().await?;
        self.moved_contract().await?;
        self.proof().await
    }

    fn request(&self, command: &str) -> Result<Plan, OrcError> {
        let word = |error: orc_domain::InvalidName| failure::usage(error.to_string());
        Ok(Plan {
            project: "adder".parse().map_err(word)?,
            action: "build".parse().map_err(word)?,
            family: CommandFamily::BuildTest,
            command_text: command.to_owned(),
            flags: vec!["public_interface".parse().map_err(word)?],
            metadata: Default::default(),
            pipeline: None,
            no_verify: false,
        })
    }

    async fn plan(&self) -> Result<Planned, OrcError> {
        self.step("1. alice plans a command; nothing runs yet", "--user alice plan --project adder --action build --family build_test \\\n      --command-text ./build.sh --flag public_interface")?;
        let planned = self.ask("alice", self.request("./build.sh")?).await?;
        self.line(&format!("  {} is {}, plan hash {}", planned.workflow.id, planned.workflow.state, planned.workflow.plan_hash.short()))?;
        self.line(&format!("  risk {}:", planned.risk.class))?;
        for reason in &planned.risk.reasons {
            self.reason(reason)?;
        }
        for request in &planned.approval_requests {
            let who: Vec<&str> = request.eligible.iter().map(OperatorName::as_str).collect();
            self.line(&format!("  needs {} of {}: {} can vote", request.quorum, request.group, who.join(", ")))?;
        }
        Ok(planned)
    }

    fn reason(&self, reason: &Reason) -> Result<(), OrcError> {
        let at = reason.at.as_ref().map(|at| format!(" ({})", text::safe(&at.to_string()))).unwrap_or_default();
        self.line(&format!("    {}: {}{at}", reason.code, text::safe(&reason.message)))
    }

    async fn votes(&self, id: &str) -> Result<(), OrcError> {
        self.step("2. two people look at exactly this plan and say yes; alice cannot", &format!("--user bob approve {id}"))?;
        let own = self.ask("alice", GetApprovals { of: Some(id.to_owned()) }).await?;
        if let Some(refused) = own.cards.first().and_then(|card| card.cannot.as_ref()) {
            self.line(&format!("  alice: {}: {refused}", refused.code))?;
        }
        for voter in ["bob", "carol"] {
            let cards = self.ask(voter, GetApprovals { of: Some(id.to_owned()) }).await?.cards;
            let Some((card, token)) = cards.into_iter().find_map(|card| card.token.clone().map(|token| (card, token))) else {
                return Err(OrcError::new(ErrorCode::Internal, format!("{voter} has nothing to vote on")));
            };
            let voted = self.ask(voter, Approve { request: card.request.id.to_string(), token, role: None }).await?;
            for vote in &voted.request.votes {
                self.line(&format!(
                    "  {}: {} as {}, proof: {}; the workflow is {}",
                    vote.operator, vote.choice, vote.role, vote.proof, voted.workflow.state
                ))?;
            }
        }
        Ok(())
    }

    async fn run(&self, id: &str) -> Result<(), OrcError> {
        self.step("3. it runs: a checkout of its own, a restricted process, gates as WebAssembly", &format!("--user alice run {id}"))?;
        self.ask("alice", Run { workflow: id.to_owned(), plan_hash: None, idempotency_key: "demo-1".to_owned() }).await?;
        let status = self.settled(id).await?;
        for phase in &status.phases {
            for run in &phase.worker_runs {
                let Some(report) = &run.report else { continue };
                let held: Vec<&str> = report.active.iter().map(|protection| protection.as_str()).collect();
                self.line(&format!(
                    "  {}: {}: {} in {} ms; held: {}",
                    run.purpose,
                    argv(&run.plan.argv),
                    report.end,
                    report.duration_ms,
                    held.join(" ")
                ))?;
                for (protection, why) in &report.missing {
                    self.line(&format!("    not held: {protection}: {}", text::safe(why.split(':').next().unwrap_or_default())))?;
                }
            }
            let gates: Vec<String> = phase.guests.iter().map(|guest| format!("{} {}", guest.guest, guest.outcome)).collect();
            self.line(&format!("  gates: {}", gates.join(", ")))?;
        }
        verdict(&status)?;
        self.line(&format!("  {} is {}", status.workflow.id, status.workflow.state))
    }

    async fn settled(&self, id: &str) -> Result<Status, OrcError> {
        loop {
            let status = self.ask("alice", GetStatus { workflow: id.to_owned() }).await?;
            let over = status
                .execution
                .as_ref()
                .is_some_and(|execution| !matches!(execution.state, ExecutionState::Queued | ExecutionState::Running));
            if over {
                return Ok(status);
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }

    async fn off_the_list(&self) -> Result<(), OrcError> {
        self.step(
            "4. one argument more than the list allows: denied, with the rule that says so",
            "--user alice plan ... --command-text \"./build.sh --force\"",
        )?;
        let refused = self.refused(self.ask("alice", self.request("./build.sh --force")?).await)?;
        self.line(&format!("  error[{}]: {refused}", refused.code))?;
        refused.reasons.iter().try_for_each(|reason| self.reason(reason))
    }

    async fn moved_contract(&self) -> Result<(), OrcError> {
        self.step("5. between approval and run somebody changes one byte of a contract", "--user alice run ...")?;
        let planned = self.ask("alice", self.request("./build.sh")?).await?;
        let id = planned.workflow.id.to_string();
        for voter in ["bob", "carol"] {
            for card in self.ask(voter, GetApprovals { of: Some(id.clone()) }).await?.cards {
                if let Some(token) = card.token {
                    self.ask(voter, Approve { request: card.request.id.to_string(), token, role: None }).await?;
                }
            }
        }
        edit(&self.paths, orc_config::CONTRACTS_FILE, |contracts| Ok(contracts.replace("timeout_s: 1800", "timeout_s: 1801")))?;
        let refused = self.refused(self.ask("alice", Run { workflow: id, plan_hash: None, idempotency_key: "demo-2".to_owned() }).await)?;
        self.line(&format!("  error[{}]: {refused}", refused.code))?;
        refused.causes.iter().try_for_each(|cause| self.line(&format!("    {}", text::safe(cause))))
    }

    fn refused<T>(&self, answer: Result<T, OrcError>) -> Result<OrcError, OrcError> {
        match answer {
            Err(error) if matches!(error.code, ErrorCode::PolicyDenied | ErrorCode::PlanStale) => Ok(error),
            Err(error) => Err(error),
            Ok(_) => Err(OrcError::new(ErrorCode::Internal, "the demo was allowed what must be refused")),
        }
    }

    async fn proof(&self) -> Result<(), OrcError> {
        self.step("6. all of it is in the audit, refusals too, and the chain proves itself", "audit verify")?;
        let proof = self.ask("alice", VerifyAudit {}).await?;
        if let Some(broken) = &proof.broken {
            return Err(OrcError::new(ErrorCode::AuditBroken, format!("event {} does not fit: {}", broken.seq, broken.why)));
        }
        self.line(&format!("  {} events, nothing changed, missing or reordered; head {}", proof.events, proof.head.short()))
    }

    fn farewell(&self, keep: bool) -> Result<(), OrcError> {
        let mut out = String::from("\nOn a repository of your own:\n");
        let bin = std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_else(|_| "orcctl".to_owned());
        for (command, why) in [
            ("init", "write a commented configuration for you alone"),
            ("project add PATH", "register it and try its tests"),
            ("plan --help", "plan a command; then approvals, approve, run, explain"),
        ] {
            let _ = writeln!(out, "  {bin} {command:<18} # {why}");
        }
        if keep {
            let (db, root) = (self.paths.db.display(), self.paths.root.display());
            let _ = writeln!(
                out,
                "Kept: the project in {}; look around with\n  {bin} --db {db} --root {root} --user alice overview",
                self.project.display()
            );
        }
        self.line(out.trim_end())
    }
}
