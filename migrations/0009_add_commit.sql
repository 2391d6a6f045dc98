-- The commit that the host made of a phase's tree; NULL for phases that leave nothing.

ALTER TABLE phase_run ADD COLUMN commit_id TEXT;
