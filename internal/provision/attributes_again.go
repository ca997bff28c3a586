package provision

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// JobAttributes is the kind of the jobs that read people's attributes again, some people at a time.
const JobAttributes = "attributes"

// attributesBatch is how many people one transaction reads again: it holds the lock of each.
const attributesBatch = 256

// attributesStep is a job's body. Of tells the tables by which people are read: once they are others, that change
// brought steps of its own.
type attributesStep struct {
	After string      `json:"after"`
	Of    string      `json:"of"`
	Actor audit.Party `json:"actor"`
}

// tables is a digest of everything that decides what people's attributes are.
func tables(cfg *directory.Config) string {
	said := []any{}
	for _, a := range cfg.Attributes {
		said = append(said, a.Name, a.Type, a.Choices)
	}
	for _, d := range cfg.Directories {
		said = append(said, d.ID, d.Map)
	}
	for _, c := range cfg.Connections {
		said = append(said, c.ID, c.Map)
	}
	text, _ := json.Marshal(said) // strings and maps of them, which always encode
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// SameTables reports whether two configurations read people's attributes alike.
func SameTables(a, b *directory.Config) bool { return tables(a) == tables(b) }

// RereadAttributes reads everybody's attributes again, after a change of attributes or mappings: those of a directory
// from the documents that are stored, those of a connection as far as they still have a place. The first people are
// done in this transaction, which holds the policy exclusively; jobs do the rest, and more says that there is one. What
// a connection asserts of something that is mapped now comes with the next sign-in.
func RereadAttributes(tx *store.Tx, cfg *directory.Config, actor audit.Party) (changed int, more bool, err error) {
	members, err := tx.MembersAfter("", attributesBatch)
	if err != nil {
		return 0, false, err
	}
	if changed, err = reread(tx, cfg, actor, members); err != nil {
		return changed, false, err
	}
	if len(members) < attributesBatch {
		return changed, false, nil
	}
	return changed, true, jobs.Enqueue(tx, JobAttributes, attributesStep{members[len(members)-1].ID, tables(cfg), actor}, tx.Now())
}

// AttributesHandler does the jobs of that kind. A step that is done twice changes nothing the second time.
func (s *Service) AttributesHandler() jobs.Handler {
	return jobs.Handler{Do: func(ctx context.Context, j store.Job) error {
		var step attributesStep
		if err := json.Unmarshal([]byte(j.Body), &step); err != nil {
			return jobs.Permanent(fmt.Errorf("read attributes: %w", err))
		}
		err := s.DB.Write(ctx, j.Workspace, func(tx *store.Tx) error { return rereadStep(tx, step) })
		if errs.Is(err, errs.KindNotFound) {
			return nil // the workspace is gone
		}
		return err
	}}
}

func rereadStep(tx *store.Tx, step attributesStep) error {
	peek, err := tx.MembersAfter(step.After, attributesBatch)
	if err != nil || len(peek) == 0 {
		return err
	}
	ids := make([]string, len(peek))
	for i, m := range peek {
		ids[i] = m.ID
	}
	if err := tx.LockPeople(ids, false); err != nil {
		return err
	}
	cfg, err := tx.Config()
	if err != nil || tables(cfg) != step.Of {
		return err
	}
	members, err := tx.Members(ids)
	if err != nil {
		return err
	}
	if _, err := reread(tx, cfg, step.Actor, members); err != nil || len(peek) < attributesBatch {
		return err
	}
	step.After = ids[len(ids)-1]
	return jobs.Enqueue(tx, JobAttributes, step, tx.Now())
}

// reread reads the attributes of members again, who are held.
func reread(tx *store.Tx, cfg *directory.Config, actor audit.Party, members []directory.Member) (changed int, err error) {
	ids := make([]string, 0, len(members))
	for _, m := range members {
		if m.Stage != directory.StageErased && m.Directory != "" {
			ids = append(ids, m.ID)
		}
	}
	list, err := tx.SCIMUsersOfMembers(ids)
	if err != nil {
		return 0, err
	}
	resources := map[string][]store.SCIMUser{}
	for _, u := range list {
		resources[u.Member] = append(resources[u.Member], u)
	}
	scope := Scope{Workspace: tx.Workspace(), Actor: actor}
	for i := range members {
		m := &members[i]
		if m.Stage == directory.StageErased {
			continue
		}
		had := m.Asserted
		prune(cfg, m)
		changes := reckonAttributes(cfg, m, had, resources[m.ID])
		if len(changes) == 0 && reflect.DeepEqual(had, m.Asserted) {
			continue
		}
		tx.UpdateMember(m)
		if len(changes) == 0 {
			continue
		}
		changed++
		e := scope.event(audit.MemberUpdated, memberParty(m), changes...)
		e.Reason = "attribute_mapping"
		if err := tx.Record(e); err != nil {
			return changed, err
		}
	}
	return changed, nil
}
