package scimserver_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestAListOfLargeGroups_ComesInPagesThatFit(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		w := h.workspace("acme", "default", nil)
		var ids []string
		for i := range 3 {
			ids = append(ids, w.do("POST", "/Groups", group(fmt.Sprintf("G%d", i))).want(201).str("id"))
		}
		rows := make([]string, 34_000)
		for i := range rows {
			rows[i] = fmt.Sprintf("nobody-%d", i)
		}
		if err := w.db.Write(context.Background(), w.id, func(tx *store.Tx) error {
			for _, id := range ids {
				if _, err := tx.AddGroupMembers(id, rows); err != nil {
					return err
				}
			}
			return tx.Record(audit.Event{Type: audit.SCIMGroupUpdated})
		}); err != nil {
			t.Fatal(err)
		}
		a := w.do("GET", "/Groups", "").want(200)
		if a.body["itemsPerPage"] != 1.0 || a.body["totalResults"] != 3.0 {
			t.Errorf("with members: itemsPerPage %v of %v, want 1 of 3", a.body["itemsPerPage"], a.body["totalResults"])
		}
		a = w.do("GET", "/Groups?excludedAttributes=members", "").want(200)
		if a.body["itemsPerPage"] != 3.0 {
			t.Errorf("without members: itemsPerPage %v, want 3", a.body["itemsPerPage"])
		}
		if a := w.do("GET", `/Groups?filter=members.display co "x"`, "").want(400); a.str("scimType") != "tooMany" {
			t.Errorf("%s", a.text)
		}
		w.do("GET", `/Groups?filter=displayName eq "G2"`, "").want(200)
	})
}
