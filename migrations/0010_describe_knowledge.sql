-- Memory and backlog as hooks propose them. Nothing wrote to either table before.

DROP TABLE memory_item;
DROP TABLE backlog_item;
-- A snapshot is content like any other that a plan pins: a blob.
DROP TABLE memory_snapshot;

CREATE TABLE memory_item (
    id         TEXT    PRIMARY KEY CHECK (id GLOB 'me_?*'),
    project    TEXT    NOT NULL,
    -- From a worker's words it stays proposed until a person accepts it.
    state      TEXT    NOT NULL CHECK (state IN ('proposed', 'accepted', 'retired')),
    kind       TEXT    NOT NULL CHECK (kind IN ('fact', 'decision', 'convention', 'pitfall')),
    content    TEXT    NOT NULL,
    path       TEXT,
    -- Of what it says: the same is not learnt twice.
    digest     TEXT    NOT NULL CHECK (length(digest) = 71 AND digest GLOB 'sha256:*'),
    phase_run  TEXT    NOT NULL REFERENCES phase_run (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (project, digest)
) STRICT;

CREATE INDEX memory_item_of_project ON memory_item (project, state, created_at);

CREATE TABLE backlog_item (
    id         TEXT    PRIMARY KEY CHECK (id GLOB 'bl_?*'),
    project    TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('open', 'planned', 'done', 'dismissed')),
    kind       TEXT    NOT NULL CHECK (kind IN ('bug', 'security', 'debt', 'test', 'docs', 'follow_up')),
    severity   TEXT    NOT NULL CHECK (severity IN ('info', 'low', 'medium', 'high', 'critical')),
    title      TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    path       TEXT,
    digest     TEXT    NOT NULL CHECK (length(digest) = 71 AND digest GLOB 'sha256:*'),
    phase_run  TEXT    NOT NULL REFERENCES phase_run (id),
    -- The workflow that was planned from it last.
    workflow   TEXT    REFERENCES workflow (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (project, digest)
) STRICT;

CREATE INDEX backlog_item_of_project ON backlog_item (project, state, created_at);
