-- +goose Up

-- The oldest schema level of a binary that this schema still serves.
CREATE TABLE schema_serves (
	one    BIGINT NOT NULL PRIMARY KEY,
	oldest BIGINT NOT NULL
);
INSERT INTO schema_serves (one, oldest) VALUES (1, 1);

CREATE TABLE workspace (
	id          TEXT NOT NULL PRIMARY KEY,
	slug        TEXT NOT NULL,
	name        TEXT NOT NULL,
	preset      TEXT NOT NULL,
	policy      TEXT NOT NULL,
	enforcement TEXT NOT NULL,
	version     BIGINT NOT NULL,
	applied     TEXT NOT NULL,
	created_at  BIGINT NOT NULL,
	updated_at  BIGINT NOT NULL
);

CREATE TABLE role (
	workspace_id TEXT NOT NULL,
	id           TEXT NOT NULL,
	name         TEXT NOT NULL,
	name_folded  TEXT NOT NULL,
	rank         BIGINT NOT NULL,
	permissions  TEXT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX role_name ON role (workspace_id, name_folded);

CREATE TABLE connection (
	workspace_id TEXT NOT NULL,
	id           TEXT NOT NULL,
	name         TEXT NOT NULL,
	name_folded  TEXT NOT NULL,
	provider     TEXT NOT NULL,
	protocol     TEXT NOT NULL,
	status       TEXT NOT NULL,
	verified_at  BIGINT,
	created_at   BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX connection_name ON connection (workspace_id, name_folded);

CREATE TABLE directory (
	workspace_id  TEXT NOT NULL,
	id            TEXT NOT NULL,
	name          TEXT NOT NULL,
	name_folded   TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	enabled       BOOLEAN NOT NULL,
	mode          TEXT NOT NULL,
	override      TEXT NOT NULL,
	created_at    BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX directory_name ON directory (workspace_id, name_folded);

CREATE TABLE role_mapping (
	workspace_id  TEXT NOT NULL,
	id            TEXT NOT NULL,
	directory_id  TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	pattern       TEXT NOT NULL,
	role_id       TEXT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);

CREATE TABLE member (
	workspace_id TEXT NOT NULL,
	id           TEXT NOT NULL,
	email        TEXT NOT NULL,
	email_folded TEXT NOT NULL,
	name         TEXT NOT NULL,
	given_name   TEXT NOT NULL,
	family_name  TEXT NOT NULL,
	attributes   TEXT NOT NULL,
	stage        TEXT NOT NULL,
	sources      BIGINT NOT NULL,
	was_in       BOOLEAN NOT NULL,
	role_id      TEXT NOT NULL,
	manual_role  TEXT NOT NULL,
	role_reason  TEXT NOT NULL,
	directory_id TEXT NOT NULL,
	break_glass  BOOLEAN NOT NULL,
	replaces     TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	updated_at   BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);
-- Two members may share an address only when all but one are out. Somebody may have none.
CREATE UNIQUE INDEX member_address ON member (workspace_id, email_folded) WHERE sources = 0 AND stage <> 'erased' AND email_folded <> '';
CREATE INDEX member_by_email ON member (workspace_id, email_folded, created_at);
CREATE INDEX member_by_role ON member (workspace_id, role_id, id);

CREATE TABLE credential (
	workspace_id TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	password     TEXT NOT NULL,
	proven_at    BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, member_id)
);

CREATE TABLE scim_user (
	workspace_id     TEXT NOT NULL,
	id               TEXT NOT NULL,
	directory_id     TEXT NOT NULL,
	member_id        TEXT NOT NULL,
	user_name        TEXT NOT NULL,
	user_name_folded TEXT NOT NULL,
	external_id      TEXT,
	active           BOOLEAN NOT NULL,
	manager_id       TEXT,
	document         TEXT NOT NULL,
	created_at       BIGINT NOT NULL,
	updated_at       BIGINT NOT NULL,
	retired_at       BIGINT,
	PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX scim_user_name ON scim_user (workspace_id, directory_id, user_name_folded) WHERE retired_at IS NULL;
CREATE UNIQUE INDEX scim_user_external ON scim_user (workspace_id, directory_id, external_id) WHERE retired_at IS NULL AND external_id IS NOT NULL;
CREATE INDEX scim_user_retired_name ON scim_user (workspace_id, directory_id, user_name_folded, retired_at) WHERE retired_at IS NOT NULL;
CREATE INDEX scim_user_retired_external ON scim_user (workspace_id, directory_id, external_id, retired_at) WHERE retired_at IS NOT NULL AND external_id IS NOT NULL;
CREATE INDEX scim_user_page ON scim_user (workspace_id, directory_id, created_at, id) WHERE retired_at IS NULL;
CREATE INDEX scim_user_inactive ON scim_user (workspace_id, directory_id, created_at, id) WHERE retired_at IS NULL AND NOT active;
CREATE INDEX scim_user_member ON scim_user (workspace_id, member_id);
CREATE INDEX scim_user_manager ON scim_user (workspace_id, manager_id) WHERE manager_id IS NOT NULL;

CREATE TABLE scim_user_email (
	workspace_id TEXT NOT NULL,
	directory_id TEXT NOT NULL,
	value_folded TEXT NOT NULL,
	type_folded  TEXT NOT NULL,
	scim_user_id TEXT NOT NULL,
	PRIMARY KEY (workspace_id, directory_id, value_folded, type_folded, scim_user_id)
);
CREATE INDEX scim_user_email_owner ON scim_user_email (workspace_id, scim_user_id);

CREATE TABLE grp (
	workspace_id        TEXT NOT NULL,
	id                  TEXT NOT NULL,
	directory_id        TEXT NOT NULL,
	display_name        TEXT NOT NULL,
	display_name_folded TEXT NOT NULL,
	external_id         TEXT,
	mapped_role         TEXT NOT NULL,
	document            TEXT NOT NULL,
	created_at          BIGINT NOT NULL,
	updated_at          BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX grp_name ON grp (workspace_id, directory_id, display_name_folded);
CREATE UNIQUE INDEX grp_external ON grp (workspace_id, directory_id, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX grp_page ON grp (workspace_id, directory_id, created_at, id);

CREATE TABLE group_member (
	workspace_id TEXT NOT NULL,
	group_id     TEXT NOT NULL,
	scim_user_id TEXT NOT NULL,
	PRIMARY KEY (workspace_id, group_id, scim_user_id)
);
CREATE INDEX group_member_user ON group_member (workspace_id, scim_user_id, group_id);

CREATE TABLE session (
	workspace_id  TEXT NOT NULL,
	id            TEXT NOT NULL,
	member_id     TEXT NOT NULL,
	method        TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	break_glass   BOOLEAN NOT NULL,
	created_at    BIGINT NOT NULL,
	last_used_at  BIGINT NOT NULL,
	expires_at    BIGINT NOT NULL,
	ended_at      BIGINT,
	end_reason    TEXT NOT NULL,
	address       TEXT NOT NULL,
	user_agent    TEXT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);
CREATE INDEX session_member ON session (workspace_id, member_id, created_at) WHERE ended_at IS NULL;

CREATE TABLE event (
	workspace_id TEXT NOT NULL,
	id           TEXT NOT NULL,
	seq          BIGINT,
	time         BIGINT NOT NULL,
	type         TEXT NOT NULL,
	outcome      TEXT NOT NULL,
	reason       TEXT NOT NULL,
	actor        TEXT NOT NULL,
	subject_kind TEXT NOT NULL,
	subject_id   TEXT NOT NULL,
	subject_name TEXT NOT NULL,
	connection_id TEXT NOT NULL,
	directory_id TEXT NOT NULL,
	changes      TEXT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX event_seq ON event (workspace_id, seq) WHERE seq IS NOT NULL;
CREATE INDEX event_unsequenced ON event (workspace_id, time, id) WHERE seq IS NULL;
CREATE INDEX event_subject ON event (workspace_id, subject_id, seq);
CREATE INDEX event_time ON event (workspace_id, time);
-- What every owner is shown: few rows, asked at each view of an owner's page.
CREATE INDEX event_for_owners ON event (workspace_id, time) WHERE type IN ('protected_member.attempt', 'signin.break_glass_used');

CREATE TABLE event_payload (
	workspace_id TEXT NOT NULL,
	event_id     TEXT NOT NULL,
	time         BIGINT NOT NULL,
	body         BYTEA NOT NULL,
	PRIMARY KEY (workspace_id, event_id)
);
CREATE INDEX event_payload_time ON event_payload (workspace_id, time);

CREATE TABLE request_log (
	workspace_id TEXT NOT NULL,
	directory_id TEXT NOT NULL,
	id           TEXT NOT NULL,
	time         BIGINT NOT NULL,
	method       TEXT NOT NULL,
	path         TEXT NOT NULL,
	status       BIGINT NOT NULL,
	micros       BIGINT NOT NULL,
	results      BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, directory_id, id)
);

-- The small tables below find a workspace by a handle; nothing else in them is read.

CREATE TABLE workspace_handle (
	slug         TEXT NOT NULL PRIMARY KEY,
	workspace_id TEXT NOT NULL
);

CREATE TABLE token_handle (
	hash         TEXT NOT NULL PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	directory_id TEXT NOT NULL,
	id           TEXT NOT NULL,
	name         TEXT NOT NULL,
	hint         TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	last_used_at BIGINT,
	revoked_at   BIGINT,
	revoked_why  TEXT NOT NULL
);
CREATE INDEX token_handle_directory ON token_handle (workspace_id, directory_id, created_at);

CREATE TABLE session_handle (
	hash         TEXT NOT NULL PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	session_id   TEXT NOT NULL
);
CREATE INDEX session_handle_session ON session_handle (workspace_id, session_id);

CREATE TABLE link_handle (
	hash         TEXT NOT NULL PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	used_at      BIGINT
);
CREATE INDEX link_handle_member ON link_handle (workspace_id, member_id);

CREATE TABLE domain_handle (
	domain       TEXT NOT NULL,
	workspace_id TEXT NOT NULL,
	proven_at    BIGINT NOT NULL,
	PRIMARY KEY (domain, workspace_id)
);
CREATE INDEX domain_handle_workspace ON domain_handle (workspace_id, domain);

-- Counters of attempts. A bucket names what is limited; it holds no workspace, because who
-- guesses at the door is a stranger.
CREATE TABLE attempt (
	bucket       TEXT NOT NULL PRIMARY KEY,
	window_start BIGINT NOT NULL,
	count        BIGINT NOT NULL
);
CREATE INDEX attempt_age ON attempt (window_start);

-- Refusals of callers whose workspace is not known, summed up per source and hour.
CREATE TABLE stranger (
	source  TEXT NOT NULL,
	type    TEXT NOT NULL,
	hour    BIGINT NOT NULL,
	count   BIGINT NOT NULL,
	first_at BIGINT NOT NULL,
	last_at BIGINT NOT NULL,
	sample  BYTEA NOT NULL,
	PRIMARY KEY (source, type, hour)
);
CREATE INDEX stranger_age ON stranger (hour);

-- +goose Down
DROP TABLE stranger;
DROP TABLE attempt;
DROP TABLE domain_handle;
DROP TABLE link_handle;
DROP TABLE session_handle;
DROP TABLE token_handle;
DROP TABLE workspace_handle;
DROP TABLE request_log;
DROP TABLE event_payload;
DROP TABLE event;
DROP TABLE session;
DROP TABLE group_member;
DROP TABLE grp;
DROP TABLE scim_user_email;
DROP TABLE scim_user;
DROP TABLE credential;
DROP TABLE member;
DROP TABLE role_mapping;
DROP TABLE directory;
DROP TABLE connection;
DROP TABLE role;
DROP TABLE workspace;
DROP TABLE schema_serves;
