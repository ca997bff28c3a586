package provision

import (
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// MayManage refuses, with its event, what the actor of scope may not do to m: somebody who may not manage people, or
// not those of a higher role. The policy is held exclusively.
func MayManage(tx *store.Tx, cfg *directory.Config, scope Scope, m *directory.Member) error {
	h, err := handOf(tx, cfg, scope)
	if err == nil {
		err = h.over(m.Role)
	}
	if err != nil {
		return refusedAct(scope, m, err)
	}
	return nil
}
