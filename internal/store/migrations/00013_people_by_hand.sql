-- +goose Up

-- What was sent to an address and can be used once, by the hash of its token: an invitation to accept, a password to
-- set anew. It is a table of its own, so that a binary of an earlier level does not take one for a sign-in link.
CREATE TABLE mail_link (
	hash         TEXT NOT NULL PRIMARY KEY,
	workspace_id TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	purpose      TEXT NOT NULL,
	email_folded TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	used_at      BIGINT
);
CREATE INDEX mail_link_member ON mail_link (workspace_id, member_id);
CREATE INDEX mail_link_age ON mail_link (expires_at);

-- The invitation that stands, of a member whom somebody invited by hand; round counts its letters.
CREATE TABLE invitation (
	workspace_id TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	invited_by   TEXT NOT NULL,
	round        BIGINT NOT NULL,
	created_at   BIGINT NOT NULL,
	expires_at   BIGINT NOT NULL,
	sent_at      BIGINT,
	PRIMARY KEY (workspace_id, member_id)
);

-- Letters that are sent once for a reason that comes up again and again, such as a certificate that will expire.
CREATE TABLE mail_once (
	workspace_id TEXT NOT NULL,
	reason       TEXT NOT NULL,
	at           BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, reason)
);

CREATE INDEX job_mail ON job (workspace_id, id) WHERE kind >= 'mail.' AND kind < 'mail/';

-- A list of people to invite: read, then planned, then carried out row by row. cursor is the last line that was carried out.
CREATE TABLE import (
	workspace_id TEXT NOT NULL,
	id           TEXT NOT NULL,
	actor        TEXT NOT NULL,
	state        TEXT NOT NULL,
	plan         TEXT NOT NULL,
	people       BIGINT NOT NULL,
	done         BIGINT NOT NULL,
	cursor       BIGINT NOT NULL,
	note         TEXT NOT NULL,
	created_at   BIGINT NOT NULL,
	updated_at   BIGINT NOT NULL,
	PRIMARY KEY (workspace_id, id)
);

CREATE TABLE import_row (
	workspace_id TEXT NOT NULL,
	import_id    TEXT NOT NULL,
	line         BIGINT NOT NULL,
	email        TEXT NOT NULL,
	name         TEXT NOT NULL,
	given_name   TEXT NOT NULL,
	family_name  TEXT NOT NULL,
	role         TEXT NOT NULL,
	outcome      TEXT NOT NULL,
	reason       TEXT NOT NULL,
	detail       TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	PRIMARY KEY (workspace_id, import_id, line)
);
CREATE INDEX import_row_outcome ON import_row (workspace_id, import_id, outcome, line);

-- Who is in a team, a group of no directory.
CREATE TABLE team_member (
	workspace_id TEXT NOT NULL,
	group_id     TEXT NOT NULL,
	member_id    TEXT NOT NULL,
	PRIMARY KEY (workspace_id, group_id, member_id)
);
CREATE INDEX team_member_member ON team_member (workspace_id, member_id, group_id);

-- +goose Down
DROP TABLE team_member;
DROP TABLE import_row;
DROP TABLE import;
DROP INDEX job_mail;
DROP TABLE mail_once;
DROP TABLE invitation;
DROP TABLE mail_link;
