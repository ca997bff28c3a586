-- +goose Up

-- Where an IdP's metadata comes from and where its keys stand, JSON; '' for nothing. The keys that count are those in the
-- column saml. A binary of an earlier level reads and writes these alone and leaves this column as it is; what it says
-- of keys that are no more among them is passed over.
ALTER TABLE connection ADD COLUMN watch TEXT NOT NULL DEFAULT '';

-- Looking at the metadata of an IdP: a row for each connection that knows where it is published. proposal is what was
-- found there and is not taken over by itself, JSON; declined is the word of one that somebody turned down.
CREATE TABLE metadata_watch (
	workspace_id  TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	due_at        BIGINT NOT NULL,
	tried_at      BIGINT,
	good_at       BIGINT,
	asked_at      BIGINT,
	told_at       BIGINT,
	failures      BIGINT NOT NULL,
	last_error    TEXT NOT NULL,
	proposal      TEXT NOT NULL,
	declined      TEXT NOT NULL,
	PRIMARY KEY (workspace_id, connection_id)
);
-- Across workspaces: what is due anywhere is claimed in one statement.
CREATE INDEX metadata_watch_due ON metadata_watch (due_at);

-- Warnings that were given of a certificate that ends: each number of days once.
CREATE TABLE key_warning (
	workspace_id  TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	fingerprint   TEXT NOT NULL,
	days          BIGINT NOT NULL,
	given_at      BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, connection_id, fingerprint, days)
);

-- +goose Down
DROP TABLE key_warning;
DROP TABLE metadata_watch;
ALTER TABLE connection DROP COLUMN watch;
