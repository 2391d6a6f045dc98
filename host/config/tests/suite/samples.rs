//! `samples/valid/*`: whole roots that pass. `samples/invalid/<file>/<case>.yaml`: put into `valid/full` in place of `config/<file>`,
//! each gives exactly the problems of its snapshot.

use orc_config::{Checked, RootSnapshot, check};
use orc_domain::contract::{BindingPosition, Contracts};
use orc_domain::operators::Operators;
use orc_domain::project::Registry;
use orc_domain::risk::CommandFamily;
use orc_domain::settings::Settings;
use orc_domain::verdict::{BindingMode, Capability, GuestKind, GuestLimits};

use crate::support::{full, render, samples};

fn checked(name: &str) -> Checked {
    let snapshot = RootSnapshot::read(&samples().join("valid").join(name)).unwrap();
    check(&snapshot).unwrap_or_else(|problems| panic!("{name}:\n{}", render(&problems)))
}

#[test]
fn invalid_files_give_all_their_problems() {
    let mut cases = 0;
    for folder in std::fs::read_dir(samples().join("invalid")).unwrap() {
        let folder = folder.unwrap();
        let file = folder.file_name().into_string().unwrap();
        for case in std::fs::read_dir(folder.path()).unwrap() {
            let case = case.unwrap();
            let mut files = full();
            let target = if file == "guests" { "config/guests.lock".to_owned() } else { format!("config/{file}.yaml") };
            files.insert(target, std::fs::read(case.path()).unwrap());
            let problems = check(&RootSnapshot::from_files(files)).err().unwrap_or_default();
            let name = case.file_name().into_string().unwrap();
            assert!(!problems.is_empty(), "{file}/{name} passed");
            let name = format!("{file}__{}", name.trim_end_matches(".yaml"));
            insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
                insta::assert_snapshot!(name, render(&problems));
            });
            cases += 1;
        }
    }
    assert!(cases >= 40, "the samples are gone: {cases} found");
}

#[test]
fn a_full_root_is_read_as_it_is_written() {
    let checked = checked("full");
    let flowry = &checked.registry.projects["flowry"];
    assert_eq!(flowry.base, "release/2.x");
    assert_eq!(flowry.verify, [["cargo", "test", "--", "--test-threads", "1"].map(str::to_owned)]);
    assert_eq!(flowry.launch.limits.grace_s, Some(0));
    assert_eq!(flowry.runbooks["production"].rollback.len(), 1);
    assert_eq!(checked.registry.projects["flowry-site"].base, "main");
    assert_eq!(checked.settings.concurrent_executions, 4);
    assert_eq!(checked.settings.limits.request_bytes, 1024 * 1024, "a default");
    assert_eq!(checked.operators.operators["alice"].telegram_id, Some(17));
    assert_eq!(checked.contracts.default_pipeline(CommandFamily::BuildTest).unwrap().as_str(), "build_test");
    insta::assert_snapshot!(render(&checked.warnings), @r"
    config/projects.registry.yaml:6:11: there is no directory `/nowhere/flowry`
    config/projects.registry.yaml:36:11: there is no directory `/nowhere/flowry-site`
    ");
}

#[test]
fn a_minimal_root_passes_with_every_default() {
    let checked = checked("minimal");
    assert!(checked.registry.projects.is_empty() && checked.registry.tenants.is_empty());
    assert_eq!(checked.settings.concurrent_executions, 2);
    assert!(checked.warnings.is_empty());
}

/// The same text through serde alone gives the same values: the located reader adds places and words, nothing else.
#[test]
fn the_located_reader_agrees_with_serde() {
    let checked = checked("full");
    let file = |path: &str| std::str::from_utf8(checked.file(path).unwrap()).unwrap().to_owned();
    assert_eq!(serde_yaml::from_str::<Settings>(&file(orc_config::ORC_FILE)).unwrap(), checked.settings);
    assert_eq!(serde_yaml::from_str::<Registry>(&file(orc_config::REGISTRY_FILE)).unwrap(), checked.registry);
    assert_eq!(serde_yaml::from_str::<Operators>(&file(orc_config::OPERATORS_FILE)).unwrap(), checked.operators);
    let mut contracts: Contracts = serde_yaml::from_str(&file(orc_config::CONTRACTS_FILE)).unwrap();
    let hooks = contracts.phases.values_mut().flat_map(|phase| &mut phase.post_hooks);
    hooks.for_each(|hook| hook.mode = BindingMode::Advisory);
    assert_eq!(contracts, checked.contracts);
}

#[test]
fn a_guest_gets_what_is_asked_for_and_granted() {
    let mut files = full();
    let lock = String::from_utf8(files["config/guests.lock"].clone()).unwrap();
    let lock = lock.replace("grant: [documents, settings]", "grant: [documents, log]");
    files.insert("config/guests.lock".to_owned(), lock.into_bytes());
    let checked = check(&RootSnapshot::from_files(files)).unwrap();
    let guests = checked.phase_guests(&checked.contracts.phases["verify"]);
    let positions: Vec<BindingPosition> = guests.iter().map(|(position, _)| *position).collect();
    assert_eq!(positions, [BindingPosition::PostGate, BindingPosition::PostGate, BindingPosition::PostHook]);

    let (_, gate) = &guests[0];
    assert_eq!(gate.capabilities, [Capability::Documents].into(), "`settings` is not granted, `log` not asked for");
    assert_eq!(gate.settings, serde_json::json!({"entropy": 5, "allow": []}), "own settings over the manifest's");
    assert_eq!((gate.mode, gate.limits), (BindingMode::Blocking, GuestLimits::for_kind(GuestKind::Gate)));
    assert_eq!(gate.module, orc_domain::Digest::of(b"component of secret-scan\n"));

    assert_eq!(guests[1].1.mode, BindingMode::Advisory);
    assert_eq!(guests[1].1.settings, serde_json::json!({"entropy": 4, "allow": []}));
    assert_eq!(guests[2].1.mode, BindingMode::Advisory, "a hook that says no mode");
    let warnings = render(&checked.warnings);
    assert!(warnings.contains("asks for `settings`, which is not granted"), "{warnings}");
    assert!(warnings.contains("`log` is granted, but the manifest"), "{warnings}");
}

#[test]
fn every_file_is_checked_in_one_go() {
    let mut files = full();
    files.insert("config/orc.yaml".to_owned(), b"version: 3\ninstallation: in_2\ntrust: teem\nadmin_group: admins\n".to_vec());
    files.insert("config/operators.yaml".to_owned(), b"operators: {alice: {role: []}}\nrole_groups: {admin: [x]}\n".to_vec());
    files.insert("config/phase-contracts.yaml".to_owned(), b"pipelines: {p: {family: read_only, phases: [no]}}\nphases: {".to_vec());
    files.insert("config/projects.registry.yaml".to_owned(), b"tenants: {}\nprojects: {a: {tenant: b, root: c, families: []}}\n".to_vec());
    files.remove("config/guests.lock");
    let problems = render(&check(&RootSnapshot::from_files(files)).err().unwrap());
    insta::assert_snapshot!(problems);
}

#[test]
fn a_link_does_not_hide_an_overlap() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = (folder.path().join("real"), folder.path().join("link"));
    std::fs::create_dir_all(real.join("inner")).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let registry = |second: &std::path::Path| {
        format!(
            "tenants: {{t: {{}}}}\nprojects:\n  a: {{tenant: t, root: '{}', families: []}}\n  b: {{tenant: t, root: '{}', families: []}}\n",
            real.display(),
            second.display()
        )
    };
    for (second, overlaps) in
        [(link.clone(), true), (link.join("inner"), true), (link.join("not/there"), true), (folder.path().join("other"), false)]
    {
        let mut files = full();
        files.insert("config/projects.registry.yaml".to_owned(), registry(&second).into_bytes());
        let problems = check(&RootSnapshot::from_files(files)).err().unwrap_or_default();
        let found = problems.iter().any(|problem| problem.message.contains("overlaps") && problem.at.line == 4);
        assert_eq!(found, overlaps, "{}: {}", second.display(), render(&problems));
    }
}
