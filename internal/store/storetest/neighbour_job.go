package storetest

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// jobProbes are the methods of the outbox.
var jobProbes = map[string]probe{
	"InsertJob":        nil, // makes an id of its own
	"InsertJobInQueue": does(func(tx *store.Tx, h house) { tx.InsertJobInQueue("queue of "+h.Slug, "test", "{}") }),
	"LiveSCIMUsersOf":  func(tx *store.Tx, h house) (any, error) { return tx.LiveSCIMUsersOf([]string{h.Member}) },
	"Txn":              nil, // is of the transaction alone
	"DeadJobs":         nil, // binds the workspace alone

	"InsertImport":     does(func(tx *store.Tx, h house) { tx.InsertImport(store.Import{ID: h.Import}) }),
	"UpdateImport":     does(func(tx *store.Tx, h house) { tx.UpdateImport(&store.Import{ID: h.Import, State: "over"}) }),
	"Import":           func(tx *store.Tx, h house) (any, error) { return tx.Import(h.Import) },
	"Imports":          nil, // binds the workspace alone
	"DeleteImport":     does(func(tx *store.Tx, h house) { tx.DeleteImport(h.Import) }),
	"InsertImportRows": does(func(tx *store.Tx, h house) { tx.InsertImportRows(h.Import, []store.ImportRow{{Line: 2}}) }),
	"SettleImportRow":  does(func(tx *store.Tx, h house) { tx.SettleImportRow(h.Import, store.ImportRow{Line: 2, Outcome: "over"}) }),
	"ImportRows":       func(tx *store.Tx, h house) (any, error) { return tx.ImportRows(h.Import, 0, 10, "") },
	"HoldersOf":        func(tx *store.Tx, h house) (any, error) { return tx.HoldersOf([]string{h.Address}) },
	"ForeignDomains":   nil, // that another workspace has proven a domain is told on purpose
	"Teams":            nil, // binds the workspace alone
	"TeamNamed":        func(tx *store.Tx, h house) (any, error) { return tx.TeamNamed(h.Team) },
	"AddTeamMember":    does(func(tx *store.Tx, h house) { _, _ = tx.AddTeamMember(h.Team, h.Boss) }),
	"RemoveTeamMember": func(tx *store.Tx, h house) (any, error) { return tx.RemoveTeamMember(h.Team, h.Member) },
	"LeaveTeams":       does(func(tx *store.Tx, h house) { tx.LeaveTeams(h.Member) }),
	"TeamMembers":      func(tx *store.Tx, h house) (any, error) { return tx.TeamMembers(h.Team, "", 10) },
	"TeamSizes":        func(tx *store.Tx, h house) (any, error) { return tx.TeamSizes([]string{h.Team}) },
	"MembersNamed":     func(tx *store.Tx, h house) (any, error) { return tx.MembersNamed(h.Address, 10) },
	"InsertMailLink": does(func(tx *store.Tx, h house) {
		tx.InsertMailLink("own mail "+h.LinkHash, store.LinkPassword, &directory.Member{ID: h.Member, Email: h.Address}, tx.Now().Add(time.Hour))
	}),
	"UseMailLink": func(tx *store.Tx, h house) (any, error) {
		return nil, tx.UseMailLink(h.MailHash, h.Member, store.LinkInvitation)
	},
	"EndMailLinks":     does(func(tx *store.Tx, h house) { tx.EndMailLinks(h.Member, store.LinkInvitation) }),
	"SaveInvitation":   does(func(tx *store.Tx, h house) { tx.SaveInvitation(store.Invitation{Member: h.Member, Round: 7}) }),
	"Invitation":       func(tx *store.Tx, h house) (any, error) { return tx.Invitation(h.Member) },
	"DeleteInvitation": does(func(tx *store.Tx, h house) { tx.DeleteInvitation(h.Member) }),
	"LiveInvitation": func(tx *store.Tx, h house) (any, error) {
		member, address, err := tx.LiveInvitation(h.MailHash)
		return []any{member, address}, err
	},
	"Letters":       nil, // binds the workspace alone
	"RetryLetter":   func(tx *store.Tx, h house) (any, error) { return tx.RetryLetter(h.Letter) },
	"DiscardLetter": func(tx *store.Tx, h house) (any, error) { return tx.DiscardLetter(h.Letter) },
	"OnceMail":      nil, // binds the workspace alone
}
