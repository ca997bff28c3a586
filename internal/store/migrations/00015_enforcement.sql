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

-- Links that were mailed: kind 'password' sets a password, 'signin' signs in while enforcement is relaxed. They are
-- not among link_handle, so that a binary of an earlier level signs nobody in by one that only sets a password.
CREATE TABLE mail_handle (
	hash         TEXT NOT NULL PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	kind         TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	used_at      BIGINT
);
CREATE INDEX mail_handle_member ON mail_handle (workspace_id, member_id);

-- +goose Down

DROP TABLE mail_handle;
DROP TABLE recovery_code;
DROP TABLE second_factor;
