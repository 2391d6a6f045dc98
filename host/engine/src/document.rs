//! From a request and the active rules to a plan document: every name resolved to the value behind it. Made at planning, and again at
//! run, where any difference means that the world moved under the plan.

use std::collections::{BTreeMap, BTreeSet};

use orc_domain::contract::{PhaseContract, PhaseKind, Pipeline};
use orc_domain::decision::Requirement;
use orc_domain::grant::{Access, DirGrant, LaunchGrant, Network, Protection, ResourceLimits};
use orc_domain::plan::*;
use orc_domain::ports::Secret;
use orc_domain::project::ProjectEntry;
use orc_domain::risk::{CommandFamily, RiskAssessment};
use orc_domain::settings::WorkerSettings;
use orc_domain::*;

use crate::rules::ActiveRules;

/// Stands in a grant for the directory that a launch works in; known when it is made.
pub(crate) const WORKSPACE: &str = "$WORKSPACE";
/// Stands in a grant for a private directory that is gone after the phase: home and temporary files.
pub(crate) const SCRATCH: &str = "$SCRATCH";

/// The purpose of a worker's launch, and its grant in a phase that writes.
pub(crate) const WORKER: &str = "worker";
/// A worker's grant in a phase that reads.
pub(crate) const WORKER_READ: &str = "worker_read";

/// The flag that `--no-verify` sets.
pub(crate) const NO_VERIFY: &str = "no_verify";

/// What this machine gives every launch: system directories and the environment's base. Part of plans, so that a change is seen.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Read and execute: programs and libraries of the system.
    pub system: Vec<DirGrant>,
    /// The environment that every launch starts from.
    pub env: BTreeMap<String, String>,
    /// The variables of ORC's own environment that `launch.env` of `orc.yaml` may name.
    pub inherited: BTreeMap<String, Inherited>,
    /// Whether ORC runs as root, for whom some protections cannot be enforced: `launch.accept_root` of `orc.yaml` names those to go without.
    pub as_root: bool,
}

/// A variable of ORC's own environment. Its value is in no plan and no database: there a stand-in with its pin takes its place, so that
/// another value is another plan.
#[derive(Debug, Clone)]
pub struct Inherited {
    /// The value.
    pub value: Secret,
    /// What tells this value from another one without telling it: [`crate::Keys::pin`].
    pub pin: String,
}

/// How the stand-in of an inherited variable begins.
const INHERITED: &str = "$INHERITED:";

impl Machine {
    /// The grant with the values of inherited variables in the place of their stand-ins: for the launch alone, never stored.
    pub fn revealed(&self, grant: &LaunchGrant) -> LaunchGrant {
        let mut out = grant.clone();
        for (name, value) in &mut out.env {
            if let Some(inherited) = self.inherited.get(name).filter(|_| value.starts_with(INHERITED)) {
                value.clone_from(&inherited.value.0);
            }
        }
        out
    }

    /// The values that a grant reveals: to be replaced where a stream is read.
    pub(crate) fn secrets(&self, grant: &LaunchGrant) -> Vec<Secret> {
        let inherited = grant.env.iter().filter(|(_, value)| value.starts_with(INHERITED)).filter_map(|(name, _)| self.inherited.get(name));
        inherited.map(|inherited| inherited.value.clone()).filter(|value| value.0.len() >= 8).collect()
    }
}

/// What is to be planned: the request with its names resolved, as far as they do not depend on policy.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) workflow: WorkflowId,
    pub(crate) revision: u32,
    pub(crate) requesters: Vec<OperatorName>,
    pub(crate) project: ProjectName,
    pub(crate) family: CommandFamily,
    pub(crate) action: ActionName,
    pub(crate) intent: PlannedIntent,
    /// The engine that was asked for.
    pub(crate) engine: Option<EngineName>,
    /// The backlog item that it was planned from.
    pub(crate) backlog: Option<BacklogItemId>,
    pub(crate) declared: BTreeSet<FlagName>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) pipeline: Option<PipelineName>,
    pub(crate) no_verify: bool,
}

impl Subject {
    /// The request that a plan document answered, for making that plan again. Flags that the host found out count as declared: they only rise.
    pub(crate) fn of(planned: &PlanDocument) -> Self {
        let declared = planned.flags.iter().filter(|(flag, set)| **set && flag.as_str() != NO_VERIFY).map(|(flag, _)| flag.clone());
        Self {
            workflow: planned.workflow.clone(),
            revision: planned.revision,
            requesters: planned.requesters.clone(),
            project: planned.project.clone(),
            family: planned.family,
            action: planned.action.clone(),
            intent: planned.intent.clone(),
            engine: planned.worker.as_ref().map(|worker| worker.engine.clone()),
            backlog: None,
            declared: declared.collect(),
            metadata: planned.metadata.clone(),
            pipeline: Some(planned.pipeline.clone()),
            no_verify: planned.flags.get(NO_VERIFY).copied().unwrap_or(false),
        }
    }
}

/// The names of a [`Subject`] looked up in the active rules.
#[derive(Debug, Clone)]
pub(crate) struct Resolved<'a> {
    pub(crate) entry: &'a ProjectEntry,
    pub(crate) pipeline_name: PipelineName,
    pub(crate) phases: Vec<(&'a PhaseName, &'a PhaseContract)>,
    pub(crate) flags: BTreeMap<FlagName, bool>,
    /// The engine of an agent's task.
    pub(crate) worker: Option<(&'a EngineName, &'a WorkerSettings)>,
}

/// Looks up project, family, pipeline, phases and flags.
pub(crate) fn resolve<'a>(rules: &'a ActiveRules, subject: &Subject) -> Result<Resolved<'a>, OrcError> {
    let entry = project(rules, &subject.project)?;
    if !entry.families.contains(&subject.family) {
        let allowed: Vec<&str> = entry.families.iter().map(|family| family.as_str()).collect();
        return Err(OrcError::new(
            ErrorCode::FamilyNotAllowed,
            format!("the project {} does not allow the family {}", subject.project, subject.family),
        )
        .hint(format!("it allows {}; families stand in config/projects.registry.yaml", allowed.join(", "))));
    }
    let (pipeline_name, pipeline) = pipeline(rules, subject)?;
    let phases = pipeline.phases.iter().filter(|name| !pipeline.on_request.contains(*name));
    let phases = phases.map(|name| contract(rules, name).map(|contract| (name, contract))).collect::<Result<Vec<_>, _>>()?;
    serves(&subject.intent, &pipeline_name, &phases)?;
    let worker = match &subject.intent {
        PlannedIntent::Command { .. } => None,
        PlannedIntent::Task { .. } => Some(worker(rules, subject, entry)?),
    };
    let flags = flags(rules, subject)?;
    Ok(Resolved { entry, pipeline_name, phases, flags, worker })
}

pub(crate) fn project<'a>(rules: &'a ActiveRules, name: &ProjectName) -> Result<&'a ProjectEntry, OrcError> {
    let projects = &rules.checked.registry.projects;
    projects.get(name).ok_or_else(|| {
        let known: Vec<&str> = projects.keys().map(ProjectName::as_str).collect();
        let hint = if known.is_empty() {
            "no project is registered yet: `orcctl project add PATH`".to_owned()
        } else {
            format!("registered: {}; add one with `orcctl project add PATH`", known.join(", "))
        };
        OrcError::new(ErrorCode::ProjectNotRegistered, format!("the project {name} is not registered")).hint(hint)
    })
}

fn pipeline<'a>(rules: &'a ActiveRules, subject: &Subject) -> Result<(PipelineName, &'a Pipeline), OrcError> {
    let contracts = &rules.checked.contracts;
    let of_family = || {
        let names = contracts.pipelines.iter().filter(|(_, pipeline)| pipeline.family == subject.family).map(|(name, _)| name.as_str());
        names.collect::<Vec<_>>().join(", ")
    };
    let name = match &subject.pipeline {
        Some(name) => name.clone(),
        None => contracts.default_pipeline(subject.family).cloned().ok_or_else(|| {
            OrcError::new(ErrorCode::PipelineNotAllowed, format!("no pipeline serves the family {}", subject.family))
                .hint("add one to config/phase-contracts.yaml")
        })?,
    };
    match contracts.pipelines.get(&name) {
        Some(pipeline) if pipeline.family == subject.family => Ok((name, pipeline)),
        Some(pipeline) => Err(OrcError::new(
            ErrorCode::PipelineNotAllowed,
            format!("the pipeline {name} serves the family {}, not {}", pipeline.family, subject.family),
        )
        .hint(format!("pipelines of {}: {}", subject.family, of_family()))),
        None => Err(OrcError::new(ErrorCode::PipelineNotAllowed, format!("there is no pipeline {name}")).hint(format!(
            "pipelines of {}: {}",
            subject.family,
            of_family()
        ))),
    }
}

fn contract<'a>(rules: &'a ActiveRules, phase: &PhaseName) -> Result<&'a PhaseContract, OrcError> {
    let found = rules.checked.contracts.phases.get(phase);
    found
        .ok_or_else(|| OrcError::new(ErrorCode::ConfigInvalid, format!("the phase {phase} has no contract in config/phase-contracts.yaml")))
}

/// Commands run in phases for commands, tasks in phases for workers.
fn serves(intent: &PlannedIntent, pipeline: &PipelineName, phases: &[(&PhaseName, &PhaseContract)]) -> Result<(), OrcError> {
    let (kind, what) = match intent {
        PlannedIntent::Command { .. } => (PhaseKind::Command, "a command"),
        PlannedIntent::Task { .. } => (PhaseKind::Worker, "a task"),
    };
    match phases.iter().find(|(_, contract)| contract.kind != kind) {
        None => Ok(()),
        Some((phase, contract)) => Err(OrcError::new(
            ErrorCode::PipelineNotAllowed,
            format!("the pipeline {pipeline} is not for {what}: its phase {phase} is of the kind {}", contract.kind),
        )
        .hint("`orcctl plan` takes commands, `orcctl implement` takes tasks; runbooks come with a later version")),
    }
}

/// The engine that is asked for, else the project's, else the only one there is.
fn worker<'a>(rules: &'a ActiveRules, subject: &Subject, entry: &ProjectEntry) -> Result<(&'a EngineName, &'a WorkerSettings), OrcError> {
    let workers = &rules.checked.settings.workers;
    let names = || workers.keys().map(EngineName::as_str).collect::<Vec<_>>().join(", ");
    let unavailable = |message: String, hint: String| Err(OrcError::new(ErrorCode::WorkerUnavailable, message).hint(hint));
    if workers.is_empty() {
        return unavailable(
            "no worker is configured".to_owned(),
            "name one under `workers` in config/orc.yaml: docs/workers.md".to_owned(),
        );
    }
    match subject.engine.as_ref().or(entry.engine.as_ref()) {
        Some(name) => match workers.get_key_value(name) {
            Some(found) => Ok(found),
            None => unavailable(format!("there is no engine {name}"), format!("engines of config/orc.yaml: {}", names())),
        },
        None => match workers.iter().next().filter(|_| workers.len() == 1) {
            Some(only) => Ok(only),
            None => unavailable("several engines are configured".to_owned(), format!("name one with `--engine`: {}", names())),
        },
    }
}

/// Flags that the operator declared and those that the host derives. Only rises: nothing here can unset one.
fn flags(rules: &ActiveRules, subject: &Subject) -> Result<BTreeMap<FlagName, bool>, OrcError> {
    let known = rules.policy.flags();
    let mut flags = BTreeMap::new();
    for flag in &subject.declared {
        if !known.contains_key(flag) {
            let names: Vec<&str> = known.keys().map(FlagName::as_str).collect();
            return Err(OrcError::new(ErrorCode::UnknownFlag, format!("there is no action flag {flag}"))
                .hint(format!("flags of policies/data/rules.yaml: {}", names.join(", "))));
        }
        flags.insert(flag.clone(), true);
    }
    if subject.no_verify
        && let Ok(flag) = NO_VERIFY.parse()
    {
        flags.insert(flag, true);
    }
    Ok(flags)
}

/// What was found on the disk for a plan.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) base: BaseCommit,
    pub(crate) copied: BTreeMap<String, Digest>,
    pub(crate) worker: Option<PlannedWorker>,
    /// The digest of the memory snapshot; a plan that is made again keeps its own.
    pub(crate) memory: Option<Digest>,
}

/// What policy decided, as far as it is part of the plan.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    pub(crate) risk: RiskAssessment,
    pub(crate) approvals: Vec<Requirement>,
}

/// The plan document.
pub(crate) fn document(
    rules: &ActiveRules,
    machine: &Machine,
    subject: &Subject,
    resolved: &Resolved<'_>,
    found: &Found,
    decided: Decided,
) -> Result<PlanDocument, OrcError> {
    let entry = resolved.entry;
    let phases = resolved.phases.iter().map(|(name, contract)| planned_phase(rules, name, contract)).collect::<Result<Vec<_>, _>>()?;
    Ok(PlanDocument {
        schema: PLAN_SCHEMA.to_owned(),
        orc_version: env!("CARGO_PKG_VERSION").to_owned(),
        workflow: subject.workflow.clone(),
        revision: subject.revision,
        requesters: subject.requesters.clone(),
        tenant: entry.tenant.clone(),
        project: subject.project.clone(),
        project_entry: entry.clone(),
        family: subject.family,
        action: subject.action.clone(),
        intent: subject.intent.clone(),
        flags: resolved.flags.clone(),
        metadata: subject.metadata.clone(),
        worker: found.worker.clone(),
        pipeline: resolved.pipeline_name.clone(),
        phases,
        launch_grants: launch_grants(rules, machine, resolved),
        prepare: entry.prepare.clone(),
        copied: found.copied.clone(),
        verify: if subject.no_verify { Vec::new() } else { entry.verify.clone() },
        runbook: None,
        waivers: Vec::new(),
        memory_snapshot: found.memory,
        budgets: Budgets::default(),
        risk: decided.risk,
        approvals: decided.approvals,
        base: found.base.clone(),
        rules: RulesPin { revision: rules.revision, digest: rules.digest },
    })
}

fn planned_phase(rules: &ActiveRules, name: &PhaseName, contract: &PhaseContract) -> Result<PlannedPhase, OrcError> {
    let digest = |path: &String| {
        let file = rules.file(path);
        file.map(Digest::of)
            .ok_or_else(|| OrcError::new(ErrorCode::ConfigInvalid, format!("{path} is not part of the active rules revision")))
    };
    Ok(PlannedPhase {
        phase: name.clone(),
        contract: contract.clone(),
        prompt: contract.prompt.as_ref().map(digest).transpose()?,
        schema: digest(&contract.schema)?,
        guests: rules.checked.phase_guests(contract).into_iter().map(|(_, binding)| binding).collect(),
    })
}

/// What launches of this project get. Everything is listed: the plan shows it, the approver approves it.
fn launch_grants(rules: &ActiveRules, machine: &Machine, resolved: &Resolved<'_>) -> BTreeMap<String, LaunchGrant> {
    let grant = command_grant(&rules.checked.settings, machine, resolved.entry);
    let own = resolved.worker.map(|(_, worker)| {
        [(WORKER_READ, Access::ReadExecute), (WORKER, Access::WriteExecute)]
            .map(|(purpose, access)| (purpose, worker_grant(&grant, worker, access)))
    });
    let purposes = match own {
        Some(workers) => workers.into_iter().chain(["prepare", "verify"].map(|purpose| (purpose, grant.clone()))).collect::<Vec<_>>(),
        None => ["prepare", "command", "verify"].map(|purpose| (purpose, grant.clone())).into(),
    };
    purposes.into_iter().map(|(purpose, grant)| (purpose.to_owned(), grant)).collect()
}

/// The grant of a worker: a command's, with its own programs, environment, network and bounds, and the workspace as its phase allows.
fn worker_grant(command: &LaunchGrant, worker: &WorkerSettings, workspace: Access) -> LaunchGrant {
    let mut grant = command.clone();
    for dir in grant.dirs.iter_mut().filter(|dir| dir.path == WORKSPACE) {
        dir.access = workspace;
    }
    let program = worker.command.first().and_then(|program| std::path::Path::new(program).parent()).and_then(|dir| dir.to_str());
    let own = program.into_iter().chain(worker.read.iter().map(String::as_str));
    grant.dirs.extend(own.map(|path| DirGrant { path: path.to_owned(), access: Access::ReadExecute, role: "worker".to_owned() }));
    grant.env.extend(worker.env.clone());
    grant.network = worker.network;
    if worker.network == Network::Full {
        grant.must.remove(&Protection::Tcp);
    } else {
        grant.must.insert(Protection::Tcp);
    }
    grant.limits = tighter(&grant.limits, &worker.limits);
    grant
}

/// The grant of a project's commands: a writable workspace and scratch, the system's programs, what the entry adds.
pub fn command_grant(settings: &settings::Settings, machine: &Machine, entry: &ProjectEntry) -> LaunchGrant {
    let dir = |path: &String, access, role: &str| DirGrant { path: path.clone(), access, role: role.to_owned() };
    let mut dirs = machine.system.clone();
    dirs.extend(settings.launch.toolchains.iter().map(|path| dir(path, Access::ReadExecute, "toolchain")));
    dirs.extend(entry.launch.read.iter().map(|path| dir(path, Access::ReadExecute, "toolchain")));
    dirs.extend(entry.launch.write.iter().map(|path| dir(path, Access::WriteExecute, "cache")));
    dirs.push(dir(&WORKSPACE.to_owned(), Access::WriteExecute, "workspace"));
    dirs.push(dir(&SCRATCH.to_owned(), Access::WriteExecute, "scratch"));
    let mut env = machine.env.clone();
    let inherited = settings.launch.env.iter().filter_map(|name| machine.inherited.get_key_value(name));
    env.extend(inherited.map(|(name, inherited)| (name.clone(), format!("{INHERITED}{}", inherited.pin))));
    env.extend([("HOME".to_owned(), SCRATCH.to_owned()), ("TMPDIR".to_owned(), SCRATCH.to_owned())]);
    env.extend(entry.launch.env.clone());
    let mut must: BTreeSet<Protection> = Protection::ALL.iter().copied().collect();
    if entry.launch.network == Network::Full {
        must.remove(&Protection::Tcp);
    }
    if machine.as_root {
        must.retain(|protection| !settings.launch.accept_root.contains(protection));
    }
    LaunchGrant { dirs, env, network: entry.launch.network, limits: entry.launch.limits.clone(), must }
}

/// A planned grant with its stand-ins replaced, for one launch; the contract's bounds win where they are tighter or alone.
pub(crate) fn expand(grant: &LaunchGrant, workspace: &str, scratch: &str, contract: &PhaseContract) -> LaunchGrant {
    let mut out = placed(grant, workspace, scratch);
    let timeout = ResourceLimits { wall_s: Some(contract.timeout_s), ..ResourceLimits::default() };
    out.limits = tighter(&tighter(&grant.limits, &contract.limits), &timeout);
    out
}

/// A grant with the directories of one launch in the place of its stand-ins.
pub fn placed(grant: &LaunchGrant, workspace: &str, scratch: &str) -> LaunchGrant {
    let place = |text: &String| match text.as_str() {
        WORKSPACE => workspace.to_owned(),
        SCRATCH => scratch.to_owned(),
        other => other.to_owned(),
    };
    let mut out = grant.clone();
    for dir in &mut out.dirs {
        dir.path = place(&dir.path);
    }
    out.env = grant.env.iter().map(|(name, value)| (name.clone(), place(value))).collect();
    out
}

fn tighter(a: &ResourceLimits, b: &ResourceLimits) -> ResourceLimits {
    let least = |a: Option<u64>, b: Option<u64>| a.into_iter().chain(b).min();
    ResourceLimits {
        wall_s: least(a.wall_s, b.wall_s),
        grace_s: least(a.grace_s, b.grace_s),
        cpu_s: least(a.cpu_s, b.cpu_s),
        memory_mib: least(a.memory_mib, b.memory_mib),
        processes: least(a.processes, b.processes),
        open_files: least(a.open_files, b.open_files),
        file_mib: least(a.file_mib, b.file_mib),
        output_bytes: least(a.output_bytes, b.output_bytes),
    }
}

/// What moved under a plan: differences of everything that a plan pins, the decision and the rules revision left out, because those are
/// compared by strictness.
pub(crate) fn drift(planned: &PlanDocument, now: &PlanDocument) -> Result<Vec<PlanDifference>, OrcError> {
    let value = |document: &PlanDocument| {
        let mut value = serde_json::to_value(document)?;
        if let Some(map) = value.as_object_mut() {
            for key in ["risk", "approvals", "rules"] {
                map.remove(key);
            }
        }
        Ok::<_, serde_json::Error>(value)
    };
    let compared = value(planned).and_then(|planned| Ok(differences(&planned, &value(now)?)));
    compared.map_err(|error| OrcError::from_source(ErrorCode::Internal, "a plan document has no JSON form", &error))
}
