-- +goose Up

-- Whom the IdP signed in by SAML: the whole NameID as JSON, and the hash by which a logout finds it. Both are emptied
-- when the session ends. A session of a binary of an earlier level has neither and is found by its sign-in link.
ALTER TABLE session ADD COLUMN name_id TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN name_hash TEXT NOT NULL DEFAULT '';
CREATE INDEX session_of_name ON session (workspace_id, connection_id, name_hash, id) WHERE name_hash <> '';

-- Sign-outs that an IdP was told of and has not answered yet, by the hash of the request's ID.
CREATE TABLE logout (
	workspace_id  TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	hash          TEXT NOT NULL,
	member_id     TEXT NOT NULL,
	return_to     TEXT NOT NULL,
	created_at    BIGINT NOT NULL,
	expires_at    BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, connection_id, hash)
);
CREATE INDEX logout_age ON logout (workspace_id, expires_at);

-- +goose Down
DROP TABLE logout;
DROP INDEX session_of_name;
ALTER TABLE session DROP COLUMN name_hash;
ALTER TABLE session DROP COLUMN name_id;
