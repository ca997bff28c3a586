-- +goose Up

-- Each attempt to sign in. One that was begun and has no outcome yet came to no end. A binary of an earlier level
-- writes none, and finishes none that another began.
CREATE TABLE sign_in_attempt (
	workspace_id  TEXT NOT NULL,
	id            TEXT NOT NULL, -- sorts by time
	connection_id TEXT NOT NULL, -- '' for passwords and links
	method        TEXT NOT NULL,
	test          BOOLEAN NOT NULL, -- of a connection, which lets nobody in
	began_at      BIGINT NOT NULL,
	ended_at      BIGINT,
	outcome       TEXT NOT NULL, -- '' without an end
	code          TEXT NOT NULL, -- the coded reason
	reason        TEXT NOT NULL, -- the precise one, of the event
	member_id     TEXT NOT NULL,
	name          TEXT NOT NULL, -- of whom it is about, as far as verified
	name_folded   TEXT NOT NULL, -- '' where there is a member
	browser       TEXT NOT NULL, -- a hash
	event_id      TEXT NOT NULL, -- whose payload is the message
	skew_ms       BIGINT,        -- the IdP's clock ahead of ours; NULL where nothing was measured
	loose         BOOLEAN NOT NULL, -- nothing of it is verified, so that only so many are kept
	begun         BYTEA,         -- steps, packed JSON
	ended         BYTEA,
	found         BYTEA,         -- of a test: who it would have been
	PRIMARY KEY (workspace_id, id)
);
CREATE INDEX sign_in_attempt_connection ON sign_in_attempt (workspace_id, connection_id, id);
CREATE INDEX sign_in_attempt_member ON sign_in_attempt (workspace_id, member_id, id) WHERE member_id <> '';
CREATE INDEX sign_in_attempt_name ON sign_in_attempt (workspace_id, name_folded, id) WHERE name_folded <> '';
-- People whom the IdP let through and nobody knows here.
CREATE INDEX sign_in_attempt_nobody ON sign_in_attempt (workspace_id, id) WHERE code IN ('not_provisioned', 'left_directory', 'no_directory');

-- A test of a connection under way. It is not a sign-in under way, and no binary takes it for one.
CREATE TABLE test_handle (
	hash          TEXT NOT NULL PRIMARY KEY,
	workspace_id  TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	attempt_id    TEXT NOT NULL,
	kind          TEXT NOT NULL, -- "ticket" to begin with, "state" that travels, "tile" that waits for an answer nobody asked for
	session_id    TEXT NOT NULL, -- of the administrator, '' for an operator
	request_id    TEXT NOT NULL,
	browser       TEXT NOT NULL,
	oidc          TEXT NOT NULL,
	created_at    BIGINT NOT NULL,
	expires_at    BIGINT NOT NULL
);
CREATE INDEX test_handle_age ON test_handle (expires_at);

-- The attempt that a sign-in under way belongs to; '' for none.
ALTER TABLE state_handle ADD COLUMN attempt_id TEXT NOT NULL DEFAULT '';

-- Who has signed in at all, and when first.
CREATE TABLE member_seen (
	workspace_id TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	first_at     BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, member_id)
);
INSERT INTO member_seen (workspace_id, member_id, first_at)
	SELECT workspace_id, member_id, MIN(created_at) FROM (
		SELECT workspace_id, member_id, created_at FROM session
		UNION ALL
		SELECT workspace_id, member_id, created_at FROM identity) seen
	GROUP BY workspace_id, member_id;

-- +goose Down
DROP TABLE member_seen;
ALTER TABLE state_handle DROP COLUMN attempt_id;
DROP TABLE test_handle;
DROP TABLE sign_in_attempt;
