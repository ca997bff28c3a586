-- +goose Up

-- A token that ends by itself, at expires_at: a binary of level 2 does not ask, so the sweep makes such
-- an end a revocation, which that binary honours. replaced_at is when another token took its place,
-- which with an overlap is before its end.
ALTER TABLE token_handle ADD COLUMN expires_at BIGINT;
ALTER TABLE token_handle ADD COLUMN replaced_at BIGINT;
ALTER TABLE token_handle ADD COLUMN created_by TEXT NOT NULL DEFAULT '';

-- How clients of a directory prove who they are at its token endpoint: by a secret, or by what an issuer
-- that is trusted asserts (trust, JSON; '' for a secret). The client's id is the directory's.
CREATE TABLE client_credential (
	workspace_id TEXT NOT NULL,
	id           TEXT NOT NULL,
	directory_id TEXT NOT NULL,
	name         TEXT NOT NULL,
	hint         TEXT NOT NULL,
	trust        TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	created_by   TEXT NOT NULL,
	expires_at   BIGINT,
	last_used_at BIGINT,
	revoked_at   BIGINT,
	revoked_why  TEXT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);
CREATE INDEX client_credential_directory ON client_credential (workspace_id, directory_id, created_at);
-- Across workspaces: whose log an attempt under a client's id belongs to.
CREATE INDEX client_credential_client ON client_credential (directory_id);

CREATE TABLE secret_handle (
	hash         TEXT NOT NULL PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	secret_id    TEXT NOT NULL
);

-- Access tokens for SCIM. Each is worth what its secret is worth.
CREATE TABLE scim_access_handle (
	hash         TEXT NOT NULL PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	secret_id    TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL
);
CREATE INDEX scim_access_handle_age ON scim_access_handle (expires_at);

-- +goose Down
DROP TABLE scim_access_handle;
DROP TABLE secret_handle;
DROP TABLE client_credential;
ALTER TABLE token_handle DROP COLUMN created_by;
ALTER TABLE token_handle DROP COLUMN replaced_at;
ALTER TABLE token_handle DROP COLUMN expires_at;
