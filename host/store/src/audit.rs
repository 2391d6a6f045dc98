//! The audit: appended inside the transaction that did what it says, chained by hash, verified from the stored bytes.

use std::collections::BTreeMap;

use orc_domain::api::{AuditBreak, AuditProof};
use orc_domain::audit::{Event, EventKind, GENESIS, NewEvent, Subject, event_hash, stored_event_hash};
use orc_domain::{Digest, WorkflowId, canonical_json};

use crate::record::{Record, column, digest, json};
use crate::{ReadTx, StoreError, WriteTx};

const TABLE: &str = "audit";

const STATEMENT: &str = "Every event from the first to the head follows from the one before: none was changed, removed, inserted or moved without \
    recomputing all that follow. Compare the head with one noted outside this database: without that, whoever can write the file could have cut \
    off the newest events or rewritten the chain. It says nothing about events that were never written.";

/// The newest event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// Its place; 0 before the first.
    pub seq: u64,
    /// Its hash.
    pub hash: Digest,
}

/// The newest events of a workflow, or of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditTail {
    /// Them, oldest first.
    pub events: Vec<Event>,
    /// Older ones that were left out.
    pub left_out: u64,
}

impl WriteTx<'_> {
    /// Appends an event and gives it its place, time and hash. Where it cannot be recorded, what it is about must not happen: pass the error on.
    ///
    /// # Errors
    /// [`StoreError::Json`] where the body has no canonical form; [`StoreError::Constraint`] where it is no object.
    pub fn append(&mut self, event: NewEvent) -> Result<Event, StoreError> {
        let head = self.audit_head()?;
        let (seq, prev, at) = (head.seq + 1, head.hash, self.now());
        let hash = event_hash(&prev, seq, at, &event).map_err(StoreError::json("an audit event"))?;
        let subject = &event.subject;
        self.connection().execute(
            "INSERT INTO audit (seq, at, kind, actor, tenant, project, workflow, execution, body, prev, hash)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            rusqlite::params![
                column(seq),
                at.0,
                event.kind.as_str(),
                json("an actor", &event.actor)?,
                subject.tenant.as_ref().map(|name| name.as_str()),
                subject.project.as_ref().map(|name| name.as_str()),
                subject.workflow.as_ref().map(WorkflowId::as_str),
                subject.execution.as_ref().map(|id| id.as_str()),
                json("an audit event", &event.body)?,
                digest(&prev),
                digest(&hash),
            ],
        )?;
        let NewEvent { kind, actor, subject, body } = event;
        Ok(Event { seq, at, kind, actor, subject, body, prev, hash })
    }
}

impl ReadTx<'_> {
    /// The newest event's place and hash: what to note outside the database.
    ///
    /// # Errors
    /// What the disk says.
    pub fn audit_head(&self) -> Result<AuditHead, StoreError> {
        let head = self.first("audit_head", "SELECT seq, hash FROM audit_head", [], |row| {
            Ok(AuditHead { seq: row.number("seq")?, hash: row.text("hash")? })
        })?;
        head.ok_or_else(|| StoreError::Damaged { table: "audit_head", column: "seq", why: "the row is gone".to_owned() })
    }

    /// Events after a place, oldest first, at most `limit`; of one workflow or of all.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where an event cannot be read.
    pub fn events(&self, after: u64, workflow: Option<&WorkflowId>, limit: u32) -> Result<Vec<Event>, StoreError> {
        let after = column(after);
        match workflow {
            None => self.list(TABLE, "SELECT * FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2", (after, limit), event),
            Some(id) => self.list(
                TABLE,
                "SELECT * FROM audit WHERE workflow = ?3 AND seq > ?1 ORDER BY seq LIMIT ?2",
                (after, limit, id.as_str()),
                event,
            ),
        }
    }

    /// The newest events of these kinds, newest first.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read.
    pub fn newest_of(&self, kinds: &[EventKind], limit: u32) -> Result<Vec<Event>, StoreError> {
        let sql = "SELECT * FROM audit WHERE kind IN (SELECT value FROM json_each(?1)) ORDER BY seq DESC LIMIT ?2";
        self.list(TABLE, sql, (crate::record::id_set(kinds)?, limit), event)
    }

    /// The newest events of a kind, newest first, each with the content that was hashed when it was appended; of one workflow or of all. What
    /// rests on an event rests on more than a row that somebody edited. That it is in its place in the chain, [`ReadTx::verify_audit`] says.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where one cannot be read or is not what was hashed.
    pub fn proved(&self, kind: EventKind, workflow: Option<&WorkflowId>, limit: u32) -> Result<Vec<Event>, StoreError> {
        match workflow {
            None => {
                self.list(TABLE, "SELECT * FROM audit WHERE kind = ?1 ORDER BY seq DESC LIMIT ?2", (kind.as_str(), limit), proved_event)
            }
            Some(id) => {
                let sql = "SELECT * FROM audit WHERE workflow = ?3 AND kind = ?1 ORDER BY seq DESC LIMIT ?2";
                self.list(TABLE, sql, (kind.as_str(), limit, id.as_str()), proved_event)
            }
        }
    }

    /// The newest events, at most `limit`, oldest first; of one workflow or of all.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where an event cannot be read.
    pub fn newest_events(&self, workflow: Option<&WorkflowId>, limit: u32) -> Result<AuditTail, StoreError> {
        let (mut events, all) = match workflow {
            None => (self.list(TABLE, "SELECT * FROM audit ORDER BY seq DESC LIMIT ?1", [limit], event)?, self.audit_head()?.seq),
            Some(id) => (
                self.list(TABLE, "SELECT * FROM audit WHERE workflow = ?2 ORDER BY seq DESC LIMIT ?1", (limit, id.as_str()), event)?,
                self.count("SELECT count(*) FROM audit WHERE workflow = ?1", [id.as_str()])?,
            ),
        };
        events.reverse();
        let left_out = all.saturating_sub(events.len() as u64);
        Ok(AuditTail { events, left_out })
    }

    /// Verifies the whole chain, event by event, from the stored bytes; then whether head and number of events fit.
    ///
    /// # Errors
    /// What the disk says. A chain that does not fit is no error: it is [`AuditProof::broken`].
    pub fn verify_audit(&self) -> Result<AuditProof, StoreError> {
        let mut chain = Chain { seq: 0, hash: GENESIS };
        let mut statement = self.connection().prepare("SELECT * FROM audit ORDER BY seq")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let expected = chain.seq + 1;
            if let Err(why) = chain.follow(&Record::new(row, TABLE)) {
                return Ok(chain.proof(Some(AuditBreak { seq: expected, why })));
            }
        }
        let head = self.audit_head()?;
        let fits = head.seq == chain.seq && head.hash == chain.hash;
        let why = format!("the head names event {} as the newest, the chain ends at {}", head.seq, chain.seq);
        let broken = (!fits).then_some(AuditBreak { seq: chain.seq + 1, why });
        Ok(chain.proof(broken))
    }
}

struct Chain {
    seq: u64,
    hash: Digest,
}

impl Chain {
    fn follow(&mut self, row: &Record<'_>) -> Result<(), String> {
        let seq: u64 = row.number("seq").map_err(text)?;
        if seq != self.seq + 1 {
            return Err(format!("it is missing: the next event is {seq}"));
        }
        let prev: Digest = row.text("prev").map_err(text)?;
        if prev != self.hash {
            return Err("it does not follow from the event before".to_owned());
        }
        let stored: Digest = row.text("hash").map_err(text)?;
        let computed = stored_hash(row, &prev, seq).map_err(text)?;
        if stored != computed {
            return Err("its content is not what was hashed".to_owned());
        }
        *self = Self { seq, hash: stored };
        Ok(())
    }

    fn proof(&self, broken: Option<AuditBreak>) -> AuditProof {
        AuditProof { events: self.seq, head: self.hash, broken, differs: Vec::new(), statement: STATEMENT.to_owned() }
    }
}

fn text(error: StoreError) -> String {
    error.to_string()
}

fn stored_hash(row: &Record<'_>, prev: &Digest, seq: u64) -> Result<Digest, StoreError> {
    let kind: String = row.raw("kind")?;
    let actor: String = row.raw("actor")?;
    let body: String = row.raw("body")?;
    let mut subject = BTreeMap::new();
    for name in ["tenant", "project", "workflow", "execution"] {
        if let Some(value) = row.raw::<Option<String>>(name)? {
            subject.insert(name, value);
        }
    }
    let subject = canonical_json(&subject).map_err(StoreError::json("a subject"))?;
    let fields = [kind.as_bytes(), actor.as_bytes(), &subject];
    Ok(stored_event_hash(prev, seq, row.time("at")?, fields, &Digest::of(body.as_bytes())))
}

fn event(row: &Record<'_>) -> Result<Event, StoreError> {
    Ok(Event {
        seq: row.number("seq")?,
        at: row.time("at")?,
        kind: row.text("kind")?,
        actor: row.json("actor")?,
        subject: Subject {
            tenant: row.optional_text("tenant")?,
            project: row.optional_text("project")?,
            workflow: row.optional_text("workflow")?,
            execution: row.optional_text("execution")?,
        },
        body: row.json("body")?,
        prev: row.text("prev")?,
        hash: row.text("hash")?,
    })
}

fn proved_event(row: &Record<'_>) -> Result<Event, StoreError> {
    let event = event(row)?;
    if stored_hash(row, &event.prev, event.seq)? == event.hash {
        return Ok(event);
    }
    Err(StoreError::Damaged { table: TABLE, column: "hash", why: format!("the content of event {} is not what was hashed", event.seq) })
}
