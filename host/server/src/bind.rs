//! The socket's file: made in a directory that only its owner can change, replaced when stale, removed at the end.

use std::fs::{DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use crate::connection::Limits;

/// Longest path of a Unix socket on Linux, without the closing zero.
const MAX_PATH: usize = 107;

/// Who may connect. Whoever connects is still nobody until the engine finds an operator bound to that unix user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The state's owner: directory 0700, socket 0600.
    Owner,
    /// Every unix user of the machine: directory 0711, socket 0666. For `trust: team`.
    Everyone,
}

impl Access {
    const fn modes(self) -> (u32, u32) {
        match self {
            Self::Owner => (0o700, 0o600),
            Self::Everyone => (0o711, 0o666),
        }
    }
}

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The path does not fit into a socket address.
    #[error("`{path}` is longer than the {MAX_PATH} bytes that a Unix socket's path may have: choose a shorter `--db`")]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// The directory could not be made or examined.
    #[error("cannot prepare the socket's directory `{path}`")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody else could replace the socket.
    #[error("`{path}` is no directory that only the user of this process can change: {why}")]
    UnsafeDirectory {
        /// The directory.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Something else stands there.
    #[error("`{path}` exists and is no socket of this user: move it away")]
    Occupied {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot listen on `{path}`")]
    Listen {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A bound socket. Its file goes when this does.
#[derive(Debug)]
pub struct Server {
    pub(crate) listener: UnixListener,
    pub(crate) file: SocketFile,
    pub(crate) limits: Limits,
    /// The unix user id that owns the state.
    pub(crate) owner: u32,
}

impl Server {
    /// Listens on `path`, in a directory that is made if need be. A socket that a dead host left is replaced: **call this only while
    /// holding the ownership lock**, which proves that whoever made it is dead. Needs a tokio runtime.
    ///
    /// # Errors
    /// A [`BindError`]; nothing is left behind.
    pub fn bind(path: &Path, access: Access, limits: Limits) -> Result<Self, BindError> {
        if path.as_os_str().len() > MAX_PATH {
            return Err(BindError::PathTooLong { path: path.to_owned() });
        }
        let (directory_mode, socket_mode) = access.modes();
        let owner = rustix::process::geteuid().as_raw();
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        prepare_directory(directory, directory_mode, owner)?;
        remove_stale(path, owner)?;
        let listen = |source| BindError::Listen { path: path.to_owned(), source };
        let listener = UnixListener::bind(path).map_err(listen)?;
        std::fs::set_permissions(path, Permissions::from_mode(socket_mode)).map_err(listen)?;
        let file = SocketFile::of(path).map_err(listen)?;
        Ok(Self { listener, file, limits, owner })
    }

    /// Where it listens.
    pub fn path(&self) -> &Path {
        &self.file.path
    }
}

fn prepare_directory(path: &Path, mode: u32, owner: u32) -> Result<(), BindError> {
    let failed = |source| BindError::Directory { path: path.to_owned(), source };
    let made = match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(failed(error)),
    };
    let found = std::fs::symlink_metadata(path).map_err(failed)?;
    if let Some(why) = unsafe_because(&found, owner) {
        return Err(BindError::UnsafeDirectory { path: path.to_owned(), why });
    }
    // The umask may have taken from the mode; a directory that was there keeps what it forbids unless everybody must get through.
    if made || (mode & 0o011 != 0 && found.mode() & 0o011 != 0o011) {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
    }
    Ok(())
}

fn unsafe_because(found: &Metadata, owner: u32) -> Option<String> {
    if !found.is_dir() {
        return Some("it is no directory".to_owned());
    }
    if found.uid() != owner {
        return Some(format!("it belongs to uid {}", found.uid()));
    }
    let mode = found.mode() & 0o777;
    (mode & 0o022 != 0).then(|| format!("its mode is {mode:o}"))
}

fn remove_stale(path: &Path, owner: u32) -> Result<(), BindError> {
    let listen = |source| BindError::Listen { path: path.to_owned(), source };
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() && found.uid() == owner => std::fs::remove_file(path).map_err(listen),
        Ok(_) => Err(BindError::Occupied { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(listen(error)),
    }
}

/// The socket's file, known by device and inode, so that a later host's socket of the same name is never removed.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), identity: (found.dev(), found.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let still_ours = std::fs::symlink_metadata(&self.path).is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if still_ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the socket's file stays behind; the next host replaces it");
        }
    }
}
