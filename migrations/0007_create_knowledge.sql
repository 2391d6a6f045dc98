-- What is learnt about a project and what is left to do in it. Extracting the same phase run twice adds nothing.

CREATE TABLE memory_item (
    id         TEXT    PRIMARY KEY CHECK (id GLOB 'me_?*'),
    project    TEXT    NOT NULL,
    -- From a worker's words it stays proposed until an operator or a rule accepts it.
    state      TEXT    NOT NULL CHECK (state IN ('proposed', 'accepted', 'retired')),
    content    TEXT    NOT NULL,
    phase_run  TEXT    REFERENCES phase_run (id),
    ordinal    INTEGER NOT NULL CHECK (ordinal >= 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (phase_run, ordinal)
) STRICT;

CREATE INDEX memory_item_of_project ON memory_item (project, state);

CREATE TABLE memory_snapshot (
    digest     TEXT    PRIMARY KEY REFERENCES blob (digest),
    project    TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE backlog_item (
    id         TEXT    PRIMARY KEY CHECK (id GLOB 'bl_?*'),
    project    TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('open', 'planned', 'done', 'dropped')),
    title      TEXT    NOT NULL,
    detail     TEXT    NOT NULL,
    phase_run  TEXT    REFERENCES phase_run (id),
    ordinal    INTEGER NOT NULL CHECK (ordinal >= 0),
    -- The workflow that was planned from it.
    workflow   TEXT    REFERENCES workflow (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (phase_run, ordinal)
) STRICT;

CREATE INDEX backlog_item_of_project ON backlog_item (project, state);
