//! The one authorisation function. Every intent of every entry point asks it, with the actor and the proof; nothing else decides who may.

use orc_domain::decision::RequirementKind;
use orc_domain::operators::{Actor, Operators, Proof};
use orc_domain::risk::RiskClass;
use orc_domain::{ErrorCode, GroupName, OperatorName, OrcError, RoleName};

/// What somebody wants to do.
#[derive(Debug, Clone, Copy)]
pub enum Act<'a> {
    /// See state.
    Read,
    /// Make a plan.
    Plan,
    /// Plan again, withdraw or run a plan.
    Steer {
        /// All persons behind the plan.
        requesters: &'a [OperatorName],
    },
    /// Stop an execution. Stopping is safe: who may be asked to approve may stop as well.
    Cancel {
        /// All persons behind the plan.
        requesters: &'a [OperatorName],
        /// Groups that were asked.
        groups: &'a [GroupName],
    },
    /// Freeze, lift a freeze, activate rules.
    Administer,
    /// Vote.
    Vote(VoteCase<'a>),
}

/// A vote that is to be judged.
#[derive(Debug, Clone, Copy)]
pub struct VoteCase<'a> {
    /// The group that is asked.
    pub group: &'a GroupName,
    /// Approval, or the sole operator's confirmation.
    pub kind: RequirementKind,
    /// All persons behind the plan.
    pub requesters: &'a [OperatorName],
    /// The risk of the plan.
    pub risk: RiskClass,
    /// The role to vote under; absent: the first that counts.
    pub role: Option<&'a RoleName>,
    /// Who counts already, for which group, in this plan revision.
    pub counted: &'a [(OperatorName, GroupName)],
}

/// A permission: made by [`authorise`] alone, demanded by what needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permit {
    /// Who.
    pub operator: OperatorName,
    /// With which proof.
    pub proof: Proof,
    /// For votes: the role voted under.
    pub role: Option<RoleName>,
}

/// Whether `actor` may do `act` under these operators.
///
/// # Errors
/// The code says which rule: `not-an-operator`, `operator-withdrawn`, `self-approval`, `role-not-held`, `role-not-in-group`,
/// `already-counted`, `proof-too-weak`, `not-permitted`.
pub fn authorise(operators: &Operators, admin_group: &GroupName, actor: &Actor, act: Act<'_>) -> Result<Permit, OrcError> {
    let Actor::Operator { name, proof, .. } = actor else {
        return Err(OrcError::new(ErrorCode::NotAnOperator, "only an operator may do this"));
    };
    if operators.active(name).is_none() {
        return Err(OrcError::new(
            ErrorCode::OperatorWithdrawn,
            format!("{name} may not act: withdrawn or removed in config/operators.yaml"),
        ));
    }
    let admin = operators.in_group(name, admin_group);
    let permit = |role| Permit { operator: name.clone(), proof: *proof, role };
    match act {
        Act::Read | Act::Plan => Ok(permit(None)),
        Act::Steer { requesters } if admin || requesters.contains(name) => Ok(permit(None)),
        Act::Steer { requesters } => Err(not_permitted(name, requesters, admin_group)),
        Act::Cancel { requesters, groups } => {
            let asked = groups.iter().any(|group| operators.in_group(name, group));
            if admin || asked || requesters.contains(name) { Ok(permit(None)) } else { Err(not_permitted(name, requesters, admin_group)) }
        }
        Act::Administer if admin => Ok(permit(None)),
        Act::Administer => Err(OrcError::new(ErrorCode::NotPermitted, format!("{name} is not in the group {admin_group}"))
            .hint(format!("ask a member of {admin_group}; groups stand in config/operators.yaml"))),
        Act::Vote(case) => vote(operators, name, *proof, case).map(|role| permit(Some(role))),
    }
}

fn not_permitted(name: &OperatorName, requesters: &[OperatorName], admin_group: &GroupName) -> OrcError {
    let names: Vec<&str> = requesters.iter().map(OperatorName::as_str).collect();
    OrcError::new(ErrorCode::NotPermitted, format!("{name} is neither a requester of this plan nor in the group {admin_group}"))
        .hint(format!("ask {} or a member of {admin_group}", names.join(", ")))
}

fn vote(operators: &Operators, name: &OperatorName, proof: Proof, case: VoteCase<'_>) -> Result<RoleName, OrcError> {
    separate(operators, name, case)?;
    let role = role(operators, name, case)?;
    if let Some((_, group)) = case.counted.iter().find(|(who, group)| who == name && group != case.group) {
        return Err(OrcError::new(ErrorCode::AlreadyCounted, format!("{name} counts for the group {group} of this plan already"))
            .hint(format!("one person counts for one group: another member of {} must vote", case.group)));
    }
    if proof.counts_up_to() < case.risk {
        return Err(OrcError::new(
            ErrorCode::ProofTooWeak,
            format!("the plan's risk is {}, and an {proof} vote counts up to {}", case.risk, proof.counts_up_to()),
        )
        .hint("vote as a unix user that is bound to you in config/operators.yaml"));
    }
    Ok(role)
}

/// Nobody approves an own plan; only the sole operator confirms one.
fn separate(operators: &Operators, name: &OperatorName, case: VoteCase<'_>) -> Result<(), OrcError> {
    let own = case.requesters.contains(name);
    match case.kind {
        RequirementKind::Approval if own => {
            Err(OrcError::new(ErrorCode::SelfApproval, format!("{name} asked for this plan and cannot approve it"))
                .hint(format!("another member of {} must vote", case.group)))
        }
        RequirementKind::Approval => Ok(()),
        RequirementKind::Confirmation if own && operators.all_active().count() == 1 && case.risk <= RiskClass::Moderate => Ok(()),
        RequirementKind::Confirmation => Err(OrcError::new(
            ErrorCode::NotPermitted,
            "a confirmation counts only from the sole operator, for an own plan of moderate risk at most",
        )
        .hint("plan again: there is somebody else now who can approve")),
    }
}

fn role(operators: &Operators, name: &OperatorName, case: VoteCase<'_>) -> Result<RoleName, OrcError> {
    let held = operators.active(name).map(|operator| &operator.roles);
    let counting = operators.role_groups.get(case.group);
    let (Some(held), Some(counting)) = (held, counting) else {
        return Err(OrcError::new(ErrorCode::RoleNotInGroup, format!("the group {} does not exist any more", case.group)));
    };
    let listed = || counting.iter().map(RoleName::as_str).collect::<Vec<_>>().join(", ");
    match case.role {
        Some(role) if !held.contains(role) => Err(OrcError::new(ErrorCode::RoleNotHeld, format!("{name} does not hold the role {role}"))),
        Some(role) if !counting.contains(role) => {
            Err(OrcError::new(ErrorCode::RoleNotInGroup, format!("the role {role} does not count for the group {}", case.group))
                .hint(format!("roles that do: {}", listed())))
        }
        Some(role) => Ok(role.clone()),
        None => held.intersection(counting).next().cloned().ok_or_else(|| {
            OrcError::new(ErrorCode::RoleNotHeld, format!("{name} holds no role of the group {}", case.group))
                .hint(format!("roles that count: {}", listed()))
        }),
    }
}
