//! Who acts: the kernel's word about the other end, and the operator it may speak for. The one place that makes an [`Actor`] of a person.

use orc_domain::operators::{Actor, Operators, Proof, Trust};
use orc_domain::{ErrorCode, OperatorName, OrcError};

/// Who is at the other end, as the kernel says. Never taken from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The unix user id.
    pub uid: u32,
    /// The unix user name, where the machine knows one.
    pub user: Option<String>,
    /// Whether that user owns the state directory.
    pub owns_state: bool,
    /// The process id.
    pub pid: Option<u32>,
}

/// The actor behind a request: an operator bound to the peer's unix user, or, with `trust: single_user` and for the state's owner alone,
/// any operator, asserted.
///
/// # Errors
/// `not-an-operator`, `operator-withdrawn`, `operator-not-bound`, `invalid-request` where several are bound and none is named.
pub fn identify(operators: &Operators, trust: Trust, peer: &Peer, named: Option<&OperatorName>) -> Result<Actor, OrcError> {
    let bound: Vec<&OperatorName> = peer.user.as_deref().map(|user| operators.bound_to(user).collect()).unwrap_or_default();
    let may_assert = trust == Trust::SingleUser && peer.owns_state;
    match named {
        Some(name) => {
            known(operators, name)?;
            if bound.contains(&name) {
                Ok(actor(name, Proof::UnixPeer, peer))
            } else if may_assert {
                Ok(actor(name, Proof::Asserted, peer))
            } else {
                Err(not_bound(name, peer))
            }
        }
        None => match bound.as_slice() {
            [one] => Ok(actor(one, Proof::UnixPeer, peer)),
            [] => sole(operators, may_assert, peer),
            several => Err(several_bound(several)),
        },
    }
}

fn actor(name: &OperatorName, proof: Proof, peer: &Peer) -> Actor {
    Actor::Operator { name: name.clone(), proof, uid: Some(peer.uid) }
}

fn known(operators: &Operators, name: &OperatorName) -> Result<(), OrcError> {
    match operators.operators.get(name) {
        Some(operator) if operator.withdrawn => {
            Err(OrcError::new(ErrorCode::OperatorWithdrawn, format!("{name} is withdrawn in config/operators.yaml")))
        }
        Some(_) => Ok(()),
        None => {
            let names: Vec<&str> = operators.all_active().map(OperatorName::as_str).collect();
            Err(OrcError::new(ErrorCode::NotAnOperator, format!("{name} is no operator of this installation"))
                .hint(format!("operators are {}; they stand in config/operators.yaml", names.join(", "))))
        }
    }
}

fn not_bound(name: &OperatorName, peer: &Peer) -> OrcError {
    let user = who(peer);
    OrcError::new(ErrorCode::OperatorNotBound, format!("{user} is not bound to the operator {name}"))
        .hint(format!("act as yourself, or have an admin add the unix user to `unix_users` of {name} in config/operators.yaml"))
}

fn sole(operators: &Operators, may_assert: bool, peer: &Peer) -> Result<Actor, OrcError> {
    let mut active = operators.all_active();
    match (may_assert, active.next(), active.next()) {
        (true, Some(only), None) => Ok(actor(only, Proof::Asserted, peer)),
        (true, Some(_), Some(_)) => Err(OrcError::new(ErrorCode::InvalidRequest, format!("{} is bound to no operator", who(peer)))
            .hint("name one with `--user NAME`; votes are then marked as asserted")),
        _ => Err(OrcError::new(ErrorCode::NotAnOperator, format!("{} is bound to no operator", who(peer)))
            .hint("have an admin add the unix user to `unix_users` of an operator in config/operators.yaml")),
    }
}

fn several_bound(bound: &[&OperatorName]) -> OrcError {
    let names: Vec<&str> = bound.iter().map(|name| name.as_str()).collect();
    OrcError::new(ErrorCode::InvalidRequest, format!("you are bound to several operators: {}", names.join(", ")))
        .hint("name one with `--user NAME`")
}

fn who(peer: &Peer) -> String {
    match &peer.user {
        Some(user) => format!("the unix user {} (uid {})", orc_domain::Untrusted::new(user.as_str()).for_line(40), peer.uid),
        None => format!("uid {}", peer.uid),
    }
}
