-- +goose Up

-- The other side of a SAML connection and how its assertions are read, JSON; '' for none.
ALTER TABLE connection ADD COLUMN saml TEXT NOT NULL DEFAULT '';

-- When and how the IdP says that the person proved who they are.
ALTER TABLE session ADD COLUMN authenticated_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN context TEXT NOT NULL DEFAULT '';
ALTER TABLE session ADD COLUMN session_index TEXT NOT NULL DEFAULT '';
CREATE INDEX session_connection ON session (workspace_id, connection_id) WHERE ended_at IS NULL;

-- Sign-in links: who a connection's subject is here. subject is the whole NameID, shown is its value,
-- email the address asserted last.
CREATE TABLE identity (
	workspace_id  TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	subject       TEXT NOT NULL,
	shown         TEXT NOT NULL,
	shown_folded  TEXT NOT NULL,
	email         TEXT NOT NULL,
	email_folded  TEXT NOT NULL,
	member_id     TEXT NOT NULL,
	how           TEXT NOT NULL,
	created_at    BIGINT NOT NULL,
	last_used_at  BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, connection_id, subject)
);
CREATE INDEX identity_member ON identity (workspace_id, member_id);
-- A directory meets people who signed in before it named them.
CREATE INDEX identity_shown ON identity (workspace_id, connection_id, shown_folded);
CREATE INDEX identity_email ON identity (workspace_id, connection_id, email_folded);

-- The groups that a connection asserted last, JSON list. No row: it never said.
CREATE TABLE claim (
	workspace_id  TEXT NOT NULL,
	member_id     TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	asserted      TEXT NOT NULL,
	updated_at    BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, member_id, connection_id)
);

-- Messages that were accepted once and must not be again.
CREATE TABLE replay (
	workspace_id  TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	id            TEXT NOT NULL,
	expires_at    BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, connection_id, id)
);
CREATE INDEX replay_age ON replay (workspace_id, expires_at);

-- Host applications: clients of the OIDC provider.
CREATE TABLE application (
	workspace_id    TEXT NOT NULL,
	id              TEXT NOT NULL,
	name            TEXT NOT NULL,
	name_folded     TEXT NOT NULL,
	settings        TEXT NOT NULL,
	secret          TEXT NOT NULL,
	created_at      BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX application_name ON application (workspace_id, name_folded);

-- What a session gave to an application. It is worth what its session is worth.
CREATE TABLE oidc_grant (
	workspace_id   TEXT NOT NULL,
	id             TEXT NOT NULL,
	application_id TEXT NOT NULL,
	session_id     TEXT NOT NULL,
	member_id      TEXT NOT NULL,
	scope          TEXT NOT NULL,
	nonce          TEXT NOT NULL,
	created_at     BIGINT NOT NULL,
	-- When tokens were given first. Who got none need not hear of the session's end.
	redeemed_at    BIGINT,
	-- When to look whether the session has run out; NULL where its end need not be told.
	due_at         BIGINT,
	ended_at       BIGINT,
	end_reason     TEXT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);
CREATE INDEX oidc_grant_session ON oidc_grant (workspace_id, session_id, application_id);
CREATE INDEX oidc_grant_age ON oidc_grant (workspace_id, created_at);
-- Across workspaces: sessions that have run out anywhere are found in one statement.
CREATE INDEX oidc_grant_due ON oidc_grant (due_at) WHERE due_at IS NOT NULL;

-- Work for after the commit: what is told to others. A row is deleted when it is done.
CREATE TABLE job (
	workspace_id TEXT NOT NULL,
	id           TEXT NOT NULL,
	kind         TEXT NOT NULL,
	body         TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	run_at       BIGINT NOT NULL,
	attempts     BIGINT NOT NULL,
	claim        TEXT NOT NULL,
	last_error   TEXT NOT NULL,
	dead_at      BIGINT,
	PRIMARY KEY (workspace_id, id)
);
-- Across workspaces: what is due anywhere is claimed in one statement.
CREATE INDEX job_due ON job (run_at) WHERE dead_at IS NULL;

CREATE TABLE connection_handle (
	connection_id TEXT NOT NULL PRIMARY KEY,
	workspace_id  TEXT NOT NULL
);
INSERT INTO connection_handle (connection_id, workspace_id) SELECT id, workspace_id FROM connection;

CREATE TABLE application_handle (
	application_id TEXT NOT NULL PRIMARY KEY,
	workspace_id   TEXT NOT NULL
);

-- Sign-ins under way: what was asked of the IdP, by the hash of the RelayState.
CREATE TABLE state_handle (
	hash          TEXT NOT NULL PRIMARY KEY,
	workspace_id  TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	request_id    TEXT NOT NULL,
	browser       TEXT NOT NULL,
	return_to     TEXT NOT NULL,
	force         BOOLEAN NOT NULL,
	created_at    BIGINT NOT NULL,
	expires_at    BIGINT NOT NULL
);
CREATE INDEX state_handle_age ON state_handle (expires_at);

CREATE TABLE code_handle (
	hash         TEXT NOT NULL PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	grant_id     TEXT NOT NULL,
	redirect_uri TEXT NOT NULL,
	challenge    TEXT NOT NULL,
	expires_at   BIGINT NOT NULL,
	used_at      BIGINT
);
CREATE INDEX code_handle_age ON code_handle (expires_at);

CREATE TABLE access_handle (
	hash         TEXT NOT NULL PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	grant_id     TEXT NOT NULL,
	scope        TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	revoked_at   BIGINT
);
CREATE INDEX access_handle_age ON access_handle (expires_at);

CREATE TABLE refresh_handle (
	hash         TEXT NOT NULL PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	grant_id     TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	used_at      BIGINT
);
CREATE INDEX refresh_handle_age ON refresh_handle (expires_at);

-- The deployment's signing keys. The private half is sealed.
CREATE TABLE signing_key (
	id         TEXT NOT NULL PRIMARY KEY,
	algorithm  TEXT NOT NULL,
	public     TEXT NOT NULL,
	private    TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	active_at  BIGINT NOT NULL,
	retire_at  BIGINT
);

-- +goose Down
DROP TABLE signing_key;
DROP TABLE refresh_handle;
DROP TABLE access_handle;
DROP TABLE code_handle;
DROP TABLE state_handle;
DROP TABLE application_handle;
DROP TABLE connection_handle;
DROP TABLE job;
DROP TABLE oidc_grant;
DROP TABLE application;
DROP TABLE replay;
DROP TABLE claim;
DROP TABLE identity;
DROP INDEX session_connection;
ALTER TABLE session DROP COLUMN session_index;
ALTER TABLE session DROP COLUMN context;
ALTER TABLE session DROP COLUMN authenticated_at;
ALTER TABLE connection DROP COLUMN saml;
