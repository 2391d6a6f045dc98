//! `config/orc.yaml`.

use orc_domain::grant::Protection;
use orc_domain::nearest::suggest;
use orc_domain::operators::Operators;
use orc_domain::settings::Settings;

use orc_yaml::shown;

use super::{Document, Report, values};

pub(super) fn check(file: &Document<Settings>, operators: Option<&Operators>, report: &mut Report) {
    let settings = &file.value;
    if settings.version != 1 {
        let help = "this ORC reads version 1".to_owned();
        file.wrong(report, "version", format!("version {} of this file is not known", settings.version), help);
    }
    if let Some(operators) = operators {
        admins(file, operators, report);
    }
    values::at_least_one(file, "concurrent_executions", settings.concurrent_executions.into(), report);
    values::at_least_one(file, "limits/open_plans_per_operator", settings.limits.open_plans_per_operator.into(), report);
    values::at_least_one(file, "limits/request_bytes", settings.limits.request_bytes, report);
    values::env_names(file, "launch/env", settings.launch.env.iter(), report);
    accepted(file, report);
    values::directories(file, "launch/toolchains", settings.launch.toolchains.iter(), report);
    workers(file, report);
}

fn workers(file: &Document<Settings>, report: &mut Report) {
    for (engine, worker) in &file.value.workers {
        let at = format!("workers/{engine}");
        values::command(file, &format!("{at}/command"), &worker.command, report);
        // Its digest is part of plans, so it is one file, whatever PATH says.
        if let Some(program) = worker.command.first().filter(|program| !program.is_empty() && !values::is_absolute(program)) {
            let help = "name it by its absolute path: its digest is part of each plan".to_owned();
            file.wrong(report, &format!("{at}/command/0"), format!("`{}` is no absolute path", shown(program)), help);
        }
        values::directories(file, &format!("{at}/read"), worker.read.iter(), report);
        values::env_names(file, &format!("{at}/env"), worker.env.keys(), report);
        values::limits(file, &format!("{at}/limits"), &worker.limits, report);
    }
}

/// Accepting what root does not take away would be switching a protection off in silence.
fn accepted(file: &Document<Settings>, report: &mut Report) {
    let listed = &file.value.launch.accept_root;
    for other in listed.iter().filter(|protection| !Protection::LOST_TO_ROOT.contains(protection)) {
        let can: Vec<&str> = Protection::LOST_TO_ROOT.iter().map(|protection| protection.as_str()).collect();
        let Some(at) = values::item(file, "launch/accept_root", other.as_str()) else { continue };
        file.wrong(
            report,
            &at,
            format!("root does not make `{other}` unenforceable: it cannot be gone without"),
            format!("can be listed: {}", can.join(", ")),
        );
    }
}

fn admins(file: &Document<Settings>, operators: &Operators, report: &mut Report) {
    let group = &file.value.admin_group;
    if !operators.role_groups.contains_key(group) {
        let help = suggest(group.as_str(), operators.role_groups.keys());
        file.wrong(report, "admin_group", format!("there is no role group `{group}` in {}", crate::OPERATORS_FILE), help);
    } else if operators.members(group).next().is_none() {
        let help = format!("give a role of `{group}` to an operator in {}", crate::OPERATORS_FILE);
        file.wrong(report, "admin_group", format!("the role group `{group}` has no members: nobody could activate rules"), help);
    }
}
