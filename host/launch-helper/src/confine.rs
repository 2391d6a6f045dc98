//! What each protection is: resource limits, capabilities, no-new-privs, Landlock. Called by process C, and irrevocable.

use std::collections::BTreeSet;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use orc_launch_helper::{Confinement, Granted, Launch, Limits, Part, Protection, Setback};
use rustix::fs::FileType;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::child::{failed, open};
use crate::sys;

/// Keeps the books: what is in force, what is not, and the stop at the first demanded thing that is not.
pub(crate) struct Ledger<'a> {
    must: &'a BTreeSet<Protection>,
    confinement: Confinement,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(must: &'a BTreeSet<Protection>) -> Self {
        Self { must, confinement: Confinement::default() }
    }

    pub(crate) fn active(&mut self, protection: Protection) {
        self.confinement.active.insert(protection);
    }

    pub(crate) fn missing(&mut self, protection: Protection, why: &str) -> Result<(), Setback> {
        if self.must.contains(&protection) {
            return Err(Setback::Refused { protection, why: why.to_owned() });
        }
        self.confinement.missing.insert(protection, why.to_owned());
        Ok(())
    }
}

/// Puts everything in force that the plan names, and says what is.
pub(crate) fn confine(launch: &Launch, mut ledger: Ledger<'_>) -> Result<Confinement, Setback> {
    limit(&launch.limits, &mut ledger)?;
    drop_privileges(&mut ledger)?;
    landlock(launch, &mut ledger)?;
    Ok(ledger.confinement)
}

fn limit(limits: &Limits, ledger: &mut Ledger<'_>) -> Result<(), Setback> {
    // The soft bound of CPU time sends a signal that says what happened; the hard one, a little later, kills.
    let bounds = [
        (Resource::Core, 0, 0),
        (Resource::Cpu, limits.cpu_s, limits.cpu_s.saturating_add(5)),
        (Resource::Data, limits.memory_bytes, limits.memory_bytes),
        (Resource::Nofile, limits.open_files, limits.open_files),
        (Resource::Fsize, limits.file_bytes, limits.file_bytes),
    ];
    for (resource, soft, hard) in bounds {
        if let Err(error) = set_limit(resource, soft, hard) {
            return ledger.missing(Protection::Resources, &format!("the limit {resource:?} cannot be set: {error}"));
        }
    }
    ledger.active(Protection::Resources);
    limit_processes(limits.processes, ledger)
}

fn limit_processes(bound: u64, ledger: &mut Ledger<'_>) -> Result<(), Setback> {
    if rustix::process::getuid().is_root() {
        return ledger.missing(
            Protection::Processes,
            "the kernel does not bound the processes of uid 0: run ORC as an ordinary user, or list `processes` under `accept_root`",
        );
    }
    match set_limit(Resource::Nproc, bound, bound) {
        Ok(()) => ledger.active(Protection::Processes),
        Err(error) => ledger.missing(Protection::Processes, &format!("the limit on processes cannot be set: {error}"))?,
    }
    Ok(())
}

/// Never above the bound that the host itself is under.
fn set_limit(resource: Resource, soft: u64, hard: u64) -> rustix::io::Result<()> {
    let ceiling = rustix::process::getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limit = Rlimit { current: Some(soft.min(ceiling)), maximum: Some(hard.min(ceiling)) };
    rustix::process::setrlimit(resource, limit)
}

fn drop_privileges(ledger: &mut Ledger<'_>) -> Result<(), Setback> {
    let refused = |error| Setback::Refused { protection: Protection::NoNewPrivs, why: format!("privileges cannot be dropped: {error}") };
    drop_capabilities().map_err(refused)?;
    rustix::thread::set_no_new_privs(true).map_err(refused)?;
    ledger.active(Protection::NoNewPrivs);
    Ok(())
}

/// Leaves a root worker nothing but access to files of other owners, which Landlock bounds. An ordinary user has no capability to lose.
fn drop_capabilities() -> rustix::io::Result<()> {
    let keep = CapabilitySet::DAC_OVERRIDE;
    rustix::thread::clear_ambient_capability_set()?;
    let mine = rustix::thread::capabilities(None)?;
    if mine.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter().filter(|one| *one != keep) {
            // An error means that this kernel does not know the capability.
            let _ = rustix::thread::remove_capability_from_bounding_set(capability);
        }
    }
    let rest = mine.permitted & keep;
    rustix::thread::set_capabilities(None, CapabilitySets { effective: rest, permitted: rest, inheritable: CapabilitySet::empty() })
}

/// What of Landlock this kernel offers and this plan asks for.
struct Walls {
    abi: ABI,
    tcp: bool,
    scopes: bool,
}

fn landlock(launch: &Launch, ledger: &mut Ledger<'_>) -> Result<(), Setback> {
    let Some(walls) = walls(launch.deny_tcp, ledger)? else { return Ok(()) };
    let refused = |error: RulesetError| Setback::Refused { protection: Protection::Files, why: format!("Landlock: {error}") };
    let mut ruleset = ruleset(&walls).map_err(refused)?;
    for granted in &launch.granted {
        let handle = open(&granted.place)?;
        let stat =
            rustix::fs::fstat(&handle).map_err(|error| failed(Part::Plan, format!("cannot look at `{}`: {error}", granted.place.path)))?;
        let rights = rights(granted, FileType::from_raw_mode(stat.st_mode).is_dir(), walls.abi);
        ruleset = ruleset.add_rule(PathBeneath::new(handle, rights)).map_err(refused)?;
    }
    let status = ruleset.restrict_self().map_err(refused)?;
    if status.ruleset != RulesetStatus::FullyEnforced {
        return Err(Setback::Refused {
            protection: Protection::Files,
            why: "the kernel enforced a part of the Landlock rules only".to_owned(),
        });
    }
    Ok(())
}

/// Books each protection that Landlock gives; `None` where it can give none of them.
fn walls(deny_tcp: bool, ledger: &mut Ledger<'_>) -> Result<Option<Walls>, Setback> {
    let abi = sys::landlock_abi();
    // Below 3 a file that may only be read can still be truncated: that is not what the grant says.
    let mut has = |protection, least: i64, kernel: &str| -> Result<bool, Setback> {
        if abi >= least {
            ledger.active(protection);
            return Ok(true);
        }
        let why = match abi {
            0 => format!("this kernel offers no Landlock: use Linux {kernel} or later with `landlock` in its `lsm=` list"),
            _ => format!("needs Landlock ABI {least}, this kernel has {abi}: use Linux {kernel} or later"),
        };
        ledger.missing(protection, &why).map(|()| false)
    };
    let files = has(Protection::Files, 3, "6.2")?;
    let signals = has(Protection::Signals, 6, "6.12")?;
    let scopes = has(Protection::AbstractSockets, 6, "6.12")? && signals;
    let tcp = deny_tcp && has(Protection::Tcp, 4, "6.7")?;
    if !deny_tcp {
        ledger.missing(Protection::Tcp, "the grant's network rule is `full`")?;
    }
    // Rights of later ABIs were not tried here: they stay unhandled.
    Ok(files.then(|| Walls { abi: ABI::from(i32::try_from(abi.min(7)).unwrap_or(7)), tcp, scopes }))
}

fn ruleset(walls: &Walls) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement).handle_access(AccessFs::from_all(walls.abi))?;
    if walls.tcp {
        ruleset = ruleset.handle_access(AccessNet::from_all(walls.abi))?;
    }
    if walls.scopes {
        ruleset = ruleset.scope(Scope::from_all(walls.abi))?;
    }
    ruleset.create()
}

/// Device nodes and device control are never granted, not even where writing is.
fn rights(granted: &Granted, is_dir: bool, abi: ABI) -> BitFlags<AccessFs> {
    let mut rights = AccessFs::ReadFile | AccessFs::ReadDir;
    if granted.execute {
        rights |= AccessFs::Execute;
    }
    if granted.write {
        rights |= AccessFs::from_write(abi) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    }
    if is_dir { rights } else { rights & AccessFs::from_file(abi) }
}
