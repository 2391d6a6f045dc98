//! New roots.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use orc_config::init::{InitError, Team, init};
use orc_config::{RootSnapshot, check};
use orc_domain::operators::Trust;

use crate::support::{gate, options, render};

#[test]
fn a_new_root_passes_every_check_for_each_team() {
    for (team, trust, operators) in [(Team::Solo, Trust::SingleUser, 1), (Team::Small, Trust::Team, 3), (Team::Org, Trust::Team, 7)] {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("new/root");
        let report = init(&root, &options(team)).unwrap();
        let snapshot = RootSnapshot::read(&root).unwrap();
        let checked = check(&snapshot).unwrap_or_else(|problems| panic!("{team:?}:\n{}", render(&problems)));
        assert_eq!(report.files, snapshot.files.keys().cloned().collect::<Vec<_>>());
        assert_eq!(checked.settings.trust, trust);
        assert_eq!(checked.operators.operators.len(), operators);
        assert_eq!(checked.operators.bound_to("alice").map(ToString::to_string).collect::<Vec<_>>(), ["alice"]);
        assert!(checked.operators.in_group(&"alice".parse().unwrap(), &checked.settings.admin_group));
        let groups: Vec<&str> = checked.operators.role_groups.keys().map(|name| name.as_str()).collect();
        assert_eq!(groups, ["admin", "operator", "release_manager", "security", "tech_lead"]);
        for group in checked.operators.role_groups.keys() {
            assert!(checked.operators.members(group).next().is_some(), "{team:?}: nobody in {group}");
        }
        assert!(checked.warnings.is_empty(), "{team:?}: {}", render(&checked.warnings));
        let left = snapshot.files.iter().find(|(path, bytes)| path.starts_with("config/") && String::from_utf8_lossy(bytes).contains("__"));
        assert!(left.is_none(), "a template was not filled in: {left:?}");
    }
}

#[test]
fn the_stock_contract_binds_the_stock_gates_with_what_they_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &options(Team::Solo)).unwrap();
    let checked = check(&RootSnapshot::read(folder.path()).unwrap()).unwrap();
    let bound: Vec<String> = checked
        .phase_guests(&checked.contracts.phases["verify"])
        .into_iter()
        .map(|(position, guest)| format!("{position} {} {} {:?}", guest.guest, guest.mode, guest.capabilities))
        .collect();
    assert_eq!(
        bound,
        [
            "pre_gate workspace-clean blocking {Settings}",
            "post_gate verification-passed blocking {Settings}",
            "post_gate diff-budget advisory {Settings}",
            "post_gate protected-paths blocking {Settings}",
            "post_gate secret-scan blocking {Settings}",
        ]
    );
}

#[test]
fn a_root_is_nobody_elses_business() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let report = init(&root, &options(Team::Solo)).unwrap();
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&root), 0o700);
    assert_eq!(mode(&root.join("config")), 0o700);
    for file in report.files {
        assert_eq!(mode(&root.join(&file)), 0o600, "{file}");
    }
}

#[test]
fn what_is_there_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "precious").unwrap();
    assert!(matches!(init(folder.path(), &options(Team::Solo)), Err(InitError::NotEmpty { .. })));
    assert!(matches!(init(&folder.path().join("mine"), &options(Team::Solo)), Err(InitError::NotEmpty { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn nothing_is_written_where_the_result_would_not_pass() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let mut without = options(Team::Solo);
    without.guests.retain(|guest| !guest.component.ends_with(b"verification-passed"));
    let error = init(&root, &without).unwrap_err();
    assert!(error.to_string().contains("there is no guest `verification-passed` in config/guests.lock"), "{error}");
    let mut broken = options(Team::Solo);
    broken.guests.push(gate("NOT A NAME", "[]"));
    assert!(matches!(init(&root, &broken), Err(InitError::Manifest { index: 15, .. })));
    for hostile in ["", "a b", "a: [", "x\n  y: z", "1000"] {
        let mut options = options(Team::Solo);
        options.unix_user = hostile.to_owned();
        assert!(matches!(init(&root, &options), Err(InitError::UnixUser { .. })), "{hostile:?}");
    }
    assert!(!root.exists());
}

#[test]
fn operator_names_that_yaml_would_read_as_something_else_stay_names() {
    for name in ["no", "true", "1e3", "007", "null", "A.b-c_d"] {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(Team::Solo);
        options.operator = name.parse().unwrap();
        init(folder.path(), &options).unwrap();
        let checked = check(&RootSnapshot::read(folder.path()).unwrap()).unwrap();
        assert_eq!(checked.operators.operators.keys().map(|name| name.as_str()).collect::<Vec<_>>(), [name]);
    }
}

#[test]
fn a_lock_follows_the_files_and_grants_nothing_new() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &options(Team::Solo)).unwrap();
    let mut snapshot = RootSnapshot::read(folder.path()).unwrap();
    let same = orc_config::lock::relock(&snapshot, None).unwrap();
    assert_eq!((same.text.as_bytes(), same.changes.len()), (snapshot.file(orc_config::LOCK_FILE).unwrap(), 0));

    let new = gate("new-gate", "[\"log\"]");
    snapshot.files.insert("phases/guests/new-gate.toml".to_owned(), new.manifest);
    snapshot.files.insert("phases/guests/new-gate.wasm".to_owned(), new.component);
    snapshot.files.insert("phases/guests/diff-budget.wasm".to_owned(), b"another".to_vec());
    let problems = check(&snapshot).err().unwrap();
    assert!(render(&problems).contains("pin it with `orcctl gate lock diff-budget`"), "{}", render(&problems));

    let relocked = orc_config::lock::relock(&snapshot, None).unwrap();
    assert_eq!(relocked.changes.len(), 2, "{:?}", relocked.changes);
    let one = orc_config::lock::relock(&snapshot, Some(&"new-gate".parse().unwrap())).unwrap();
    assert_eq!(one.changes.len(), 1, "{:?}", one.changes);
    snapshot.files.insert(orc_config::LOCK_FILE.to_owned(), relocked.text.into_bytes());
    let checked = check(&snapshot).unwrap();
    assert!(checked.guests["new-gate"].capabilities().is_empty());
    assert_eq!(checked.guests["diff-budget"].capabilities().len(), 1);
}

/// The manifests of the repository itself, with components that nothing here looks into.
#[test]
fn the_stock_guests_fit_the_stock_contract() {
    let folder = tempfile::tempdir().unwrap();
    let stock = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../phases/guests");
    let mut options = options(Team::Org);
    for guest in &mut options.guests {
        let manifest = String::from_utf8_lossy(&guest.manifest).into_owned();
        let name = manifest.split('"').nth(1).unwrap();
        guest.manifest = fs::read(stock.join(name).join("guest.toml")).unwrap();
    }
    init(folder.path(), &options).unwrap();
    let checked = check(&RootSnapshot::read(folder.path()).unwrap()).unwrap();
    assert!(checked.warnings.is_empty(), "{}", render(&checked.warnings));
    assert_eq!(checked.phase_guests(&checked.contracts.phases["verify"]).len(), 5);
}
