//! `config/operators.yaml`.

use std::collections::{BTreeMap, BTreeSet};

use orc_domain::nearest::did_you_mean;
use orc_domain::operators::{Operator, Operators};
use orc_domain::{OperatorName, RoleName};
use orc_yaml::shown;

use super::{Document, Report, values};

pub(super) fn check(file: &Document<Operators>, report: &mut Report) {
    bindings(file, "unix_users", "unix user", report, |operator| operator.unix_users.iter().cloned().collect());
    bindings(file, "telegram_id", "Telegram id", report, |operator| operator.telegram_id.iter().map(i64::to_string).collect());
    names(file, report);
    if file.sound().is_some() {
        roles(file, report);
        groups(file, report);
    }
}

/// One account is one person: two operators behind one of them would let one person vote twice.
fn bindings(file: &Document<Operators>, key: &str, what: &str, report: &mut Report, accounts: impl Fn(&Operator) -> Vec<String>) {
    let mut owners: BTreeMap<String, &OperatorName> = BTreeMap::new();
    for (name, operator) in &file.value.operators {
        for account in accounts(operator) {
            if let Some(first) = owners.get(&account) {
                let message = format!("the {what} `{}` is bound to the operator `{first}` already", shown(&account));
                let Some(at) = values::item(file, &format!("operators/{name}/{key}"), &account) else { continue };
                file.wrong(report, &at, message, "bind it to one operator".to_owned());
            } else {
                owners.insert(account, name);
            }
        }
    }
}

fn names(file: &Document<Operators>, report: &mut Report) {
    for (name, operator) in &file.value.operators {
        for user in operator.unix_users.iter().filter(|user| !is_unix_user(user)) {
            let Some(at) = values::item(file, &format!("operators/{name}/unix_users"), user) else { continue };
            file.wrong(report, &at, format!("`{}` is no name of a unix user", shown(user)), None);
        }
    }
}

/// Whether this can be the name of a unix user: a number would be taken for a user id.
pub(crate) fn is_unix_user(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$' | b'@');
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    first && name.len() <= 64 && name.bytes().all(allowed) && !name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Roles that no group counts do nothing: mostly a slip of the pen.
fn roles(file: &Document<Operators>, report: &mut Report) {
    let counted: BTreeSet<&RoleName> = file.value.role_groups.values().flatten().collect();
    for (name, operator) in &file.value.operators {
        for role in operator.roles.iter().filter(|role| !counted.contains(role)) {
            let help = did_you_mean(role.as_str(), counted.iter().copied());
            file.warn(report, &format!("operators/{name}/roles"), format!("the role `{role}` counts for no role group"), help);
        }
    }
}

fn groups(file: &Document<Operators>, report: &mut Report) {
    for (group, roles) in &file.value.role_groups {
        if roles.is_empty() {
            let help = "list the roles that count for it".to_owned();
            file.wrong(report, &format!("role_groups/{group}"), format!("the role group `{group}` has no roles"), help);
        } else if file.value.members(group).next().is_none() {
            let message = format!("no operator holds a role of `{group}`: what asks for its approval can never run");
            file.warn(report, &format!("role_groups/{group}"), message, None);
        }
    }
}
