//! ORC's own bare repository of a project: where captured objects and worktrees live. It borrows the project's objects.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use orc_domain::ProjectName;

use crate::git::Call;
use crate::project::{Project, borrowed};
use crate::{Result, WorkspaceError, Workspaces, beneath, blocking};

/// `info/attributes` wins over every `.gitattributes`: bytes are never converted between a tree and its checkout, and nothing is hidden
/// from a comparison. Where `!` and `-` could both stand, git refuses the other.
const NO_ATTRIBUTES: &[u8] = b"* -text !eol !crlf !ident !filter !working-tree-encoding !diff !merge\n";

/// The hash of a repository's object ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ObjectFormat {
    Sha1,
    Sha256,
}

impl ObjectFormat {
    /// The id that says "no object".
    pub(crate) fn null_id(self) -> String {
        "0".repeat(match self {
            Self::Sha1 => 40,
            Self::Sha256 => 64,
        })
    }
}

/// How a repository keeps its refs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefFormat {
    Files,
    Reftable,
}

fn config(format: ObjectFormat, refs: RefFormat) -> String {
    let mut out =
        "[core]\n\trepositoryformatversion = 1\n\tbare = true\n\tfilemode = true\n\tlogallrefupdates = false\n[extensions]\n".to_owned();
    if format == ObjectFormat::Sha256 {
        out.push_str("\tobjectformat = sha256\n");
    }
    if refs == RefFormat::Reftable {
        out.push_str("\trefstorage = reftable\n");
    }
    out
}

/// ORC's own repository of a project.
#[derive(Debug, Clone)]
pub(crate) struct OwnRepository {
    pub(crate) dir: PathBuf,
    pub(crate) format: ObjectFormat,
    /// Object directories outside it that it borrows from.
    pub(crate) borrowed: Vec<PathBuf>,
}

impl Workspaces {
    pub(crate) fn own_dir(&self, project: &ProjectName) -> PathBuf {
        self.git_root().join(format!("{project}.git"))
    }

    /// Makes ORC's own repository of a project, or brings it up to where the project is now.
    pub(crate) async fn own_for(&self, name: &ProjectName, project: &Project) -> Result<OwnRepository> {
        let (dir, project) = (self.own_dir(name), project.clone());
        blocking(move || {
            match object_format(&dir)? {
                Some(format) if format != project.format => return Err(WorkspaceError::ObjectFormat { own: dir }),
                _ => write_repository(&dir, project.format)?,
            }
            write_alternates(&dir, &project.common.join("objects"))?;
            copy_shallow(&dir, &project.common)?;
            Ok(OwnRepository { borrowed: borrowed(&dir)?, format: project.format, dir })
        })
        .await
    }

    /// ORC's own repository of a project as it is.
    pub(crate) async fn own(&self, name: &ProjectName) -> Result<OwnRepository> {
        let dir = self.own_dir(name);
        blocking(move || {
            let missing = || WorkspaceError::Repository { root: dir.clone(), why: "ORC has made no workspace of this project yet".into() };
            let format = object_format(&dir)?.ok_or_else(missing)?;
            Ok(OwnRepository { borrowed: borrowed(&dir)?, format, dir })
        })
        .await
    }

    /// A call on ORC's own repository.
    pub(crate) fn on(&self, what: &'static str, own: &OwnRepository) -> Call<'_> {
        self.git.call(what, &own.dir).read(&own.borrowed)
    }
}

fn object_format(dir: &Path) -> Result<Option<ObjectFormat>> {
    let path = dir.join("config");
    let present = beneath::read_small(&path, 4096).map_err(|source| WorkspaceError::Io { deed: "read", path, source })?;
    Ok(present.map(|bytes| {
        if bytes == config(ObjectFormat::Sha256, RefFormat::Files).as_bytes() { ObjectFormat::Sha256 } else { ObjectFormat::Sha1 }
    }))
}

/// Makes a bare repository by hand: no template, no hook, no default of this machine gets in.
pub(crate) fn write_repository(dir: &Path, format: ObjectFormat) -> Result<()> {
    for name in ["objects/info", "objects/pack", "refs", "info"] {
        private_dir(&dir.join(name))?;
    }
    write_if_other(&dir.join("info/attributes"), NO_ATTRIBUTES)?;
    write_head(dir, format, RefFormat::Files)
}

/// Makes what git takes for a repository beside refs and objects: `HEAD`, which names no branch, and ORC's `config`.
pub(crate) fn write_head(dir: &Path, format: ObjectFormat, refs: RefFormat) -> Result<()> {
    private_dir(dir)?;
    write_if_other(&dir.join("HEAD"), b"ref: refs/heads/none\n")?;
    write_if_other(&dir.join("config"), config(format, refs).as_bytes())
}

/// Makes a directory that only the owner enters, with those above it.
pub(crate) fn private_dir(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| WorkspaceError::Io {
        deed: "make the directory",
        path: dir.to_owned(),
        source,
    })
}

fn write_alternates(own: &Path, objects: &Path) -> Result<()> {
    let mut line = objects.as_os_str().as_bytes().to_owned();
    if line.contains(&b'\n') {
        return Err(WorkspaceError::PathText { path: objects.to_owned() });
    }
    line.push(b'\n');
    write_if_other(&own.join("objects/info/alternates"), &line)
}

/// A shallow clone says where its history is cut; without that, history seems broken in ORC's own repository.
fn copy_shallow(own: &Path, common: &Path) -> Result<()> {
    let (from, to) = (common.join("shallow"), own.join("shallow"));
    let present = beneath::read_small(&from, 16 << 20).map_err(|source| WorkspaceError::Io { deed: "read", path: from, source })?;
    match present {
        Some(bytes) => write_if_other(&to, &bytes),
        None => crate::remove::remove_tree(&to).map_err(|source| WorkspaceError::Io { deed: "remove", path: to, source }),
    }
}

/// Puts a file in place in one step, unless it holds just this.
pub(crate) fn write_if_other(path: &Path, bytes: &[u8]) -> Result<()> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    let draft = path.with_extension(format!("draft-{}-{unique}", std::process::id()));
    let write = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|source| WorkspaceError::Io { deed: "write", path: path.to_owned(), source })
}
