//! The proof that a checkout holds what the id of its commit says. Git believes the names under which it finds objects, and ORC borrows the
//! project's: whoever can write there can put other content under a name that was reviewed. So the commit, its trees and every file that
//! was checked out are hashed here, by their content alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use orc_domain::untrusted::Untrusted;
use rustix::fs::FileType;
use sha1_checked::{CollisionResult, Sha1};
use sha2::{Digest as _, Sha256};

use crate::git::{ANSWER_BYTES, object_id, records};
use crate::repository::{ObjectFormat, OwnRepository};
use crate::walk::{Entry, RelPath, walk};
use crate::{CheckoutExcess, Result, WorkspaceError, Workspaces, beneath, blocking, shown};

/// What stands for a file of a proved tree.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Expected {
    kind: Kind,
    id: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File { executable: bool },
    Link,
}

/// The files of a commit, each with the id that its content must have.
type Expectation = BTreeMap<RelPath, Expected>;

/// Trees by id, as bytes that were hashed.
type Trees = BTreeMap<String, Vec<u8>>;

impl Workspaces {
    /// Proves that a checkout into which nobody has written yet is its commit, no more and no less.
    ///
    /// # Errors
    /// [`WorkspaceError::Altered`], naming the first path or object that is not what its id says; and what git and the disk say.
    pub(crate) async fn prove(&self, own: &OwnRepository, path: &Path, commit: &str) -> Result<()> {
        let (root, trees) = self.proved_trees(own, commit).await?;
        let (path, commit, format, limits) = (path.to_owned(), commit.to_owned(), own.format, self.limits);
        blocking(move || {
            let expected = expectation(&trees, &root, format, limits.checkout_entries, &commit)?;
            match first_difference(&path, limits.entries, &expected, format)? {
                Some(what) => Err(WorkspaceError::Altered { commit, what: shown(&what) }),
                None => Ok(()),
            }
        })
        .await
    }

    /// The root tree that a commit names, and all trees below it, hashed.
    async fn proved_trees(&self, own: &OwnRepository, commit: &str) -> Result<(String, Trees)> {
        let altered = |id: &str| WorkspaceError::Altered { commit: commit.to_owned(), what: Untrusted::new(id) };
        let answer = self.on("read a commit", own).args(["cat-file", "commit", object_id(commit)?]).run_or(&[1, 128]).await?;
        let proved = answer.code == 0 && hash(own.format, "commit", &answer.stdout).as_deref() == Some(commit);
        let root = if proved { root_tree(&answer.stdout) } else { None }.ok_or_else(|| altered(commit))?;

        let what = "list the trees of a commit";
        let listed = self.on(what, own).args(["ls-tree", "-r", "-d", "-z", "--full-tree", &root]).run_or(&[1, 128]).await?;
        let mut ids: Vec<String> = records(&listed.stdout).filter_map(tree_id).collect();
        ids.push(root.clone());
        ids.sort_unstable();
        ids.dedup();
        let asked = ids.iter().flat_map(|id| [id.as_bytes(), b"\n"].concat()).collect();
        let answer = self.on("read the trees of a commit", own).args(["cat-file", "--batch"]).stdin(asked).run_or(&[1, 128]).await?;
        let format = own.format;
        let trees = blocking(move || Ok(hashed_trees(&answer.stdout, format))).await?;
        trees.map(|trees| (root, trees)).map_err(|id| altered(&id))
    }
}

/// The id of a tree in a record of `ls-tree`: `<mode> <type> <id>\t<path>`.
fn tree_id(record: &[u8]) -> Option<String> {
    let facts = std::str::from_utf8(record.split(|byte| *byte == b'\t').next()?).ok()?;
    let mut facts = facts.split_ascii_whitespace().skip(1);
    let (kind, id) = (facts.next()?, facts.next()?);
    (kind == "tree").then(|| id.to_owned())
}

fn root_tree(commit: &[u8]) -> Option<String> {
    let line = commit.split(|byte| *byte == b'\n').next()?.strip_prefix(b"tree ")?;
    let id = std::str::from_utf8(line).ok()?;
    object_id(id).ok().map(str::to_owned)
}

/// The trees in an answer of `cat-file --batch`, as far as they are what their ids say; or the id of one that is not.
fn hashed_trees(mut answer: &[u8], format: ObjectFormat) -> Result<Trees, String> {
    let mut trees = Trees::new();
    while let Some(end) = answer.iter().position(|byte| *byte == b'\n') {
        let header = String::from_utf8_lossy(&answer[..end]).into_owned();
        let mut facts = header.split(' ');
        let id = facts.next().unwrap_or_default().to_owned();
        let bytes = match (facts.next(), facts.next().and_then(|bytes| bytes.parse::<usize>().ok())) {
            (Some("tree"), Some(bytes)) => answer.get(end + 1..).and_then(|rest| rest.get(..bytes)).ok_or_else(|| id.clone())?,
            _ => return Err(id),
        };
        if hash(format, "tree", bytes).as_deref() != Some(&id) {
            return Err(id);
        }
        trees.insert(id, bytes.to_vec());
        // Behind the content stands a line break.
        answer = answer.get(end + bytes.len() + 2..).unwrap_or_default();
    }
    Ok(trees)
}

/// The files below a proved root.
fn expectation(trees: &Trees, root: &str, format: ObjectFormat, most: usize, commit: &str) -> Result<Expectation> {
    let altered = |id: &str| WorkspaceError::Altered { commit: commit.to_owned(), what: Untrusted::new(id) };
    let too_large = |why| WorkspaceError::TooLarge { commit: commit.to_owned(), why };
    let (mut found, mut seen, mut listed) = (Expectation::new(), 0, 0);
    let mut open = vec![(RelPath::new(), root.to_owned())];
    while let Some((above, id)) = open.pop() {
        let entries = trees.get(&id).and_then(|bytes| tree_entries(bytes, format)).ok_or_else(|| altered(&id))?;
        for (mode, name, id) in entries {
            let path = if above.is_empty() { name.to_vec() } else { [&above, &b"/"[..], name].concat() };
            (seen, listed) = (seen + 1, listed + path.len());
            if seen > most {
                return Err(too_large(CheckoutExcess::Entries { bound: most }));
            }
            if listed > ANSWER_BYTES {
                return Err(too_large(CheckoutExcess::Listing { bound: ANSWER_BYTES }));
            }
            match kind_of(mode) {
                Some(kind) => drop(found.insert(path, Expected { kind, id })),
                None if mode & 0o170_000 == 0o040_000 => open.push((path, id)),
                // A submodule is an empty directory: whatever lies in it is too much.
                None => {}
            }
        }
    }
    Ok(found)
}

fn kind_of(mode: u32) -> Option<Kind> {
    match mode & 0o170_000 {
        0o100_000 => Some(Kind::File { executable: mode & 0o100 != 0 }),
        0o120_000 => Some(Kind::Link),
        _ => None,
    }
}

/// `<mode> <name>\0<id>`, one behind the other.
fn tree_entries(mut bytes: &[u8], format: ObjectFormat) -> Option<Vec<(u32, &[u8], String)>> {
    let id_bytes = format.null_id().len() / 2;
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ')?;
        let mode = u32::from_str_radix(std::str::from_utf8(&bytes[..space]).ok()?, 8).ok()?;
        let rest = &bytes[space + 1..];
        let end = rest.iter().position(|byte| *byte == 0)?;
        let id = rest.get(end + 1..end + 1 + id_bytes)?;
        entries.push((mode, &rest[..end], hex(id)));
        bytes = &rest[end + 1 + id_bytes..];
    }
    Some(entries)
}

/// The first path at which a checkout is not what is expected.
fn first_difference(root: &Path, bound: usize, expected: &Expectation, format: ObjectFormat) -> Result<Option<RelPath>> {
    let found = walk(root, bound)?.entries;
    if let Some(path) = found.keys().find(|path| !expected.contains_key(*path)) {
        return Ok(Some(path.clone()));
    }
    let io = |source| WorkspaceError::Io { deed: "hash", path: root.to_owned(), source };
    let handle = beneath::open_root(root).map_err(io)?;
    for (path, expected) in expected {
        let is = match found.get(path) {
            Some(Entry::File(_)) => hash_file(handle.as_fd(), path, format).map_err(io)?,
            Some(Entry::Link { .. }) => hash_link(handle.as_fd(), path, format).map_err(io)?,
            Some(Entry::Bad(_)) | None => None,
        };
        if is.as_ref() != Some(expected) {
            return Ok(Some(path.clone()));
        }
    }
    Ok(None)
}

fn hash_file(root: BorrowedFd<'_>, path: &[u8], format: ObjectFormat) -> io::Result<Option<Expected>> {
    let file = beneath::open_file(root, path)?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    let bytes = u64::try_from(stat.st_size).unwrap_or_default();
    let id = hash_from(format, "blob", bytes, File::from(file))?;
    Ok(id.map(|id| Expected { kind: Kind::File { executable: stat.st_mode & 0o100 != 0 }, id }))
}

fn hash_link(root: BorrowedFd<'_>, path: &[u8], format: ObjectFormat) -> io::Result<Option<Expected>> {
    let cut = path.iter().rposition(|byte| *byte == b'/');
    let (parent, name) = cut.map_or((&b""[..], path), |at| (&path[..at], &path[at + 1..]));
    let target = rustix::fs::readlinkat(beneath::open_dir(root, parent)?, name, Vec::new())?;
    Ok(hash(format, "blob", target.as_bytes()).map(|id| Expected { kind: Kind::Link, id }))
}

/// The id of an object of this content; `None` where the content was made to have another's.
fn hash(format: ObjectFormat, kind: &str, bytes: &[u8]) -> Option<String> {
    hash_from(format, kind, bytes.len() as u64, bytes).ok().flatten()
}

/// The same, of content that is read; `None` too where it is not as long as it was said to be.
fn hash_from(format: ObjectFormat, kind: &str, bytes: u64, mut content: impl Read) -> io::Result<Option<String>> {
    let mut hasher = Hasher::of(format);
    hasher.update(format!("{kind} {bytes}\0").as_bytes());
    let (mut buffer, mut read) = (vec![0; 1 << 16], 0);
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return Ok(if read == bytes { hasher.id() } else { None }),
            Ok(more) => {
                read += more as u64;
                hasher.update(&buffer[..more]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Git's two hashes. Of SHA-1 the one that knows the published ways to make two contents of one id, as git's own does.
enum Hasher {
    Sha1(Box<Sha1>),
    Sha256(Sha256),
}

impl Hasher {
    fn of(format: ObjectFormat) -> Self {
        match format {
            ObjectFormat::Sha1 => Self::Sha1(Box::default()),
            ObjectFormat::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hasher) => sha1_checked::Digest::update(hasher.as_mut(), bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    fn id(self) -> Option<String> {
        match self {
            Self::Sha1(hasher) => match hasher.try_finalize() {
                CollisionResult::Ok(digest) => Some(hex(&digest)),
                CollisionResult::Mitigated(_) | CollisionResult::Collision(_) => None,
            },
            Self::Sha256(hasher) => Some(hex(&hasher.finalize())),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_git() {
        // What `git hash-object` says of nothing and of `hello\n`.
        let empty = hash(ObjectFormat::Sha1, "blob", b"");
        assert_eq!(empty.as_deref(), Some("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"));
        let hello = hash(ObjectFormat::Sha1, "blob", b"hello\n");
        assert_eq!(hello.as_deref(), Some("ce013625030ba8dba906f756967f9e9ca394464a"));
        let empty = hash(ObjectFormat::Sha256, "blob", b"");
        assert_eq!(empty.as_deref(), Some("473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"));
        assert_eq!(hash_from(ObjectFormat::Sha1, "blob", 7, &b"hello\n"[..]).unwrap(), None, "shorter than it was");
    }

    #[test]
    fn a_tree_is_read_entry_by_entry_or_not_at_all() {
        let id = [0xab; 20];
        let tree = [&b"100664 old\0"[..], &id, b"40000 dir\0", &id, b"160000 sub\0", &id].concat();
        let entries = tree_entries(&tree, ObjectFormat::Sha1).unwrap();
        let names: Vec<_> = entries.iter().map(|(mode, name, _)| (*mode, *name)).collect();
        assert_eq!(names, [(0o100_664, &b"old"[..]), (0o040_000, b"dir"), (0o160_000, b"sub")]);
        for end in [1, 8, tree.len() - 1] {
            assert_eq!(tree_entries(&tree[..end], ObjectFormat::Sha1), None, "cut at {end}");
        }
    }

    #[test]
    fn trees_that_are_not_what_they_are_called_are_named() {
        let empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let other = "4b825dc642cb6eb9a060e54bf8d69288fbee4905";
        let batch = |id: &str, rest: &str| hashed_trees(format!("{id} {rest}").as_bytes(), ObjectFormat::Sha1);
        assert_eq!(batch(empty, "tree 0\n\n").unwrap().len(), 1);
        for (id, rest) in [(other, "tree 0\n\n"), (empty, "blob 0\n\n"), (empty, "missing\n"), (empty, "tree 9\n\n")] {
            assert_eq!(batch(id, rest), Err(id.to_owned()), "{rest}");
        }
    }
}
