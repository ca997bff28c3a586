-- +goose Up

-- The other side of an OIDC connection and how its tokens are read, JSON; '' for none. The client secret
-- in it is sealed. A binary of an earlier level neither reads nor writes it.
ALTER TABLE connection ADD COLUMN oidc TEXT NOT NULL DEFAULT '';

-- What an OIDC sign-in under way was begun with, JSON; '' for SAML.
ALTER TABLE state_handle ADD COLUMN oidc TEXT NOT NULL DEFAULT '';

-- The ID token that an IdP wants to see again at sign-out, sealed; '' for none.
ALTER TABLE session ADD COLUMN id_token TEXT NOT NULL DEFAULT '';

-- An IdP that logs somebody out names the session by its own name, ended ones too.
CREATE INDEX session_of_idp ON session (workspace_id, connection_id, session_index, id) WHERE session_index <> '';

-- +goose Down
DROP INDEX session_of_idp;
ALTER TABLE session DROP COLUMN id_token;
ALTER TABLE state_handle DROP COLUMN oidc;
ALTER TABLE connection DROP COLUMN oidc;
