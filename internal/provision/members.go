package provision

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/gatehouse-id/gatehouse/internal/store"
)

// MemberPage is how many members of a group are held at once.
const MemberPage = 1000

// ReadGroup returns a directory's group with its members, all of one moment. Where these are more than MemberPage
// they are not in the Group: rest reads them, all of them, on a view of the database that stays open until the
// caller closes it, which is soon.
func (s *Service) ReadGroup(ctx context.Context, scope Scope, id string) (g Group, rest *Members, err error) {
	err = s.DB.Read(ctx, scope.Workspace, func(tx *store.Tx) error {
		now, err := tx.Group(scope.Directory, id)
		if err != nil {
			return err
		}
		g.Group = *now
		g.Members, err = tx.MembersBehind(id, "", MemberPage+1)
		return err
	})
	if err != nil || len(g.Members) <= MemberPage {
		return g, nil, err
	}
	leave, err := s.readings.Enter(ctx, scope.Directory, maxReadings)
	if err != nil {
		return g, nil, err
	}
	rest = &Members{leave: leave}
	rest.next, rest.stop = iter.Pull2(s.memberPages(ctx, scope, id))
	page, err, more := rest.next()
	if err == nil && !more {
		err = errNoGroup
	}
	if err != nil {
		rest.Close()
		return g, nil, err
	}
	// What was read before the room was entered is of another moment.
	rest.first = page.members
	return Group{Group: *page.group}, rest, nil
}

var errNoGroup = errors.New("the reading of a group ended before it began")

// Members are those of one group, read page by page.
type Members struct {
	first []store.GroupMember
	next  func() (memberPage, error, bool)
	stop  func()
	leave func()
}

type memberPage struct {
	group   *store.Group // the same with each page
	members []store.GroupMember
}

// Next returns the members that follow, in the order of their ids, and io.EOF behind the last.
func (m *Members) Next() ([]store.GroupMember, error) {
	if first := m.first; first != nil {
		m.first = nil
		return first, nil
	}
	page, err, more := m.next()
	switch {
	case err != nil:
		return nil, err
	case !more:
		return nil, io.EOF
	}
	return page.members, nil
}

// Close gives the view back.
func (m *Members) Close() {
	m.stop()
	m.leave()
}

// memberPages reads a group and its members within one transaction, which lasts as long as somebody takes pages.
func (s *Service) memberPages(ctx context.Context, scope Scope, id string) iter.Seq2[memberPage, error] {
	return func(yield func(memberPage, error) bool) {
		wanted := true
		err := s.DB.Read(ctx, scope.Workspace, func(tx *store.Tx) error {
			g, err := tx.Group(scope.Directory, id)
			if err != nil {
				return err
			}
			for after := ""; wanted; {
				members, err := tx.MembersBehind(id, after, MemberPage)
				if err != nil {
					return err
				}
				// An empty page is the first of a group that has lost its members meanwhile.
				if len(members) > 0 || after == "" {
					wanted = yield(memberPage{g, members}, nil)
				}
				if len(members) < MemberPage {
					return nil
				}
				after = members[len(members)-1].User
			}
			return nil
		})
		if err != nil && wanted {
			yield(memberPage{}, err)
		}
	}
}

// A reading of a large group holds a connection for as long as its client takes. There is room for few, so that
// clients that are slow cannot take the connections of those who ask whether a session lives.
const maxReadings = 3
