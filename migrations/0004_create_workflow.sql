-- From an intent to the votes on it: workflow, its requesters, plan revisions, decisions, approval requests, votes.

CREATE TABLE workflow (
    id         TEXT    PRIMARY KEY CHECK (id GLOB 'wf_?*'),
    -- The newest plan revision.
    revision   INTEGER NOT NULL CHECK (revision >= 1),
    state      TEXT    NOT NULL CHECK (state IN ('planned', 'awaiting_approval', 'approved', 'stale', 'rejected', 'expired',
                                                 'withdrawn', 'executing', 'completed', 'failed', 'cancelled')),
    tenant     TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    family     TEXT    NOT NULL CHECK (family IN ('read_only', 'build_test', 'agent_implementation', 'deployment_runbook')),
    action     TEXT    NOT NULL,
    title      TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    FOREIGN KEY (id, revision) REFERENCES plan_revision (workflow, revision) DEFERRABLE INITIALLY DEFERRED
) STRICT;

CREATE INDEX workflow_by_state ON workflow (state, tenant, project);
CREATE INDEX workflow_by_tenant ON workflow (tenant, created_at);
CREATE INDEX workflow_by_age ON workflow (created_at);

-- All persons behind a workflow's plans. None of them votes; nobody is taken off the list.
CREATE TABLE requester (
    workflow TEXT NOT NULL REFERENCES workflow (id),
    operator TEXT NOT NULL,
    PRIMARY KEY (workflow, operator)
) STRICT, WITHOUT ROWID;

CREATE INDEX requester_by_operator ON requester (operator, workflow);

CREATE TABLE decision (
    id             TEXT    PRIMARY KEY CHECK (id GLOB 'de_?*'),
    -- NULL for a denied plan: there is no workflow then.
    workflow       TEXT    REFERENCES workflow (id),
    entry          TEXT    NOT NULL CHECK (entry IN ('plan', 'admit', 'skip', 'launch', 'autorun')),
    rules_revision INTEGER NOT NULL REFERENCES rules_revision (revision),
    input_digest   TEXT    NOT NULL CHECK (length(input_digest) = 71 AND input_digest GLOB 'sha256:*'),
    input          TEXT    NOT NULL CHECK (json_type(input) = 'object'),
    decision       TEXT    NOT NULL CHECK (json_type(decision) = 'object'),
    at             INTEGER NOT NULL
) STRICT;

CREATE INDEX decision_of_workflow ON decision (workflow, at) WHERE workflow IS NOT NULL;

CREATE TRIGGER decision_no_update BEFORE UPDATE ON decision
BEGIN
    SELECT RAISE(ABORT, 'decisions never change');
END;

CREATE TRIGGER decision_no_delete BEFORE DELETE ON decision
BEGIN
    SELECT RAISE(ABORT, 'decisions are never deleted');
END;

CREATE TABLE plan_revision (
    workflow   TEXT    NOT NULL REFERENCES workflow (id),
    revision   INTEGER NOT NULL CHECK (revision >= 1),
    -- The digest of the canonical document is the digest of its blob.
    plan_hash  TEXT    NOT NULL REFERENCES blob (digest),
    decision   TEXT    NOT NULL REFERENCES decision (id),
    risk       TEXT    NOT NULL CHECK (risk IN ('low', 'moderate', 'elevated', 'high')),
    created_at INTEGER NOT NULL,
    -- When it may no longer be run; NULL is never.
    expires_at INTEGER,
    PRIMARY KEY (workflow, revision)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER plan_revision_no_update BEFORE UPDATE ON plan_revision
BEGIN
    SELECT RAISE(ABORT, 'plan revisions never change: plan again');
END;

CREATE TRIGGER plan_revision_no_delete BEFORE DELETE ON plan_revision
BEGIN
    SELECT RAISE(ABORT, 'plan revisions are never deleted');
END;

CREATE TABLE approval_request (
    id         TEXT    PRIMARY KEY CHECK (id GLOB 'ap_?*'),
    workflow   TEXT    NOT NULL,
    revision   INTEGER NOT NULL,
    role_group TEXT    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('approval', 'confirmation')),
    quorum     INTEGER NOT NULL CHECK (quorum >= 1),
    state      TEXT    NOT NULL CHECK (state IN ('pending', 'approved', 'rejected', 'expired', 'superseded')),
    reasons    TEXT    NOT NULL CHECK (json_type(reasons) = 'array'),
    -- The captured tree that it is bound to, where the work turned out riskier than approved; NULL for the plan itself.
    tree       TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    FOREIGN KEY (workflow, revision) REFERENCES plan_revision (workflow, revision)
) STRICT;

CREATE UNIQUE INDEX approval_request_once ON approval_request (workflow, revision, role_group, kind, coalesce(tree, ''))
    WHERE state IN ('pending', 'approved');
CREATE INDEX approval_request_pending ON approval_request (created_at) WHERE state = 'pending';

CREATE TABLE vote (
    request      TEXT    NOT NULL REFERENCES approval_request (id),
    operator     TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    choice       TEXT    NOT NULL CHECK (choice IN ('approve', 'reject')),
    proof        TEXT    NOT NULL CHECK (proof IN ('asserted', 'unix_peer', 'telegram', 'web_session')),
    -- What the voter was shown.
    shown_digest TEXT    NOT NULL CHECK (length(shown_digest) = 71 AND shown_digest GLOB 'sha256:*'),
    -- Of the token, never the token: one works once.
    token_digest TEXT    NOT NULL UNIQUE CHECK (length(token_digest) = 71 AND token_digest GLOB 'sha256:*'),
    at           INTEGER NOT NULL,
    reason       TEXT,
    PRIMARY KEY (request, operator)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER vote_no_update BEFORE UPDATE ON vote
BEGIN
    SELECT RAISE(ABORT, 'votes never change');
END;

CREATE TRIGGER vote_no_delete BEFORE DELETE ON vote
BEGIN
    SELECT RAISE(ABORT, 'votes are never deleted');
END;

CREATE TRIGGER vote_not_by_requester BEFORE INSERT ON vote
WHEN EXISTS (
    SELECT 1 FROM approval_request AS asked JOIN requester ON requester.workflow = asked.workflow
    WHERE asked.id = NEW.request AND asked.kind = 'approval' AND requester.operator = NEW.operator
)
BEGIN
    SELECT RAISE(ABORT, 'a requester does not vote on the own plan');
END;

CREATE TRIGGER vote_one_group BEFORE INSERT ON vote
WHEN NEW.choice = 'approve' AND EXISTS (
    SELECT 1 FROM approval_request AS asked
    JOIN approval_request AS other
      ON other.workflow = asked.workflow AND other.revision = asked.revision AND other.tree IS asked.tree AND other.id <> asked.id
    JOIN vote ON vote.request = other.id
    WHERE asked.id = NEW.request AND other.state IN ('pending', 'approved')
      AND vote.operator = NEW.operator AND vote.choice = 'approve'
)
BEGIN
    SELECT RAISE(ABORT, 'one person counts for one role group of a workflow');
END;
