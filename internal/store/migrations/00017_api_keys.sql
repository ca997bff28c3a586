-- +goose Up

-- Keys of the REST API, found by their hash without knowing the workspace. A key is worth what its owner may do now; scopes,
-- JSON, hold it to less. A binary of an earlier level has no API and ends no key: the check of a key asks after its owner
-- as well, and whoever is let in again finds the keys from before ended.
CREATE TABLE api_key_handle (
	hash         TEXT NOT NULL PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	id           TEXT NOT NULL,
	name         TEXT NOT NULL,
	hint         TEXT NOT NULL,
	scopes       TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	last_used_at BIGINT,
	revoked_at   BIGINT,
	revoked_why  TEXT NOT NULL
);
CREATE UNIQUE INDEX api_key_handle_id ON api_key_handle (workspace_id, id);
CREATE INDEX api_key_handle_member ON api_key_handle (workspace_id, member_id, id);
CREATE INDEX api_key_handle_end ON api_key_handle (workspace_id, expires_at) WHERE revoked_at IS NULL;

-- +goose Down
DROP TABLE api_key_handle;
