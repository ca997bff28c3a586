-- +goose Up

-- The mail domains whose people the sign-in page leads to a connection, with commas between. A binary of an earlier level
-- neither reads nor writes them: its page shows all connections, as it did.
ALTER TABLE connection ADD COLUMN domains TEXT NOT NULL DEFAULT '';

-- Whether the sessions that a disabled connection made go on to their own end. An earlier binary takes none of them for
-- alive, and ends them when it switches the connection on or off.
ALTER TABLE connection ADD COLUMN sessions_run BOOLEAN NOT NULL DEFAULT FALSE;

-- +goose Down
ALTER TABLE connection DROP COLUMN sessions_run;
ALTER TABLE connection DROP COLUMN domains;
