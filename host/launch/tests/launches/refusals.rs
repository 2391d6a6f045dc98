//! What is not launched, and what is said about it.

use std::os::unix::fs::{PermissionsExt, symlink};

use orc_domain::grant::{Access, DirGrant, LaunchPlan, Protection};
use orc_domain::ports::{LaunchError, LaunchIo, Launcher};
use orc_launch::{HelperLauncher, LauncherOptions};
use tokio_util::sync::CancellationToken;

use crate::support::{Ground, helper, is_root, options};

async fn refusal(ground: &Ground, change: impl FnOnce(&mut LaunchPlan)) -> String {
    let mut plan = ground.sh("echo > started");
    change(&mut plan);
    let error = ground.launch(&plan).await.expect_err("it was launched");
    assert!(!ground.path("work/started").exists());
    error.to_string()
}

fn granting(path: &str, access: Access) -> impl FnOnce(&mut LaunchPlan) {
    let dir = DirGrant { path: path.to_owned(), access, role: "workspace".to_owned() };
    move |plan| plan.grant.dirs.push(dir)
}

fn running(words: &[&str]) -> impl FnOnce(&mut LaunchPlan) {
    let argv = words.iter().map(|word| (*word).to_owned()).collect();
    move |plan| plan.argv = argv
}

#[tokio::test]
async fn programs_that_cannot_be_executed() {
    let ground = Ground::new();
    let script = |name: &str, text: &str, mode: u32| {
        std::fs::write(ground.path(name), text).unwrap();
        std::fs::set_permissions(ground.path(name), PermissionsExt::from_mode(mode)).unwrap();
        ground.text(name)
    };
    let outside = script("outside/tool", "#!/bin/sh\n", 0o755);
    std::fs::create_dir(ground.path("tools")).unwrap();
    let plain = script("tools/plain", "#!/bin/sh\n", 0o644);
    let foreign = script("tools/foreign", &format!("#!{outside}\n"), 0o755);
    let broken = script("tools/broken", "#!/nowhere/at/all\n", 0o755);
    let nonsense = script("tools/nonsense", "\0\0\0\0", 0o755);
    for (name, expected) in [
        ("no-such-program", "not found in the grant's PATH"),
        ("/usr/bin/no-such-program", "cannot be found"),
        (outside.as_str(), "is outside every directory that the grant lets execute"),
        ("./missing", "cannot be found"),
        ("/usr/bin", "no regular file"),
        (plain.as_str(), "has no execute permission"),
        (foreign.as_str(), "its interpreter must be inside"),
        (broken.as_str(), "interpreter or loader is missing"),
        (nonsense.as_str(), "Exec format error"),
    ] {
        let tools = ground.dir("tools", Access::ReadExecute);
        let said = refusal(&ground, |plan| {
            plan.grant.dirs.push(tools);
            running(&[name])(plan);
        });
        let said = said.await;
        assert!(said.starts_with(&format!("cannot execute `{name}`")) && said.contains(expected), "{name}: {said}");
    }
}

#[tokio::test]
async fn plans_that_are_not_in_order() {
    let ground = Ground::new();
    let missing = ground.text("missing");
    let file = ground.text("read/file");
    let (nested, outside) = (ground.text("work/nested"), ground.text("outside"));
    std::fs::create_dir(&nested).unwrap();
    let _listener = std::os::unix::net::UnixListener::bind(ground.path("read/socket")).unwrap();
    let socket = ground.text("read/socket");
    assert!(refusal(&ground, running(&[])).await.contains("names no program"));
    assert!(refusal(&ground, running(&[""])).await.contains("names no program"));
    assert!(refusal(&ground, running(&["sh", "a\0b"])).await.contains("argument 1 contains a zero byte"));
    assert!(refusal(&ground, |plan| drop(plan.grant.env.insert("A=B".to_owned(), String::new()))).await.contains("\"A=B\" is none"));
    for (path, expected) in [
        (missing.as_str(), "cannot be resolved"),
        ("relative", "is no absolute path"),
        ("/", "holds everybody's things"),
        ("/proc", "holds everybody's things"),
        ("/usr/..", "holds everybody's things"),
        (socket.as_str(), "is a socket"),
        (nested.as_str(), "access cannot be taken away inside"),
    ] {
        let said = refusal(&ground, granting(path, Access::Read)).await;
        assert!(said.contains(path) && said.contains(expected), "{path}: {said}");
    }
    for (cwd, expected) in [
        (missing.as_str(), "cannot be resolved"),
        ("work", "is no absolute path"),
        (file.as_str(), "is no directory"),
        (outside.as_str(), "is in no granted directory"),
    ] {
        let said = refusal(&ground, |plan| plan.cwd = cwd.to_owned()).await;
        assert!(said.contains(&format!("working directory `{cwd}`")) && said.contains(expected), "{said}");
    }
}

#[tokio::test]
async fn orcs_own_directories_are_never_granted() {
    let mut ground = Ground::new();
    for name in ["state/worktrees/one", "state/keys", "aliases"] {
        std::fs::create_dir_all(ground.path(name)).unwrap();
    }
    symlink(ground.path("state"), ground.path("aliases/elsewhere")).unwrap();
    // One that does not exist yet, and one that is named through a symlink.
    let forbidden = vec![ground.path("aliases/elsewhere"), ground.path("later/config")];
    let allowed_within = vec![ground.path("state/worktrees")];
    ground.launcher = HelperLauncher::new(LauncherOptions { forbidden, allowed_within, ..options() }).unwrap();
    std::fs::create_dir(ground.path("later")).unwrap();

    let ground = &ground;
    for name in ["state", "state/keys", "aliases/elsewhere", "aliases/elsewhere/keys", "later", "."] {
        let said = refusal(ground, granting(&ground.text(name), Access::Read)).await;
        assert!(said.contains("would reach ORC's own"), "{name}: {said}");
    }
    for name in ["state/worktrees/one", "state/worktrees"] {
        let mut plan = ground.sh(":");
        granting(&ground.text(name), Access::Write)(&mut plan);
        assert!(ground.run(&plan).await.report.end.success(), "{name}");
    }
}

#[tokio::test]
async fn a_demand_that_cannot_be_met_stops_the_launch() {
    let ground = Ground::new();
    let mut plan = ground.sh("echo > started");
    plan.grant.must = Protection::ALL.iter().copied().collect();
    let result = ground.launch(&plan).await;
    if !is_root() {
        assert!(result.unwrap().report.active.contains(&Protection::Processes), "only root loses it");
        return;
    }
    let error = result.unwrap_err();
    assert!(
        matches!(&error, LaunchError::Unenforceable { protection: Protection::Processes, why } if why.contains("accept_root")),
        "{error}"
    );
    assert!(!ground.path("work/started").exists());
}

#[tokio::test]
async fn helpers_that_are_none() {
    let ground = Ground::new();
    let changed = ground.path("outside/orc-launch");
    std::fs::copy(helper(), &changed).unwrap();
    let new = |helper| HelperLauncher::new(LauncherOptions { helper, ..options() });
    let launcher = new(changed.clone()).unwrap();
    std::fs::write(&changed, "#!/bin/sh\n").unwrap();
    let said = launcher.launch(&ground.sh(":"), LaunchIo::default(), &CancellationToken::new()).await.unwrap_err().to_string();
    assert!(said.contains("was changed since this program started"), "{said}");

    std::fs::set_permissions(&changed, PermissionsExt::from_mode(0o757)).unwrap();
    assert!(new(changed.clone()).unwrap_err().to_string().contains("can be changed by everybody"));
    std::fs::set_permissions(&changed, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(new(changed).unwrap_err().to_string().contains("is no executable file"));
    assert!(new(ground.path("missing")).unwrap_err().to_string().contains("cannot be opened"));
    let silent = new("/bin/true".into()).unwrap().enforceable().await.unwrap_err().to_string();
    assert!(silent.contains("the launch helper failed"), "{silent}");
}
