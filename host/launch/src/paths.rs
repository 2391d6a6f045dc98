//! Which directories a grant may hold: resolved, existing, not too wide, away from ORC's own.

use std::fs::Metadata;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use orc_domain::grant::{Access, DirGrant};
use orc_launch_helper::{Granted, Identity, Place};

use crate::program::identity;

/// Directories that hold everybody's things: parts of them can be granted, they cannot.
const TOO_WIDE: &[&str] = &["/", "/dev", "/etc", "/home", "/proc", "/run", "/sys", "/var"];

/// Where ORC keeps what no worker may reach, and what inside of it workers are for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reserved {
    pub(crate) forbidden: Vec<PathBuf>,
    pub(crate) allowed_within: Vec<PathBuf>,
}

/// A granted directory after all checks.
pub(crate) struct Checked {
    pub(crate) path: PathBuf,
    pub(crate) granted: Granted,
}

/// Resolves and checks every directory of a grant. The error says which one and why.
pub(crate) fn check_dirs(dirs: &[DirGrant], reserved: &Reserved) -> Result<Vec<Checked>, String> {
    let out_of_reach = OutOfReach::of(reserved);
    let checked = dirs.iter().map(|dir| check_dir(dir, &out_of_reach)).collect::<Result<Vec<_>, _>>()?;
    for outer in checked.iter().filter(|outer| outer.granted.write) {
        if let Some(inner) = checked.iter().find(|inner| !inner.granted.write && inner.path.starts_with(&outer.path)) {
            return Err(format!(
                "`{}` is granted without writing, but lies in `{}`, which is granted with it: access cannot be taken away inside a granted \
                 directory, so grant the parts one by one",
                inner.path.display(),
                outer.path.display()
            ));
        }
    }
    Ok(checked)
}

fn check_dir(dir: &DirGrant, out_of_reach: &OutOfReach) -> Result<Checked, String> {
    let named = Path::new(&dir.path);
    if !named.is_absolute() {
        return Err(format!("granted directory `{}` is no absolute path", dir.path));
    }
    let (path, metadata) = resolve(named).map_err(|why| format!("granted directory {why}"))?;
    let shown = if path == named { format!("`{}`", dir.path) } else { format!("`{}`, which is `{}`,", dir.path, path.display()) };
    let kind = metadata.file_type();
    if kind.is_socket() || kind.is_fifo() || kind.is_block_device() {
        return Err(format!("granted directory {shown} is a socket, a pipe or a disk: none of them can be granted"));
    }
    if TOO_WIDE.iter().any(|wide| path == Path::new(wide)) {
        return Err(format!("granted directory {shown} holds everybody's things: grant what is needed of it"));
    }
    if let Some(own) = out_of_reach.given_away(&path) {
        return Err(format!("granted directory {shown} would reach ORC's own `{}`: grant another directory", own.display()));
    }
    let place = Place { path: utf8(&path)?, id: identity(&metadata) };
    let granted = Granted {
        place,
        execute: matches!(dir.access, Access::ReadExecute | Access::WriteExecute),
        write: matches!(dir.access, Access::Write | Access::WriteExecute),
    };
    Ok(Checked { path, granted })
}

/// The working directory: it exists, and lies in the grant.
pub(crate) fn check_cwd(cwd: &str, dirs: &[Checked]) -> Result<(PathBuf, Place), String> {
    if !Path::new(cwd).is_absolute() {
        return Err(format!("working directory `{cwd}` is no absolute path"));
    }
    let (path, metadata) = resolve(Path::new(cwd)).map_err(|why| format!("working directory {why}"))?;
    if !metadata.is_dir() {
        return Err(format!("working directory `{cwd}` is no directory"));
    }
    if !dirs.iter().any(|dir| path.starts_with(&dir.path)) {
        return Err(format!("working directory `{}` is in no granted directory: grant it, or work in one that is", path.display()));
    }
    let place = Place { path: utf8(&path)?, id: identity(&metadata) };
    Ok((path, place))
}

fn resolve(path: &Path) -> Result<(PathBuf, Metadata), String> {
    let resolved = path.canonicalize().map_err(|error| format!("`{}` cannot be resolved: {error}", path.display()))?;
    let metadata = resolved.symlink_metadata().map_err(|error| format!("`{}` cannot be looked at: {error}", resolved.display()))?;
    Ok((resolved, metadata))
}

/// A path with the inodes of itself and of all directories above it: a bind mount gives a directory a second name, never a second inode.
struct Lineage {
    path: PathBuf,
    own: Option<Identity>,
    all: Vec<Identity>,
}

impl Lineage {
    fn of(path: PathBuf) -> Self {
        let inode = |path: &Path| path.metadata().ok().map(|found| identity(&found));
        Self { own: inode(&path), all: path.ancestors().filter_map(inode).collect(), path }
    }

    fn is_within(&self, outer: &Self) -> bool {
        self.path.starts_with(&outer.path) || outer.own.is_some_and(|inode| self.all.contains(&inode))
    }
}

/// [`Reserved`], resolved for one launch.
struct OutOfReach {
    forbidden: Vec<Lineage>,
    allowed_within: Vec<Lineage>,
}

impl OutOfReach {
    fn of(reserved: &Reserved) -> Self {
        let lineages = |paths: &[PathBuf]| paths.iter().map(|path| Lineage::of(resolve_as_far_as_it_exists(path))).collect();
        Self { forbidden: lineages(&reserved.forbidden), allowed_within: lineages(&reserved.allowed_within) }
    }

    /// What of ORC's own a grant of `path` would give away: what it contains, is, or lies in, unless it lies in what is allowed there.
    fn given_away(&self, path: &Path) -> Option<&Path> {
        let path = Lineage::of(path.to_owned());
        let allowed = |own: &Lineage| {
            let real_part = |allowed: &&Lineage| allowed.is_within(own) && !own.is_within(allowed);
            self.allowed_within.iter().filter(real_part).any(|allowed| path.is_within(allowed))
        };
        let given = |own: &&Lineage| own.is_within(&path) || (path.is_within(own) && !allowed(own));
        self.forbidden.iter().find(given).map(|own| own.path.as_path())
    }
}

/// ORC's directories need not exist yet: what exists of the path is resolved, the rest is kept.
fn resolve_as_far_as_it_exists(path: &Path) -> PathBuf {
    path.ancestors()
        .find_map(|ancestor| {
            let resolved = ancestor.canonicalize().ok()?;
            Some(resolved.join(path.strip_prefix(ancestor).ok()?))
        })
        .unwrap_or_else(|| path.to_owned())
}

pub(crate) fn utf8(path: &Path) -> Result<String, String> {
    path.to_str().map(str::to_owned).ok_or_else(|| format!("`{}` is no UTF-8: rename it", path.display()))
}
