-- The one run of a plan revision: execution, its phase runs, what guests answered, its launches.

CREATE TABLE execution (
    id                  TEXT    PRIMARY KEY CHECK (id GLOB 'ex_?*'),
    workflow            TEXT    NOT NULL,
    revision            INTEGER NOT NULL,
    idempotency_key     TEXT    NOT NULL CHECK (length(idempotency_key) BETWEEN 1 AND 200),
    request_digest      TEXT    NOT NULL CHECK (length(request_digest) = 71 AND request_digest GLOB 'sha256:*'),
    state               TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'paused', 'interrupted', 'completed', 'failed',
                                                          'cancelled')),
    paused_reason       TEXT    CHECK (paused_reason IN ('approval', 'question', 'usage_limit', 'budget', 'freeze', 'operator')),
    -- The ownership that wrote its state last.
    generation          INTEGER NOT NULL CHECK (generation >= 0),
    created_by          TEXT    NOT NULL CHECK (json_type(created_by) = 'object'),
    created_at          INTEGER NOT NULL,
    updated_at          INTEGER NOT NULL,
    started_at          INTEGER,
    ended_at            INTEGER,
    cancel_requested_at INTEGER,
    cancel_requested_by TEXT    CHECK (cancel_requested_by IS NULL OR json_type(cancel_requested_by) = 'object'),
    cancel_reason       TEXT,
    result              TEXT    CHECK (result IS NULL OR json_type(result) = 'object'),
    UNIQUE (workflow, idempotency_key),
    FOREIGN KEY (workflow, revision) REFERENCES plan_revision (workflow, revision),
    CHECK ((state = 'paused') = (paused_reason IS NOT NULL)),
    CHECK ((cancel_requested_at IS NULL) = (cancel_requested_by IS NULL)),
    CHECK ((state IN ('completed', 'failed', 'cancelled')) = (ended_at IS NOT NULL)),
    CHECK ((state IN ('completed', 'failed', 'cancelled')) = (result IS NOT NULL))
) STRICT;

-- What was approved runs once at a time: a revision is not run again while a run of the workflow is not over.
CREATE UNIQUE INDEX execution_one_live ON execution (workflow) WHERE state NOT IN ('completed', 'failed', 'cancelled');
CREATE INDEX execution_by_age ON execution (created_at);

CREATE TABLE phase_run (
    id         TEXT    PRIMARY KEY CHECK (id GLOB 'ph_?*'),
    execution  TEXT    NOT NULL REFERENCES execution (id),
    -- Its place in the pipeline, from 0.
    place      INTEGER NOT NULL CHECK (place >= 0),
    phase      TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'skipped', 'running', 'blocked', 'paused', 'completed', 'failed',
                                                 'interrupted', 'cancelled')),
    -- The newest attempt, 0 before the first, and how many the contract allows.
    attempt    INTEGER NOT NULL CHECK (attempt >= 0),
    attempts   INTEGER NOT NULL CHECK (attempts >= 1),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at   INTEGER,
    tree       TEXT,
    output     TEXT    CHECK (output IS NULL OR json_valid(output)),
    reasons    TEXT    NOT NULL CHECK (json_type(reasons) = 'array'),
    UNIQUE (execution, phase),
    UNIQUE (execution, place)
) STRICT;

CREATE TABLE guest_result (
    id         TEXT    PRIMARY KEY CHECK (id GLOB 'gr_?*'),
    phase_run  TEXT    NOT NULL REFERENCES phase_run (id),
    attempt    INTEGER NOT NULL CHECK (attempt >= 0),
    position   TEXT    NOT NULL CHECK (position IN ('pre_hook', 'pre_gate', 'validator', 'post_gate', 'post_hook')),
    guest      TEXT    NOT NULL,
    module     TEXT    NOT NULL CHECK (length(module) = 71 AND module GLOB 'sha256:*'),
    mode       TEXT    NOT NULL CHECK (mode IN ('blocking', 'advisory')),
    outcome    TEXT    NOT NULL CHECK (outcome IN ('pass', 'fail', 'ask', 'not_applicable', 'effects', 'valid', 'invalid', 'fault')),
    verdict    TEXT    CHECK (verdict IS NULL OR json_type(verdict) = 'object'),
    fault      TEXT    CHECK (fault IS NULL OR json_type(fault) = 'object'),
    detail     TEXT    CHECK (detail IS NULL OR json_valid(detail)),
    cost       TEXT    NOT NULL CHECK (json_type(cost) = 'object'),
    at         INTEGER NOT NULL,
    -- A fault is never a verdict.
    CHECK ((outcome = 'fault') = (fault IS NOT NULL)),
    CHECK ((outcome IN ('pass', 'fail', 'ask', 'not_applicable')) = (verdict IS NOT NULL))
) STRICT;

CREATE INDEX guest_result_of_phase_run ON guest_result (phase_run, at);

CREATE TRIGGER guest_result_no_update BEFORE UPDATE ON guest_result
BEGIN
    SELECT RAISE(ABORT, 'answers of guests never change');
END;

CREATE TRIGGER guest_result_no_delete BEFORE DELETE ON guest_result
BEGIN
    SELECT RAISE(ABORT, 'answers of guests are never deleted');
END;

CREATE TABLE worker_run (
    id             TEXT    PRIMARY KEY CHECK (id GLOB 'wr_?*'),
    phase_run      TEXT    NOT NULL REFERENCES phase_run (id),
    attempt        INTEGER NOT NULL CHECK (attempt >= 0),
    purpose        TEXT    NOT NULL CHECK (purpose IN ('prepare', 'command', 'verify', 'worker', 'runbook')),
    state          TEXT    NOT NULL CHECK (state IN ('intended', 'launching', 'running', 'exited', 'lost', 'killed')),
    -- The ownership under which it was launched. It dies with that.
    generation     INTEGER NOT NULL CHECK (generation >= 0),
    plan           TEXT    NOT NULL CHECK (json_type(plan) = 'object'),
    -- The supervisor's process id, once launched.
    pid            INTEGER CHECK (pid > 0),
    report         TEXT    CHECK (report IS NULL OR json_type(report) = 'object'),
    refused        TEXT,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    last_output_at INTEGER
) STRICT;

CREATE INDEX worker_run_of_phase_run ON worker_run (phase_run, created_at);
CREATE INDEX worker_run_live ON worker_run (generation) WHERE state IN ('intended', 'launching', 'running');
CREATE INDEX worker_run_by_age ON worker_run (created_at);
