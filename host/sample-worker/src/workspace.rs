//! Files of the workspace, never through a link.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::patch::{FilePatch, Kind, check_path};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 4 << 20;

/// What is to be written, found to be possible.
struct Write {
    path: String,
    kind: Kind,
    content: String,
}

/// Applies the patch to the files under `root`: as a whole, or not at all as far as can be seen before.
pub(crate) fn apply(root: &Path, patch: &[FilePatch]) -> Result<(), String> {
    let writes = patch.iter().map(|file| prepare(root, file)).collect::<Result<Vec<_>, _>>()?;
    writes.iter().try_for_each(|write| carry_out(root, write).map_err(|error| format!("cannot write `{}`: {error}", write.path)))
}

/// A text file.
pub(crate) fn read(root: &Path, path: &str) -> Result<String, String> {
    check_path(path)?;
    let whole = place(root, path)?.ok_or_else(|| format!("there is no `{path}`"))?;
    let mut bytes = Vec::new();
    let read = File::open(whole).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    read.map_err(|error| format!("cannot read `{path}`: {error}"))?;
    if bytes.len() as u64 > MAX_FILE || bytes.contains(&0) {
        return Err(format!("`{path}` is too large, or no text"));
    }
    String::from_utf8(bytes).map_err(|_| format!("`{path}` is no text"))
}

fn prepare(root: &Path, file: &FilePatch) -> Result<Write, String> {
    let path = &file.path;
    let old = match file.kind {
        Kind::Create { .. } if place(root, path)?.is_some() => return Err(format!("`{path}` is there already")),
        Kind::Create { .. } => String::new(),
        Kind::Modify | Kind::Delete => read(root, path)?,
    };
    let content = file.apply(&old)?;
    if file.kind == Kind::Delete && !content.is_empty() {
        return Err(format!("the patch deletes `{path}`, which has more lines than it knows"));
    }
    Ok(Write { path: path.clone(), kind: file.kind, content })
}

fn carry_out(root: &Path, write: &Write) -> io::Result<()> {
    let whole = root.join(&write.path);
    match write.kind {
        Kind::Delete => fs::remove_file(whole),
        Kind::Modify => fs::write(whole, &write.content),
        Kind::Create { executable } => {
            whole.parent().map_or(Ok(()), fs::create_dir_all)?;
            let mode = if executable { 0o755 } else { 0o644 };
            OpenOptions::new().write(true).create_new(true).mode(mode).open(whole)?.write_all(write.content.as_bytes())
        }
    }
}

/// The regular file at `path`; `None` where there is nothing. A link or anything else on the way is refused.
fn place(root: &Path, path: &str) -> Result<Option<PathBuf>, String> {
    let mut whole = root.to_owned();
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        whole.push(part);
        let kind = match fs::symlink_metadata(&whole) {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("cannot look at `{path}`: {error}")),
        };
        let fits = if parts.peek().is_some() { kind.is_dir() } else { kind.is_file() };
        if !fits {
            return Err(format!("`{path}` goes through a link, or is no file"));
        }
    }
    Ok(Some(whole))
}
