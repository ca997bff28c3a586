package signin

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// EndedByAdministrator is an act of somebody who may end the sessions of others.
const EndedByAdministrator = "ended_by_administrator"

// EndSessionsFor ends live sessions of a member as an act of scope's actor on somebody else: the one with the id, or all for
// "". It returns how many it ended. Who may not manage that member is errs.KindForbidden; an unknown member, and a session
// that is not theirs or lives no more, errs.KindNotFound.
func (s *Service) EndSessionsFor(ctx context.Context, scope provision.Scope, member, id string) (ended int, err error) {
	err = s.DB.Write(ctx, scope.Workspace, func(tx *store.Tx) error {
		// Exclusively: who acts must keep the role that lets them until this is done.
		if err := tx.LockPeople([]string{member}, true); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		m, err := tx.Member(member)
		if err != nil {
			return err
		}
		if err := provision.MayManage(tx, cfg, scope, m); err != nil {
			return err
		}
		if id != "" {
			live, err := tx.Sessions(m.ID)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(live, func(o session.Session) bool { return o.ID == id }) {
				return errs.NotFound("session_unknown", "There is no live session %s.", cut(id, 40))
			}
			ended = 1
			return endSession(tx, id, EndedByAdministrator, scope.Actor)
		}
		ids, err := tx.EndSessions(m.ID, "", EndedByAdministrator, false)
		if ended = len(ids); err != nil || ended == 0 {
			return err
		}
		return tx.Record(audit.Event{Type: audit.SessionsEnded, Reason: EndedByAdministrator, Actor: scope.Actor, Subject: party(m),
			Changes: []audit.Change{{Field: "ended", To: fmt.Sprint(ended)}}})
	})
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return ended, nil
}
