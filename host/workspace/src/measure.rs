//! How large a commit is, before it is checked out. A tree may name one file, or one tree, as often as it likes: a repository of a few
//! kilobytes can be a checkout that fills every disk.

use crate::capture::tree_record;
use crate::git::{ANSWER_BYTES, object_id, records};
use crate::repository::OwnRepository;
use crate::{CheckoutExcess, CollectionLimits, Result, WorkspaceError, Workspaces, blocking, shown};

const WHAT: &str = "measure a commit";

/// The longest path below a checkout, in bytes: with the checkout's own path in front a system call still takes it.
const PATH_BYTES: usize = 2048;

/// The most parts of a path.
const PATH_DEPTH: usize = 128;

/// Bytes of a listing that an entry may take on average. Git is stopped where there are more.
const RECORD_BYTES: usize = 256;

impl Workspaces {
    /// Refuses a commit that would pass a bound of [`CollectionLimits`].
    ///
    /// # Errors
    /// [`WorkspaceError::TooLarge`], and what git says.
    pub(crate) async fn must_fit(&self, own: &OwnRepository, commit: &str) -> Result<()> {
        let limits = self.limits;
        let bound = limits.checkout_entries.saturating_mul(RECORD_BYTES).clamp(1 << 20, ANSWER_BYTES);
        // With `-t`, because trees of nothing but trees would keep git going and list nothing.
        let args = ["ls-tree", "-r", "-t", "-l", "-z", "--full-tree", object_id(commit)?];
        let (listing, cut) = self.on(WHAT, own).args(args).run_cut(bound).await?;
        let commit = commit.to_owned();
        blocking(move || match excess(&listing, &limits)?.or(cut.then_some(CheckoutExcess::Listing { bound })) {
            Some(why) => Err(WorkspaceError::TooLarge { commit, why }),
            None => Ok(()),
        })
        .await
    }
}

/// The first bound that a listing passes. What stands after its last NUL is half a record.
fn excess(listing: &[u8], limits: &CollectionLimits) -> Result<Option<CheckoutExcess>> {
    let (most_bytes, most_entries) = (limits.checkout_bytes, limits.checkout_entries);
    let whole = listing.iter().rposition(|byte| *byte == 0).map_or(0, |end| end + 1);
    let (mut bytes, mut entries) = (0u64, 0usize);
    for record in records(&listing[..whole]) {
        let (path, tracked) = tree_record(record).ok_or(WorkspaceError::Answer { what: WHAT })?;
        bytes = bytes.saturating_add(tracked.bytes);
        entries += 1;
        if bytes > most_bytes {
            return Ok(Some(CheckoutExcess::Bytes { bound: most_bytes }));
        }
        if entries > most_entries {
            return Ok(Some(CheckoutExcess::Entries { bound: most_entries }));
        }
        if path.len() > PATH_BYTES || path.split(|byte| *byte == b'/').count() > PATH_DEPTH {
            return Ok(Some(CheckoutExcess::Path { path: shown(&path), bytes: PATH_BYTES, depth: PATH_DEPTH }));
        }
    }
    Ok(None)
}
