-- Content by digest, and the rules: every revision that was ever in force, the one that is, the candidate that may be next.

CREATE TABLE blob (
    digest     TEXT    PRIMARY KEY CHECK (length(digest) = 71 AND digest GLOB 'sha256:*'),
    media_type TEXT    NOT NULL CHECK (length(media_type) BETWEEN 1 AND 128),
    bytes      BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER blob_no_update BEFORE UPDATE ON blob
BEGIN
    SELECT RAISE(ABORT, 'content never changes under its digest');
END;

-- Under `recursive_triggers` this stops INSERT OR REPLACE as well.
CREATE TRIGGER blob_no_delete BEFORE DELETE ON blob
BEGIN
    SELECT RAISE(ABORT, 'content is kept as long as something may name it');
END;

CREATE TABLE rules_revision (
    revision     INTEGER PRIMARY KEY CHECK (revision >= 1),
    digest       TEXT    NOT NULL CHECK (length(digest) = 71 AND digest GLOB 'sha256:*'),
    -- Path under the root to the digest of its content.
    files        TEXT    NOT NULL CHECK (json_type(files) = 'object'),
    activated_at INTEGER NOT NULL,
    activated_by TEXT    NOT NULL CHECK (json_type(activated_by) = 'object')
) STRICT;

CREATE TRIGGER rules_revision_in_order BEFORE INSERT ON rules_revision
WHEN NEW.revision IS NOT (SELECT coalesce(max(revision), 0) + 1 FROM rules_revision)
BEGIN
    SELECT RAISE(ABORT, 'rules revisions are appended in order');
END;

CREATE TRIGGER rules_revision_no_update BEFORE UPDATE ON rules_revision
BEGIN
    SELECT RAISE(ABORT, 'rules revisions never change');
END;

CREATE TRIGGER rules_revision_no_delete BEFORE DELETE ON rules_revision
BEGIN
    SELECT RAISE(ABORT, 'rules revisions are never deleted');
END;

CREATE TABLE rules_active (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    revision INTEGER NOT NULL REFERENCES rules_revision (revision)
) STRICT;

CREATE TABLE rules_candidate (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    -- NULL where it could not even be read.
    digest      TEXT    CHECK (length(digest) = 71 AND digest GLOB 'sha256:*'),
    files       TEXT    NOT NULL CHECK (json_type(files) = 'object'),
    seen_at     INTEGER NOT NULL,
    problems    TEXT    NOT NULL CHECK (json_type(problems) = 'array'),
    proposed_by TEXT,
    CHECK (proposed_by IS NULL OR (digest IS NOT NULL AND json_array_length(problems) = 0))
) STRICT;
