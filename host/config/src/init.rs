//! New roots: a commented set of files that passes every check before the first of them is written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use orc_domain::api::Problem;
use orc_domain::verdict::GuestPin;
use orc_domain::{GuestName, InstallationId, OperatorName};

use crate::check::{GUESTS_FOLDER, check, is_unix_user, parse_manifest};
use crate::root::RootSnapshot;
use crate::{CONTRACTS_FILE, LOCK_FILE, OPERATORS_FILE, ORC_FILE, REGISTRY_FILE, lock, stock};

/// What kind of team the root is for: decides trust mode and example operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Team {
    /// One person on one machine: `trust: single_user`, every role.
    Solo,
    /// A handful of people with several roles each.
    Small,
    /// A role a head.
    Org,
}

/// A stock guest as it was built.
#[derive(Debug, Clone)]
pub struct StockGuest {
    /// The bytes of its manifest, `guest.toml`.
    pub manifest: Vec<u8>,
    /// The bytes of its component.
    pub component: Vec<u8>,
}

/// What a new root is to be.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// For whom.
    pub team: Team,
    /// The first operator, who becomes an admin.
    pub operator: OperatorName,
    /// The id of the new installation; its database gets the same.
    pub installation: InstallationId,
    /// The unix user that this operator is, by name.
    pub unix_user: String,
    /// The guests that the stock contracts bind. Each is granted what its manifest asks for.
    pub guests: Vec<StockGuest>,
}

/// A new root.
#[derive(Debug, Clone)]
pub struct InitReport {
    /// The root.
    pub root: PathBuf,
    /// The files written, relative to the root, sorted.
    pub files: Vec<String>,
    /// What is not wrong but worth a look: roles that nobody holds yet.
    pub warnings: Vec<Problem>,
}

/// Why there is no new root. Whatever was written before a failure is removed again where possible.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Something is there.
    #[error("`{}` is not empty: name a new directory, or keep what is there", path.display())]
    NotEmpty {
        /// Where.
        path: PathBuf,
    },
    /// The unix user's name cannot stand in operators.yaml.
    #[error("`{}` is no name of a unix user", orc_domain::Untrusted::new(name.as_str()).for_line(60))]
    UnixUser {
        /// As given.
        name: String,
    },
    /// A built-in file is not in this build.
    #[error("this build has no stock file `{file}`: build ORC from its whole repository")]
    NoStock {
        /// Which.
        file: &'static str,
    },
    /// A guest's manifest cannot be read.
    #[error("the manifest of stock guest {index} is not in order: {}", problem.message)]
    Manifest {
        /// Which of the given guests, from 1.
        index: usize,
        /// What is wrong.
        problem: Problem,
    },
    /// What would be written does not pass the checks.
    #[error("the new root would not pass its checks: {}", problems.iter().map(summary).collect::<Vec<_>>().join("; "))]
    Incomplete {
        /// Why not.
        problems: Vec<Problem>,
    },
    /// The file system says no.
    #[error("cannot write `{}`", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What it says.
        #[source]
        source: io::Error,
    },
}

fn summary(problem: &Problem) -> String {
    format!("{}: {}", problem.at, problem.message)
}

/// Writes a new root into a directory that is empty or does not exist yet. Directories get mode 0700 and files 0600: a root says who may
/// approve what, and is nobody else's business. Each file appears whole or not at all.
///
/// # Errors
/// See [`InitError`]; nothing is written before everything was checked.
pub fn init(root: &Path, options: &InitOptions) -> Result<InitReport, InitError> {
    refuse_unless_empty(root)?;
    let files = content(options)?;
    let checked = check(&RootSnapshot::from_files(files.clone())).map_err(|problems| InitError::Incomplete { problems })?;
    make_directory(root)?;
    for (path, bytes) in &files {
        if let Err(error) = write_new(root, path, bytes) {
            remove_all(root, files.keys());
            return Err(error);
        }
    }
    Ok(InitReport { root: root.to_owned(), files: files.into_keys().collect(), warnings: checked.warnings })
}

/// The files of a new root.
fn content(options: &InitOptions) -> Result<BTreeMap<String, Vec<u8>>, InitError> {
    if !is_unix_user(&options.unix_user) {
        return Err(InitError::UnixUser { name: options.unix_user.clone() });
    }
    let (trust, operators) = match options.team {
        Team::Solo => ("single_user", "config/operators.solo.yaml"),
        Team::Small => ("team", "config/operators.small.yaml"),
        Team::Org => ("team", "config/operators.org.yaml"),
    };
    let fill = |template: &'static str| {
        let text = stock::text(template).ok_or(InitError::NoStock { file: template })?;
        let filled = text
            .replace("__TRUST__", trust)
            .replace("__INSTALLATION__", options.installation.as_str())
            .replace("__OPERATOR__", &lock::quoted(options.operator.as_str()))
            .replace("__UNIX_USER__", &lock::quoted(&options.unix_user));
        Ok(filled.into_bytes())
    };
    let mut files = BTreeMap::from([
        (ORC_FILE.to_owned(), fill(ORC_FILE)?),
        (OPERATORS_FILE.to_owned(), fill(operators)?),
        (REGISTRY_FILE.to_owned(), fill(REGISTRY_FILE)?),
        (CONTRACTS_FILE.to_owned(), fill(CONTRACTS_FILE)?),
    ]);
    let carried = stock::FILES.iter().filter(|(path, _)| !path.starts_with("config/"));
    files.extend(carried.map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec())));
    let pins = guests(&options.guests, &mut files)?;
    files.insert(LOCK_FILE.to_owned(), lock::text(&pins).into_bytes());
    Ok(files)
}

fn guests(guests: &[StockGuest], files: &mut BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<GuestName, GuestPin>, InitError> {
    let mut pins = BTreeMap::new();
    for (index, guest) in guests.iter().enumerate() {
        let manifest =
            parse_manifest("guest.toml", &guest.manifest).map_err(|problem| InitError::Manifest { index: index + 1, problem })?;
        let (path, manifest_path) = (format!("{GUESTS_FOLDER}{}.wasm", manifest.name), format!("{GUESTS_FOLDER}{}.toml", manifest.name));
        let pin = lock::pin(path.clone(), &guest.component, manifest_path.clone(), &guest.manifest, manifest.capabilities);
        pins.insert(manifest.name, pin);
        files.insert(path, guest.component.clone());
        files.insert(manifest_path, guest.manifest.clone());
    }
    Ok(pins)
}

fn refuse_unless_empty(root: &Path) -> Result<(), InitError> {
    let io = |source| InitError::Io { path: root.to_owned(), source };
    match fs::read_dir(root) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(Ok(_)) => Err(InitError::NotEmpty { path: root.to_owned() }),
            Some(Err(source)) => Err(io(source)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(InitError::NotEmpty { path: root.to_owned() }),
        Err(source) => Err(io(source)),
    }
}

fn make_directory(path: &Path) -> Result<(), InitError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| InitError::Io { path: path.to_owned(), source })
}

fn write_new(root: &Path, path: &str, bytes: &[u8]) -> Result<(), InitError> {
    let full = root.join(path);
    if let Some(folder) = full.parent() {
        make_directory(folder)?;
    }
    write_whole(&full, bytes).map_err(|source| InitError::Io { path: full, source })
}

/// Writes a file so that readers see the old content or the new, never a part: beside it, synced, renamed over it. New files get mode
/// 0600; one that is replaced keeps its mode.
///
/// # Errors
/// What the file system says; the file is then as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    // The snapshot passes over names that end so.
    name.push(format!(".{}~", std::process::id()));
    let beside = path.with_file_name(name);
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).and_then(|mut file| {
        if let Ok(old) = fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    });
    if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::AlreadyExists) {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Takes back what was begun; what cannot be removed stays, and the next try says that the directory is not empty.
fn remove_all<'a>(root: &Path, paths: impl Iterator<Item = &'a String>) {
    for path in paths {
        let _ = fs::remove_file(root.join(path));
        // Only empty directories go.
        for folder in Path::new(path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
            let _ = fs::remove_dir(root.join(folder));
        }
    }
}
