//! Who is at the other end, as the kernel says: never as the peer says.

use std::fs;

use orc_domain::{ErrorCode, OrcError};
use orc_engine::Peer;
use tokio::net::UnixStream;

use crate::process::Process;

/// Longest chain of parents that is walked; a longer one is refused.
const MAX_ANCESTORS: usize = 256;

/// The peer of `stream`. `owner` is the unix user id that owns the state.
pub(crate) fn identify(stream: &UnixStream, owner: u32) -> Result<Peer, OrcError> {
    let credentials = stream
        .peer_cred()
        .map_err(|error| OrcError::from_source(ErrorCode::NotAnOperator, "the kernel does not say who the peer is", &error))?;
    let uid = credentials.uid();
    let process = Process::behind(stream)?;
    refuse_launched(process.pid(), own_pid()?)?;
    refuse_restricted(process.pid(), uid == owner)?;
    // Last of all: what was read above was of the peer only if it did not die meanwhile.
    process.lives()?;
    Ok(Peer { uid, user: unix_user(uid), owns_state: uid == owner || uid == 0, pid: Some(process.pid()) })
}

/// This process as `/proc` numbers it, which may belong to a process namespace further out than its own.
fn own_pid() -> Result<u32, OrcError> {
    let own = fs::read_link("/proc/self").ok().and_then(|link| link.to_str()?.parse().ok());
    own.ok_or_else(|| OrcError::new(ErrorCode::NotPermitted, "the host cannot see itself in /proc: it can judge no peer"))
}

/// Refuses what this host launched: every worker and command is a descendant of the process that owns the state. A peer whose ancestors
/// cannot be seen, or that died since it connected, cannot be proved to be no descendant, and is refused too.
fn refuse_launched(pid: u32, own: u32) -> Result<(), OrcError> {
    if pid == own {
        return Ok(());
    }
    let seen = ancestors(pid)?;
    // An ancestor that died between two reads could have left its number to a stranger; then somebody in the chain has another parent now.
    if seen != ancestors(pid)? {
        return Err(refused("the peer's ancestors changed while they were looked at").hint("try again"));
    }
    match seen.contains(&own) {
        true => Err(refused("the peer was launched by this host: launched processes cannot speak to it")),
        false => Ok(()),
    }
}

/// The parents of a process up to the first of its namespace, nearest first.
fn ancestors(pid: u32) -> Result<Vec<u32>, OrcError> {
    let mut found = Vec::new();
    let mut at = pid;
    while found.len() < MAX_ANCESTORS {
        match parent_of(at) {
            Some(0) => return Ok(found),
            Some(parent) => {
                found.push(parent);
                at = parent;
            }
            None => return Err(refused("the peer's ancestors cannot be seen")),
        }
    }
    Err(refused("the peer has too many ancestors"))
}

/// Refuses processes of the state's own user that can gain no privileges any more. Every launch has this mark for good, and its daemons keep
/// it when they have shaken off their ancestors.
fn refuse_restricted(pid: u32, same_user: bool) -> Result<(), OrcError> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok();
    let mark = status.as_deref().and_then(no_new_privs);
    match (same_user, mark) {
        (false, _) | (true, Some(false)) => Ok(()),
        (true, None) => Err(refused("the peer's restrictions cannot be seen")),
        (true, Some(true)) => Err(refused("the peer runs with `no_new_privs`, as everything does that ORC launches")
            .hint("speak to the host from a process without that restriction, or as another unix user")),
    }
}

fn refused(message: &str) -> OrcError {
    OrcError::new(ErrorCode::NotPermitted, message)
}

fn no_new_privs(status: &str) -> Option<bool> {
    let value = status.lines().find_map(|line| line.strip_prefix("NoNewPrivs:"))?;
    match value.trim() {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// The parent of a process; 0 for the first of its namespace. The name in `stat` may hold anything, `)` included: it ends at the last one.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end_of_name = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end_of_name + 1..]).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The name of a unix user in `/etc/passwd`. Users of other directories have none here; bind such operators by a local account.
pub fn unix_user(uid: u32) -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    name_in(&passwd, uid)
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let found = fields.nth(1)?.parse::<u32>().ok()?;
        (found == uid).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_line_of_the_uid() {
        let passwd =
            "# comment\nroot:x:0:0:root:/root:/bin/sh\n:x:7:7::/:\nalice:x:1000:1000:0:/home/0:/bin/sh\nbroken\nmallory:x:10000:0::/:\n";
        for (uid, name) in [(0, Some("root")), (1000, Some("alice")), (10000, Some("mallory")), (7, None), (100, None)] {
            assert_eq!(name_in(passwd, uid).as_deref(), name, "uid {uid}");
        }
    }

    #[test]
    fn the_mark_of_a_launch_is_read() {
        let status = |value: &str| format!("Name:\tx NoNewPrivs:\t0\nUid:\t1\nNoNewPrivs:\t{value}\nSeccomp:\t0\n");
        for (value, expected) in [("0", Some(false)), ("1", Some(true)), ("2", None), ("", None)] {
            assert_eq!(no_new_privs(&status(value)), expected, "{value}");
        }
        assert_eq!(no_new_privs("Name:\tx\n"), None);
        assert!(refuse_restricted(u32::MAX >> 1, true).is_err(), "what cannot be seen is refused");
    }

    #[test]
    fn the_own_process_may_speak_and_an_invisible_one_may_not() {
        let own = std::process::id();
        assert_eq!(refuse_launched(own, own), Ok(()));
        assert_eq!(own_pid(), Ok(own));
        assert_eq!(refuse_launched(u32::MAX >> 1, own).map_err(|error| error.code), Err(ErrorCode::NotPermitted));
    }

    #[test]
    fn descendants_are_refused_and_ancestors_are_not() {
        let child = std::process::id();
        let parent = parent_of(child).expect("this process has a parent");
        assert_eq!(refuse_launched(parent, child), Ok(()), "an ancestor of the host");
        assert_eq!(refuse_launched(child, parent).map_err(|error| error.code), Err(ErrorCode::NotPermitted), "a descendant");
    }
}
