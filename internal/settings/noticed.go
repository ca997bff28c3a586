package settings

import (
	"fmt"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// LeaversNoticed reports whether it is noticed when somebody who signs in through a connection leaves: a directory beside
// it provisions, and its IdP has a credential to say so with.
func LeaversNoticed(tx *store.Tx, cfg *directory.Config, connection string) (bool, error) {
	for _, d := range cfg.Noticing(connection) {
		if heard, err := tx.CanBeHeard(d); heard || err != nil {
			return heard, err
		}
	}
	return false, nil
}

// shortenUnheard has the sessions through the connection of a directory end within session.Unnoticed where its last
// credential was taken away just now.
func shortenUnheard(tx *store.Tx, cfg *directory.Config, d directory.Directory, actor audit.Party) error {
	c, ok := cfg.Connection(d.Connection)
	if !ok || d.Status != directory.DirectoryEnabled {
		return nil
	}
	if noticed, err := LeaversNoticed(tx, cfg, c.ID); noticed || err != nil {
		return err
	}
	_, err := shortenNow(tx, c, actor)
	return err
}

// shortenNow has the sessions that came through a connection end within session.Unnoticed, and says so in a note.
func shortenNow(tx *store.Tx, c directory.Connection, actor audit.Party) (note string, err error) {
	until := session.End(tx.Now(), session.Unnoticed, false)
	ids, err := tx.ShortenSessionsOfConnection(c.ID, until)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	at := until.UTC().Format(time.RFC3339)
	note = fmt.Sprintf("connections.%s: leavers are not noticed any more; %d sessions that came through it end by %s", c.Name, len(ids), at)
	return note, tx.Record(audit.Event{Type: audit.SessionsShortened, Actor: actor, Reason: "leavers_not_noticed", Connection: c.ID,
		Subject: audit.Party{Kind: "connection", ID: c.ID, Name: c.Name},
		Changes: []audit.Change{{Field: "sessions", To: fmt.Sprint(len(ids))}, {Field: "until", To: at}}})
}
