-- The only event log: append-only and hash-chained. The triggers stop mistakes; the chain shows whoever went around them.
-- INSERT OR REPLACE would delete without a DELETE trigger: `recursive_triggers` and `audit_in_order` both close that hole.

CREATE TABLE audit (
    seq       INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    kind      TEXT    NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    actor     TEXT    NOT NULL CHECK (json_valid(actor)),
    tenant    TEXT,
    project   TEXT,
    workflow  TEXT,
    execution TEXT,
    body      TEXT    NOT NULL CHECK (json_type(body) = 'object'),
    prev      TEXT    NOT NULL CHECK (length(prev) = 71 AND prev GLOB 'sha256:*'),
    hash      TEXT    NOT NULL UNIQUE CHECK (length(hash) = 71 AND hash GLOB 'sha256:*')
) STRICT;

CREATE INDEX audit_of_workflow ON audit (workflow, seq) WHERE workflow IS NOT NULL;

-- The newest event, in a row of its own: events that were cut off the end are missed.
CREATE TABLE audit_head (
    id   INTEGER PRIMARY KEY CHECK (id = 1),
    seq  INTEGER NOT NULL CHECK (seq >= 0),
    hash TEXT    NOT NULL CHECK (length(hash) = 71 AND hash GLOB 'sha256:*')
) STRICT;

INSERT INTO audit_head (id, seq, hash)
VALUES (1, 0, 'sha256:0000000000000000000000000000000000000000000000000000000000000000');

CREATE TRIGGER audit_in_order BEFORE INSERT ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit events are appended in order')
    WHERE NEW.seq IS NOT (SELECT seq + 1 FROM audit_head)
       OR NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit)
       OR NEW.prev IS NOT (SELECT hash FROM audit_head);
END;

CREATE TRIGGER audit_moves_head AFTER INSERT ON audit
BEGIN
    UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash;
END;

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit events never change');
END;

CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit events are never deleted');
END;

CREATE TRIGGER audit_head_one_row BEFORE INSERT ON audit_head
BEGIN
    SELECT RAISE(ABORT, 'the audit has one head');
END;

CREATE TRIGGER audit_head_follows BEFORE UPDATE ON audit_head
WHEN NEW.id IS NOT 1
  OR NEW.seq IS NOT OLD.seq + 1
  OR NEW.hash IS NOT (SELECT hash FROM audit WHERE seq = NEW.seq)
BEGIN
    SELECT RAISE(ABORT, 'the head follows the audit');
END;

CREATE TRIGGER audit_head_stays BEFORE DELETE ON audit_head
BEGIN
    SELECT RAISE(ABORT, 'the audit has one head');
END;
