package storetest

import (
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// signInProbes are the methods that signing in through a connection needs.
var signInProbes = map[string]probe{
	"EndSessionsOfConnection": func(tx *store.Tx, h house) (any, error) { return tx.EndSessionsOfConnection(h.Connection, "taken") },
	"ShortenSessionsOfConnection": func(tx *store.Tx, h house) (any, error) {
		return tx.ShortenSessionsOfConnection(h.Connection, tx.Now())
	},
	"RenewSessions": func(tx *store.Tx, h house) (any, error) { return nil, tx.RenewSessions([]string{h.Member}, "taken") },
	"RenewSessionsWith": func(tx *store.Tx, h house) (any, error) {
		m, err := tx.Member(h.Member)
		if err == nil {
			tx.RenewSessionsWith(m.Role, "taken")
		}
		return nil, err
	},
	"RenewSession": func(tx *store.Tx, h house) (any, error) {
		return tx.RenewSession(h.Session, h.SessionHash, "own "+h.SessionHash)
	},
	"LimitSessions":       func(tx *store.Tx, _ house) (any, error) { return tx.LimitSessions(session.Idle, session.Absolute) },
	"CanBeHeard":          func(tx *store.Tx, h house) (any, error) { return tx.CanBeHeard(h.Directory) },
	"SessionsOfIdP":       func(tx *store.Tx, h house) (any, error) { return tx.SessionsOfIdP(h.Connection, "index") },
	"LiveSessionsThrough": func(tx *store.Tx, h house) (any, error) { return tx.LiveSessionsThrough(h.Connection, h.Member) },
	"SessionsOfName":      func(tx *store.Tx, h house) (any, error) { return tx.SessionsOfName(h.Connection, h.NameHash, "") },
	"NamelessSessions":    func(tx *store.Tx, h house) (any, error) { return tx.NamelessSessions(h.Connection, h.Member, "") },
	"NameOfSession":       func(tx *store.Tx, h house) (any, error) { return tx.NameOfSession(h.Session) },
	"ApplicationsOf":      func(tx *store.Tx, h house) (any, error) { return tx.ApplicationsOf([]string{h.Session}) },
	"InsertLogout": does(func(tx *store.Tx, h house) {
		tx.InsertLogout(h.LogoutHash, store.Leaving{Connection: h.Connection, ExpiresAt: tx.Now()})
	}),
	"Logout":      func(tx *store.Tx, h house) (any, error) { return tx.Logout(h.Connection, h.LogoutHash) },
	"UseLogout":   func(tx *store.Tx, h house) (any, error) { return nil, tx.UseLogout(h.Connection, h.LogoutHash) },
	"KeepIDToken": does(func(tx *store.Tx, h house) { tx.KeepIDToken(h.Session, "taken") }),
	"IDToken":     func(tx *store.Tx, h house) (any, error) { return tx.IDToken(h.Session) },

	"Identity":     func(tx *store.Tx, h house) (any, error) { return tx.Identity(h.Connection, h.Subject) },
	"IdentitiesOf": func(tx *store.Tx, h house) (any, error) { return tx.IdentitiesOf(h.Member) },
	"InsertIdentity": does(func(tx *store.Tx, h house) {
		tx.InsertIdentity(store.Identity{Connection: h.Connection, Subject: h.Subject, Member: h.Member})
	}),
	"TouchIdentity": does(func(tx *store.Tx, h house) { tx.TouchIdentity(h.Connection, h.Subject, "taken@over.test") }),
	"RelinkIdentity": does(func(tx *store.Tx, h house) {
		tx.RelinkIdentity(store.Identity{Connection: h.Connection, Subject: h.Subject, Member: h.Member}, h.Boss, "taken", "taken@over.test")
	}),
	"MoveIdentities": does(func(tx *store.Tx, h house) { tx.MoveIdentities(h.Member, h.Boss) }),
	"IdentityAndMember": func(tx *store.Tx, h house) (any, error) {
		i, m, err := tx.IdentityAndMember(h.Connection, h.Subject)
		return []any{i, m}, err
	},
	"LinksAsserting": func(tx *store.Tx, h house) (any, error) {
		return tx.LinksAsserting(h.Directory, h.UserName, h.ExternalID, h.Address)
	},
	"PeopleAsserted": func(tx *store.Tx, h house) (any, error) {
		return tx.PeopleAsserted(h.Directory, h.ExternalID, h.Address)
	},
	"MembersByEmail": func(tx *store.Tx, h house) (any, error) { return tx.MembersByEmail(h.Address) },
	"TouchClaims":    does(func(tx *store.Tx, h house) { tx.TouchClaims(h.Member, h.Connection) }),
	"SaveClaims":     does(func(tx *store.Tx, h house) { tx.SaveClaims(h.Member, h.Connection, []string{"taken"}) }),
	"Claims":         func(tx *store.Tx, h house) (any, error) { return tx.Claims([]string{h.Member}) },

	"InsertSignInState": does(func(tx *store.Tx, h house) {
		tx.InsertSignInState("own hash "+h.StateHash, store.SignInState{Connection: h.Connection, ExpiresAt: tx.Now().Add(time.Hour)})
	}),
	"UseSignInState": func(tx *store.Tx, h house) (any, error) { return nil, tx.UseSignInState(h.StateHash, h.Connection) },
	"FirstSight": func(tx *store.Tx, h house) (any, error) {
		return tx.FirstSight(h.Connection, h.Replay, tx.Now().Add(time.Hour))
	},
	"Sighted": func(tx *store.Tx, h house) (any, error) { return tx.Sighted(h.Connection, h.Replay) },

	"InsertApplication": does(func(tx *store.Tx, h house) {
		tx.InsertApplication(directory.Application{ID: "own " + h.Application, Name: "Taken"}, "")
	}),
	"UpdateApplication": does(func(tx *store.Tx, h house) {
		tx.UpdateApplication(directory.Application{ID: h.Application, Name: "Taken"})
	}),
	"SetApplicationSecret": does(func(tx *store.Tx, h house) { tx.SetApplicationSecret(h.Application, "taken") }),
	"DeleteApplication":    does(func(tx *store.Tx, h house) { tx.DeleteApplication(h.Application) }),
}
