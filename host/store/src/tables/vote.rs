//! Votes. A token works once: its digest is unique, and the token itself is nowhere.

use std::collections::BTreeMap;

use orc_domain::api::Choice;
use orc_domain::operators::Proof;
use orc_domain::{ApprovalRequestId, Digest, OperatorName, RoleName, Timestamp, Untrusted};

use crate::record::{Record, digest, id_set};
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "vote";

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteRow {
    /// On which request.
    pub request: ApprovalRequestId,
    /// Who.
    pub operator: OperatorName,
    /// Under which role.
    pub role: RoleName,
    /// Yes or no.
    pub choice: Choice,
    /// How it was proved who voted.
    pub proof: Proof,
    /// The digest of what the voter was shown.
    pub shown_digest: Digest,
    /// The digest of the token that was used up.
    pub token_digest: Digest,
    /// When.
    pub at: Timestamp,
    /// Why, for a no.
    pub reason: Option<Untrusted>,
}

impl WriteTx<'_> {
    /// Adds a vote and uses up its token.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where the token is used, the operator voted on this request, is a requester of what is to be approved, or
    /// counts for another group of the plan revision already. The engine says each of these better, before; this is the second lock.
    pub fn insert_vote(&mut self, vote: &VoteRow) -> Result<(), StoreError> {
        self.connection().execute(
            "INSERT INTO vote (request, operator, role, choice, proof, shown_digest, token_digest, at, reason)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            (
                vote.request.as_str(),
                vote.operator.as_str(),
                vote.role.as_str(),
                vote.choice.as_str(),
                vote.proof.as_str(),
                digest(&vote.shown_digest),
                digest(&vote.token_digest),
                vote.at.0,
                vote.reason.as_ref().map(Untrusted::raw),
            ),
        )?;
        Ok(())
    }
}

impl ReadTx<'_> {
    /// The votes on these requests, oldest first; requests without any are left out.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn votes_of(&self, requests: &[ApprovalRequestId]) -> Result<BTreeMap<ApprovalRequestId, Vec<VoteRow>>, StoreError> {
        let sql = "SELECT * FROM vote WHERE request IN (SELECT value FROM json_each(?1)) ORDER BY at, operator";
        let mut votes: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for vote in self.list(TABLE, sql, [id_set(requests)?], vote)? {
            votes.entry(vote.request.clone()).or_default().push(vote);
        }
        Ok(votes)
    }
}

fn vote(row: &Record<'_>) -> Result<VoteRow, StoreError> {
    Ok(VoteRow {
        request: row.text("request")?,
        operator: row.text("operator")?,
        role: row.text("role")?,
        choice: row.text("choice")?,
        proof: row.text("proof")?,
        shown_digest: row.text("shown_digest")?,
        token_digest: row.text("token_digest")?,
        at: row.time("at")?,
        reason: row.raw::<Option<String>>("reason")?.map(Untrusted::new),
    })
}
