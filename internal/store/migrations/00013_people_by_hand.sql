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

-- +goose Down
DROP INDEX job_mail;
DROP TABLE mail_once;
DROP TABLE invitation;
DROP TABLE mail_link;
