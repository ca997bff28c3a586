-- +goose Up

-- How long a session lives without use, in microseconds. A binary of an earlier level takes twelve hours for all, and
-- ends those sooner that might idle for longer.
ALTER TABLE session ADD COLUMN idle BIGINT NOT NULL DEFAULT 43200000000;
-- Why the browser is to be given a new token of the session, '' where it is not; and until when the old one still
-- counts. A binary of an earlier level gives no new one, and asks nothing of an old one.
ALTER TABLE session ADD COLUMN renew TEXT NOT NULL DEFAULT '';
ALTER TABLE session_handle ADD COLUMN dies_at BIGINT;

-- Erased people of whom traces are still looked for in what is not theirs alone: the log, the request log, the outbox.
-- markers is what they are looked for by, JSON; the row goes when nothing is left to look through.
CREATE TABLE erasure (
	workspace_id TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	markers      TEXT NOT NULL,
	erased_at    BIGINT NOT NULL,
	-- Where the walk is: which table, behind which key, and when it began.
	step         BIGINT NOT NULL,
	cursor       TEXT NOT NULL,
	began_at     BIGINT NOT NULL,
	due_at       BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, member_id)
);
-- Across workspaces: what is due anywhere is found in one statement.
CREATE INDEX erasure_due ON erasure (due_at);

-- +goose Down
DROP TABLE erasure;
ALTER TABLE session_handle DROP COLUMN dies_at;
ALTER TABLE session DROP COLUMN renew;
ALTER TABLE session DROP COLUMN idle;
