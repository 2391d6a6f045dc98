-- What keeps intents idempotent, the clock at work, channels informed, and what operators switch on and off.

CREATE TABLE idempotency (
    operator       TEXT    NOT NULL,
    intent         TEXT    NOT NULL,
    key            TEXT    NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
    request_digest TEXT    NOT NULL CHECK (length(request_digest) = 71 AND request_digest GLOB 'sha256:*'),
    answer         TEXT    NOT NULL CHECK (json_valid(answer)),
    at             INTEGER NOT NULL,
    PRIMARY KEY (operator, intent, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE freeze (
    id        TEXT    PRIMARY KEY CHECK (id GLOB 'fz_?*'),
    scope     TEXT    NOT NULL CHECK (scope IN ('all', 'tenant', 'project')),
    -- The tenant or project; NULL for all.
    name      TEXT,
    reason    TEXT    NOT NULL,
    frozen_by TEXT    NOT NULL CHECK (json_type(frozen_by) = 'object'),
    since     INTEGER NOT NULL,
    lifted_at INTEGER,
    lifted_by TEXT    CHECK (lifted_by IS NULL OR json_type(lifted_by) = 'object'),
    CHECK ((scope = 'all') = (name IS NULL)),
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
) STRICT;

CREATE UNIQUE INDEX freeze_in_force ON freeze (scope, coalesce(name, '')) WHERE lifted_at IS NULL;

CREATE TABLE timer (
    kind    TEXT    NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    subject TEXT    NOT NULL,
    due_at  INTEGER NOT NULL,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;

CREATE INDEX timer_due ON timer (due_at);

-- What channels are told, in order. AUTOINCREMENT: a place is never given twice, even after old ones are cleared.
CREATE TABLE outbox (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT    NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    workflow   TEXT    REFERENCES workflow (id),
    payload    TEXT    NOT NULL CHECK (json_type(payload) = 'object'),
    created_at INTEGER NOT NULL
) STRICT;

-- An accepted exception from a rule of a project.
CREATE TABLE waiver (
    project       TEXT    NOT NULL,
    code          TEXT    NOT NULL,
    justification TEXT    NOT NULL CHECK (length(justification) > 0),
    approver      TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL CHECK (expires_at > created_at),
    PRIMARY KEY (project, code, created_at)
) STRICT, WITHOUT ROWID;
