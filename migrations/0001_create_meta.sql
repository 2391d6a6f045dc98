-- What this database is, who owns it now, and how it came to its schema.

CREATE TABLE meta (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    installation TEXT    NOT NULL CHECK (installation GLOB 'in_?*'),
    -- The root as it was named at creation: for messages. The installation decides.
    root         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    -- Counts ownerships. A write of an earlier one does not land.
    generation   INTEGER NOT NULL CHECK (generation >= 0)
) STRICT;

CREATE TRIGGER meta_stays BEFORE DELETE ON meta
BEGIN
    SELECT RAISE(ABORT, 'meta is never deleted');
END;

CREATE TRIGGER meta_identity BEFORE UPDATE ON meta
WHEN NEW.installation IS NOT OLD.installation OR NEW.created_at IS NOT OLD.created_at OR NEW.generation < OLD.generation
BEGIN
    SELECT RAISE(ABORT, 'installation and creation never change, generations only grow');
END;

CREATE TABLE migration (
    number     INTEGER PRIMARY KEY CHECK (number >= 1),
    name       TEXT    NOT NULL UNIQUE,
    digest     TEXT    NOT NULL CHECK (length(digest) = 71 AND digest GLOB 'sha256:*'),
    applied_at INTEGER NOT NULL
) STRICT;
