-- A second lock on states. The transition functions of the domain decide; these tables stop whatever would go around them.

CREATE TABLE transition (
    machine TEXT NOT NULL,
    -- NULL: the state in which one begins.
    state   TEXT,
    next    TEXT NOT NULL,
    UNIQUE (machine, state, next)
) STRICT;

INSERT INTO transition (machine, state, next) VALUES
    ('workflow', NULL, 'planned'),
    ('workflow', 'planned', 'awaiting_approval'), ('workflow', 'planned', 'approved'),
    ('workflow', 'planned', 'withdrawn'),
    ('workflow', 'awaiting_approval', 'planned'), ('workflow', 'awaiting_approval', 'approved'),
    ('workflow', 'awaiting_approval', 'stale'), ('workflow', 'awaiting_approval', 'rejected'),
    ('workflow', 'awaiting_approval', 'expired'), ('workflow', 'awaiting_approval', 'withdrawn'),
    ('workflow', 'approved', 'planned'), ('workflow', 'approved', 'stale'), ('workflow', 'approved', 'rejected'),
    ('workflow', 'approved', 'expired'), ('workflow', 'approved', 'withdrawn'), ('workflow', 'approved', 'executing'),
    ('workflow', 'stale', 'planned'), ('workflow', 'stale', 'withdrawn'),
    ('workflow', 'rejected', 'planned'),
    ('workflow', 'expired', 'planned'),
    ('workflow', 'executing', 'completed'), ('workflow', 'executing', 'failed'), ('workflow', 'executing', 'cancelled'),
    ('workflow', 'failed', 'planned'),
    ('workflow', 'cancelled', 'planned');

INSERT INTO transition (machine, state, next) VALUES
    ('approval_request', NULL, 'pending'),
    ('approval_request', 'pending', 'approved'), ('approval_request', 'pending', 'rejected'),
    ('approval_request', 'pending', 'expired'), ('approval_request', 'pending', 'superseded'),
    ('approval_request', 'approved', 'rejected'), ('approval_request', 'approved', 'expired'),
    ('approval_request', 'approved', 'superseded');

INSERT INTO transition (machine, state, next) VALUES
    ('execution', NULL, 'queued'),
    ('execution', 'queued', 'running'), ('execution', 'queued', 'paused'), ('execution', 'queued', 'failed'),
    ('execution', 'queued', 'cancelled'),
    ('execution', 'running', 'queued'), ('execution', 'running', 'paused'), ('execution', 'running', 'interrupted'),
    ('execution', 'running', 'completed'), ('execution', 'running', 'failed'), ('execution', 'running', 'cancelled'),
    ('execution', 'paused', 'running'), ('execution', 'paused', 'interrupted'), ('execution', 'paused', 'failed'),
    ('execution', 'paused', 'cancelled'),
    ('execution', 'interrupted', 'queued'), ('execution', 'interrupted', 'running'),
    ('execution', 'interrupted', 'failed'), ('execution', 'interrupted', 'cancelled');

INSERT INTO transition (machine, state, next) VALUES
    ('phase_run', NULL, 'pending'),
    ('phase_run', 'pending', 'skipped'), ('phase_run', 'pending', 'running'), ('phase_run', 'pending', 'blocked'),
    ('phase_run', 'pending', 'failed'), ('phase_run', 'pending', 'cancelled'),
    ('phase_run', 'running', 'running'), ('phase_run', 'running', 'blocked'), ('phase_run', 'running', 'paused'),
    ('phase_run', 'running', 'completed'), ('phase_run', 'running', 'failed'), ('phase_run', 'running', 'interrupted'),
    ('phase_run', 'running', 'cancelled'),
    ('phase_run', 'paused', 'running'), ('phase_run', 'paused', 'failed'), ('phase_run', 'paused', 'interrupted'),
    ('phase_run', 'paused', 'cancelled'),
    ('phase_run', 'interrupted', 'running'), ('phase_run', 'interrupted', 'failed'),
    ('phase_run', 'interrupted', 'cancelled');

INSERT INTO transition (machine, state, next) VALUES
    ('worker_run', NULL, 'intended'),
    ('worker_run', 'intended', 'launching'), ('worker_run', 'intended', 'killed'), ('worker_run', 'intended', 'lost'),
    ('worker_run', 'launching', 'running'), ('worker_run', 'launching', 'exited'),
    ('worker_run', 'launching', 'killed'), ('worker_run', 'launching', 'lost'),
    ('worker_run', 'running', 'exited'), ('worker_run', 'running', 'killed'), ('worker_run', 'running', 'lost');

CREATE TRIGGER workflow_begins BEFORE INSERT ON workflow
WHEN NOT EXISTS (SELECT 1 FROM transition WHERE machine = 'workflow' AND state IS NULL AND next = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'workflow: not a state to begin in');
END;

CREATE TRIGGER workflow_moves BEFORE UPDATE ON workflow
WHEN NEW.state IS NOT OLD.state
 AND NOT EXISTS (SELECT 1 FROM transition WHERE machine = 'workflow' AND state = OLD.state AND next = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'workflow: not a transition');
END;

CREATE TRIGGER workflow_stays BEFORE DELETE ON workflow
BEGIN
    SELECT RAISE(ABORT, 'workflow: never deleted');
END;

CREATE TRIGGER approval_request_begins BEFORE INSERT ON approval_request
WHEN NOT EXISTS (SELECT 1 FROM transition WHERE machine = 'approval_request' AND state IS NULL AND next = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'approval_request: not a state to begin in');
END;

CREATE TRIGGER approval_request_moves BEFORE UPDATE ON approval_request
WHEN NEW.state IS NOT OLD.state
 AND NOT EXISTS (SELECT 1 FROM transition WHERE machine = 'approval_request' AND state = OLD.state AND next = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'approval_request: not a transition');
END;

CREATE TRIGGER approval_request_stays BEFORE DELETE ON approval_request
BEGIN
    SELECT RAISE(ABORT, 'approval_request: never deleted');
END;

CREATE TRIGGER execution_begins BEFORE INSERT ON execution
WHEN NOT EXISTS (SELECT 1 FROM transition WHERE machine = 'execution' AND state IS NULL AND next = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'execution: not a state to begin in');
END;

CREATE TRIGGER execution_moves BEFORE UPDATE ON execution
WHEN NEW.state IS NOT OLD.state
 AND NOT EXISTS (SELECT 1 FROM transition WHERE machine = 'execution' AND state = OLD.state AND next = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'execution: not a transition');
END;

CREATE TRIGGER execution_stays BEFORE DELETE ON execution
BEGIN
    SELECT RAISE(ABORT, 'execution: never deleted');
END;

CREATE TRIGGER phase_run_begins BEFORE INSERT ON phase_run
WHEN NOT EXISTS (SELECT 1 FROM transition WHERE machine = 'phase_run' AND state IS NULL AND next = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'phase_run: not a state to begin in');
END;

CREATE TRIGGER phase_run_moves BEFORE UPDATE ON phase_run
WHEN NEW.state IS NOT OLD.state
 AND NOT EXISTS (SELECT 1 FROM transition WHERE machine = 'phase_run' AND state = OLD.state AND next = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'phase_run: not a transition');
END;

CREATE TRIGGER phase_run_stays BEFORE DELETE ON phase_run
BEGIN
    SELECT RAISE(ABORT, 'phase_run: never deleted');
END;

CREATE TRIGGER worker_run_begins BEFORE INSERT ON worker_run
WHEN NOT EXISTS (SELECT 1 FROM transition WHERE machine = 'worker_run' AND state IS NULL AND next = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'worker_run: not a state to begin in');
END;

CREATE TRIGGER worker_run_moves BEFORE UPDATE ON worker_run
WHEN NEW.state IS NOT OLD.state
 AND NOT EXISTS (SELECT 1 FROM transition WHERE machine = 'worker_run' AND state = OLD.state AND next = NEW.state)
BEGIN
    SELECT RAISE(ABORT, 'worker_run: not a transition');
END;

CREATE TRIGGER worker_run_stays BEFORE DELETE ON worker_run
BEGIN
    SELECT RAISE(ABORT, 'worker_run: never deleted');
END;
