package scimserver

import (
	"context"
	"errors"
	"io"

	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
	"github.com/gatehouse-id/gatehouse/scim"
)

// getGroup reads a group. The members of a large one are read while the answer is sent.
func (b *backend) getGroup(ctx context.Context, id string, withMembers bool) (scim.Resource, error) {
	if !withMembers {
		g, err := b.s.provision.GetGroup(ctx, b.scope, id, false)
		if err != nil {
			return nil, wire(err)
		}
		return shownGroup(&g)
	}
	g, rest, err := b.s.provision.ReadGroup(ctx, b.scope, id)
	if err != nil {
		return nil, wire(err)
	}
	r, err := shownGroup(&g)
	if rest == nil {
		return r, err
	}
	if err != nil {
		rest.Close()
		return nil, err
	}
	r["members"] = &memberRows{b: b, ctx: ctx, members: rest, rows: make(scim.Rows, 0, provision.MemberPage)}
	return r, nil
}

// memberRows are the members of a large group as the engine takes them.
type memberRows struct {
	b       *backend
	ctx     context.Context
	members *provision.Members
	rows    scim.Rows
}

var _ scim.RowReader = (*memberRows)(nil)

func (m *memberRows) Next() (scim.Rows, error) {
	page, err := m.members.Next()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			// The status has been sent, and the log line says 200.
			web.Add(m.ctx, "error", err.Error())
			if m.ctx.Err() == nil {
				m.b.s.log.ErrorContext(m.ctx, "an answer was cut off", "workspace", m.b.scope.Workspace, "directory", m.b.scope.Directory, "error", err)
			}
		}
		return nil, err
	}
	m.rows = m.rows[:0]
	for _, member := range page {
		m.rows = append(m.rows, rowOf(member))
	}
	return m.rows, nil
}

func (m *memberRows) Close() { m.members.Close() }

func rowOf(m store.GroupMember) scim.Row {
	return scim.Row{Value: m.User, Display: m.Name, Type: memberType(m)}
}
