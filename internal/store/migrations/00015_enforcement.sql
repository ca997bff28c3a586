-- +goose Up

-- The second factor of a break-glass administrator: the sealed secret of one-time passwords (RFC 6238), when it was
-- confirmed, and the last step that was used. A binary of an earlier level asks for the password alone, as it did.
CREATE TABLE second_factor (
	workspace_id TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	secret       TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	confirmed_at BIGINT,
	last_step    BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, member_id)
);

-- One-time recovery codes, by their hash.
CREATE TABLE recovery_code (
	workspace_id TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	hash         TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	used_at      BIGINT,
	PRIMARY KEY (workspace_id, member_id, hash)
);

-- The links that a relaxation gave are ended together, whoever they are of.
CREATE INDEX mail_link_open ON mail_link (workspace_id, purpose) WHERE used_at IS NULL;

-- +goose Down
DROP INDEX mail_link_open;
DROP TABLE recovery_code;
DROP TABLE second_factor;
