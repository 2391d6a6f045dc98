//! Rules revisions: every one that was in force, the one that is, the candidate.

use std::collections::BTreeMap;

use orc_domain::api::Problem;
use orc_domain::operators::Actor;
use orc_domain::{Digest, OperatorName, Timestamp};

use crate::record::{Record, column, digest, id_set, json};
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "rules_revision";

/// A rules revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesRevisionRow {
    /// Its number, from 1.
    pub revision: u64,
    /// Its digest.
    pub digest: Digest,
    /// Path under the root, with `/`, to the digest of the content; all of it is kept as blobs.
    pub files: BTreeMap<String, Digest>,
    /// When it came into force.
    pub activated_at: Timestamp,
    /// Who put it there.
    pub activated_by: Actor,
}

/// Content under the root that is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesCandidateRow {
    /// Its digest; `None` where it could not even be read.
    pub digest: Option<Digest>,
    /// Path under the root to the digest of the content.
    pub files: BTreeMap<String, Digest>,
    /// When it was seen.
    pub seen_at: Timestamp,
    /// Why it cannot come into force; empty where it can.
    pub problems: Vec<Problem>,
    /// Who proposed it, where a second person is needed. Only what can come into force can be proposed.
    pub proposed_by: Option<OperatorName>,
}

impl WriteTx<'_> {
    /// Puts content into force as a new revision, whichever was in force before, and takes the candidate away. Its files must be blobs.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where the content of a file is not kept.
    pub fn activate_rules(&mut self, key: &Digest, files: &BTreeMap<String, Digest>, by: &Actor) -> Result<RulesRevisionRow, StoreError> {
        self.require_blobs(files)?;
        let newest = self.count("SELECT coalesce(max(revision), 0) FROM rules_revision", [])?;
        let row = RulesRevisionRow {
            revision: newest + 1,
            digest: *key,
            files: files.clone(),
            activated_at: self.now(),
            activated_by: by.clone(),
        };
        self.connection().execute(
            "INSERT INTO rules_revision (revision, digest, files, activated_at, activated_by) VALUES (?1, ?2, ?3, ?4, ?5)",
            (column(row.revision), digest(key), json("rules files", files)?, row.activated_at.0, json("an actor", by)?),
        )?;
        self.connection().execute(
            "INSERT INTO rules_active (id, revision) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET revision = excluded.revision",
            [column(row.revision)],
        )?;
        self.clear_rules_candidate()?;
        Ok(row)
    }

    fn require_blobs(&self, files: &BTreeMap<String, Digest>) -> Result<(), StoreError> {
        let digests: Vec<&Digest> = files.values().collect();
        let sql = "SELECT value FROM json_each(?1) WHERE value NOT IN (SELECT digest FROM blob) LIMIT 1";
        let missing: Option<String> = self.first(TABLE, sql, [id_set(&digests)?], |row| row.raw("value"))?;
        missing.map_or(Ok(()), |id| Err(StoreError::NotFound { kind: "blob", id }))
    }

    /// Replaces the candidate.
    ///
    /// # Errors
    /// [`StoreError::Constraint`] where one with problems is proposed.
    pub fn put_rules_candidate(&mut self, candidate: &RulesCandidateRow) -> Result<(), StoreError> {
        self.connection().execute(
            "INSERT INTO rules_candidate (id, digest, files, seen_at, problems, proposed_by) VALUES (1, ?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, files = excluded.files, seen_at = excluded.seen_at,
             problems = excluded.problems, proposed_by = excluded.proposed_by",
            (
                candidate.digest.as_ref().map(digest),
                json("rules files", &candidate.files)?,
                candidate.seen_at.0,
                json("problems", &candidate.problems)?,
                candidate.proposed_by.as_ref().map(OperatorName::as_str),
            ),
        )?;
        Ok(())
    }

    /// Takes the candidate away, where there is one.
    ///
    /// # Errors
    /// What the disk says.
    pub fn clear_rules_candidate(&mut self) -> Result<(), StoreError> {
        self.connection().execute("DELETE FROM rules_candidate", [])?;
        Ok(())
    }
}

impl ReadTx<'_> {
    /// The revision in force; `None` in a new database.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it cannot be read.
    pub fn active_rules(&self) -> Result<Option<RulesRevisionRow>, StoreError> {
        self.first(TABLE, "SELECT r.* FROM rules_active AS a JOIN rules_revision AS r USING (revision)", [], revision)
    }

    /// A revision by its number.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] where there is none.
    pub fn rules_revision(&self, number: u64) -> Result<RulesRevisionRow, StoreError> {
        let found = self.first(TABLE, "SELECT * FROM rules_revision WHERE revision = ?1", [column(number)], revision)?;
        found.ok_or_else(|| StoreError::NotFound { kind: "rules revision", id: number.to_string() })
    }

    /// The newest revisions, newest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn rules_history(&self, limit: u32) -> Result<Vec<RulesRevisionRow>, StoreError> {
        self.list(TABLE, "SELECT * FROM rules_revision ORDER BY revision DESC LIMIT ?1", [limit], revision)
    }

    /// The candidate.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where it cannot be read.
    pub fn rules_candidate(&self) -> Result<Option<RulesCandidateRow>, StoreError> {
        self.first("rules_candidate", "SELECT * FROM rules_candidate", [], |row| {
            Ok(RulesCandidateRow {
                digest: row.optional_text("digest")?,
                files: row.json("files")?,
                seen_at: row.time("seen_at")?,
                problems: row.json("problems")?,
                proposed_by: row.optional_text("proposed_by")?,
            })
        })
    }
}

fn revision(row: &Record<'_>) -> Result<RulesRevisionRow, StoreError> {
    Ok(RulesRevisionRow {
        revision: row.number("revision")?,
        digest: row.text("digest")?,
        files: row.json("files")?,
        activated_at: row.time("activated_at")?,
        activated_by: row.json("activated_by")?,
    })
}
