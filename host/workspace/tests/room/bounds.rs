//! Repositories that would fill the disk, and such as would keep git waiting.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use orc_domain::grant::LaunchPlan;
use orc_domain::ports::{Enforceable, LaunchError, LaunchIo, LaunchOutcome, Launcher};
use orc_domain::{ErrorCode, OrcError};
use orc_workspace::{CheckoutExcess, CollectionLimits, WorkspaceError};
use rustix::fs::{CWD, FileType, Mode};
use tokio_util::sync::CancellationToken;

use crate::lab::{Lab, execution, project_name, put};
use crate::unconfined::Unconfined;

const LIMITS: CollectionLimits =
    CollectionLimits { file_bytes: 64 << 20, entries: 2_000_000, copy_bytes: 16 << 20, checkout_bytes: 1 << 20, checkout_entries: 1000 };

/// What a checkout of a tree is refused for. Whatever it is, nothing is left of the try.
async fn excess(lab: &Lab, tree: &str) -> CheckoutExcess {
    let commit = lab.git(&["commit-tree", "-m", "x", tree]);
    let (name, project, execution) = (project_name(), lab.project(), execution("large"));
    let checkout = lab.room.checkout(&name, &project, &commit, "large", &execution);
    let error = tokio::time::timeout(Duration::from_secs(60), checkout).await.expect("git goes on for ever").unwrap_err();
    assert!(!lab.state().join("worktrees/ex_large").exists());
    assert_eq!(fs::read_dir(lab.own().join("worktrees")).map_or(0, Iterator::count), 0);
    match error {
        WorkspaceError::TooLarge { why, commit: named } if named == commit => why,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn one_large_file_under_many_names_is_a_large_checkout() {
    let lab = Lab::with_limits(LIMITS);
    lab.write("zeros", &"\0".repeat(100_000));
    let blob = lab.git(&["hash-object", "-w", "zeros"]);
    let names = |count| (0..count).map(|number| format!("100644 blob {blob}\tname-{number}\n")).collect::<String>();
    let bound = 1 << 20;
    assert_eq!(excess(&lab, &lab.mktree(&names(11), false)).await, CheckoutExcess::Bytes { bound });
    // The bound is of files together, and one that is just kept is kept.
    let commit = lab.git(&["commit-tree", "-m", "x", &lab.mktree(&names(10), false)]);
    let made = lab.room.checkout(&project_name(), &lab.project(), &commit, "fits", &execution("fits")).await.unwrap();
    assert_eq!(fs::metadata(made.path.join("name-9")).unwrap().len(), 100_000);
}

#[tokio::test]
async fn trees_of_trees_are_refused_by_their_number_whether_they_hold_files_or_not() {
    let lab = Lab::with_limits(LIMITS);
    let blob = lab.git(&["hash-object", "-w", "README"]);
    for leaf in [String::new(), format!("100644 blob {blob}\tx\n")] {
        let mut tree = lab.mktree(&leaf, false);
        for _ in 0..12 {
            tree = lab.mktree(&(0..10).map(|name| format!("040000 tree {tree}\t{name}\n")).collect::<String>(), false);
        }
        assert_eq!(excess(&lab, &tree).await, CheckoutExcess::Entries { bound: 1000 }, "{leaf:?}");
    }
}

#[tokio::test]
async fn paths_that_are_too_deep_or_too_long_are_refused() {
    let lab = Lab::with_limits(LIMITS);
    let blob = lab.git(&["hash-object", "-w", "README"]);
    let nested = |parts: usize, name: &str| {
        let leaf = lab.mktree(&format!("100644 blob {blob}\tx\n"), false);
        (1..parts).fold(leaf, |tree, _| lab.mktree(&format!("040000 tree {tree}\t{name}\n"), false))
    };
    for tree in [nested(129, "d"), nested(10, &"long".repeat(60))] {
        assert!(matches!(excess(&lab, &tree).await, CheckoutExcess::Path { bytes: 2048, depth: 128, .. }));
    }
    let commit = lab.git(&["commit-tree", "-m", "x", &nested(128, "d")]);
    let made = lab.room.checkout(&project_name(), &lab.project(), &commit, "fits", &execution("fits")).await.unwrap();
    assert!(lab.room.status(&made).await.unwrap().is_clean());
}

#[tokio::test]
async fn a_listing_that_is_too_long_is_not_read_to_its_end() {
    let lab = Lab::with_limits(LIMITS);
    let blob = lab.git(&["hash-object", "-w", "README"]);
    // 900 paths of 1,700 bytes each: fewer than may be, and more bytes than are read.
    let mut tree = lab.mktree(&(0..900).map(|name| format!("100644 blob {blob}\t{name}\n")).collect::<String>(), false);
    for _ in 0..7 {
        tree = lab.mktree(&format!("040000 tree {tree}\t{}\n", "long".repeat(60)), false);
    }
    assert_eq!(excess(&lab, &tree).await, CheckoutExcess::Listing { bound: 1 << 20 });
}

#[tokio::test]
async fn a_captured_tree_that_grew_too_large_is_not_checked_out_again() {
    let lab = Lab::with_limits(LIMITS);
    let workspace = lab.checkout("grown").await;
    put(&workspace.path.join("large"), &"x".repeat(2 << 20));
    let captured = lab.room.capture(&workspace).await.unwrap();
    assert!(captured.refused.is_empty());
    let error =
        lab.room.checkout_tree(&workspace.project, &workspace.base, &captured.tree, "fresh", &execution("grown")).await.unwrap_err();
    assert!(matches!(error, WorkspaceError::TooLarge { why: CheckoutExcess::Bytes { .. }, .. }), "{error}");
    let error = OrcError::from(error);
    assert_eq!(error.code, ErrorCode::WorkspaceFailed);
    assert!(error.message.contains("more than 1048576 bytes") && error.hint.is_some(), "{error:?}");
    assert!(!lab.state().join("worktrees/ex_grown/fresh").exists());
}

fn fifo(path: &Path) {
    let _ = fs::remove_file(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

type Plant = fn(&Path);

/// What is planted in `.git`, and the end of the path that is named.
const WAITING: &[(&str, Plant)] = &[
    ("packed-refs", |git| fifo(&git.join("packed-refs"))),
    ("shallow", |git| fifo(&git.join("shallow"))),
    ("HEAD", |git| fifo(&git.join("HEAD"))),
    ("config", |git| fifo(&git.join("config"))),
    ("objects/info/alternates", |git| fifo(&git.join("objects/info/alternates"))),
    ("objects/info/commit-graph", |git| fifo(&git.join("objects/info/commit-graph"))),
    ("objects/pack/pack-1.idx", |git| fifo(&git.join("objects/pack/pack-1.idx"))),
    ("objects/00/11", |git| fifo(&git.join("objects/00/11"))),
    ("refs/heads/waiting", |git| fifo(&git.join("refs/heads/waiting"))),
    ("refs/far/away/waiting", |git| fifo(&git.join("refs/far/away/waiting"))),
    ("refs/heads/linked", |git| {
        fifo(&git.join("pipe"));
        symlink("../../pipe", git.join("refs/heads/linked")).unwrap();
    }),
    ("refs/heads/endless", |git| symlink("/dev/zero", git.join("refs/heads/endless")).unwrap()),
    ("refs/heads/circle", |git| symlink(".", git.join("refs/heads/circle")).unwrap()),
    ("packed-refs", |git| symlink("/dev/zero", git.join("packed-refs")).unwrap()),
    ("packed-refs", |git| File::create(git.join("packed-refs")).unwrap().set_len(1 << 40).unwrap()),
    ("refs/heads/huge", |git| File::create(git.join("refs/heads/huge")).unwrap().set_len(1 << 40).unwrap()),
    ("config", |git| File::create(git.join("config")).unwrap().set_len(1 << 40).unwrap()),
    ("shallow", |git| fs::create_dir(git.join("shallow")).unwrap()),
];

#[tokio::test]
async fn what_would_keep_git_waiting_is_named_at_once() {
    for (named, plant) in WAITING {
        let lab = Lab::new();
        let (head, git) = (lab.head(), lab.project().join(".git"));
        plant(&git);
        let resolve = async {
            let error = lab.room.resolve(&lab.project(), "main").await.unwrap_err();
            let checkout = lab.room.checkout(&project_name(), &lab.project(), &head, "work", &execution("waiting")).await;
            assert!(matches!(checkout, Err(WorkspaceError::Repository { .. })), "{named}: {checkout:?}");
            error
        };
        let error = tokio::time::timeout(Duration::from_secs(15), resolve).await.expect(named);
        let expected = git.canonicalize().unwrap().join(named);
        assert!(matches!(&error, WorkspaceError::Repository { why, .. } if why.contains(expected.to_str().unwrap())), "{named}: {error}");
    }
}

#[tokio::test]
async fn a_pipe_in_borrowed_objects_is_named_too() {
    let lab = Lab::new();
    let git = lab.project().join(".git");
    fs::create_dir_all(git.join("more/pack")).unwrap();
    fs::write(git.join("objects/info/alternates"), "../more\n").unwrap();
    fifo(&git.join("more/pack/pack-1.idx"));
    let error = lab.room.resolve(&lab.project(), "main").await.unwrap_err();
    assert!(error.to_string().contains("pack-1.idx` is a named pipe"), "{error}");
}

#[tokio::test]
async fn links_that_git_passes_over_are_passed_over() {
    let lab = Lab::new();
    let git = lab.project().join(".git");
    symlink("nowhere", git.join("refs/heads/dangling")).unwrap();
    symlink("main", git.join("refs/heads/same")).unwrap();
    fs::remove_file(git.join("HEAD")).unwrap();
    symlink("refs/heads/main", git.join("HEAD")).unwrap();
    assert_eq!(lab.room.resolve(&lab.project(), "main").await.unwrap().commit, lab.head());
}

/// Runs everything and remembers what for and how long it might have taken.
#[derive(Clone, Default)]
struct Noting(Arc<Mutex<Vec<Note>>>);

/// Purpose and wall time.
type Note = (String, Option<u64>);

#[async_trait]
impl Launcher for Noting {
    async fn enforceable(&self) -> Result<Enforceable, LaunchError> {
        Unconfined.enforceable().await
    }

    async fn launch(&self, plan: &LaunchPlan, io: LaunchIo, cancel: &CancellationToken) -> Result<LaunchOutcome, LaunchError> {
        self.0.lock().unwrap().push((plan.purpose.clone(), plan.grant.limits.wall_s));
        Unconfined.launch(plan, io, cancel).await
    }

    async fn gone(&self, pid: u32) -> bool {
        Unconfined.gone(pid).await
    }
}

/// Against whoever plants a pipe after the look.
#[tokio::test]
async fn what_only_looks_may_not_take_long() {
    let noting = Noting::default();
    let lab = Lab::behind(Arc::new(noting.clone()));
    let base = lab.room.resolve(&lab.project(), "main").await.unwrap();
    lab.commit();
    lab.room.reachability(&lab.project(), &base).await.unwrap();
    let looks = std::mem::take(&mut *noting.0.lock().unwrap());
    let purposes: Vec<&str> = looks.iter().map(|(purpose, _)| purpose.as_str()).collect();
    for what in ["read the repository's format", "list branches", "find a commit", "compare commits", "count commits"] {
        assert!(purposes.contains(&format!("git: {what}").as_str()), "{what}: {purposes:?}");
    }
    assert!(looks.iter().all(|(_, wall_s)| *wall_s == Some(20)), "{looks:?}");
    lab.checkout("work").await;
    let fill = noting.0.lock().unwrap().iter().find(|(purpose, _)| purpose == "git: fill a checkout").cloned();
    assert_eq!(fill.unwrap().1, Some(900), "a checkout may take long");
}
