package scim_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/scim"
)

func TestDiscovery_StatesWhatIsTrue(t *testing.T) {
	t.Parallel()
	all := scim.Offers{Sort: true, Cursor: true, ETag: true}
	for name, c := range map[string]struct {
		change func(*scim.Handler)
		want   map[string]any
	}{
		"nothing offered": {func(*scim.Handler) {}, map[string]any{
			"sort": on(false), "etag": on(false), "bulk": map[string]any{"supported": false, "maxOperations": 0.0, "maxPayloadSize": 0.0},
			"pagination": map[string]any{"cursor": false, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100.0, "maxPageSize": 200.0},
		}},
		"everything offered": {func(h *scim.Handler) { h.Offers, h.Bulk, h.CursorTimeout = all, &scim.BulkLimits{}, 10*time.Minute }, map[string]any{
			"sort": on(true), "etag": on(true), "bulk": map[string]any{"supported": true, "maxOperations": 1000.0, "maxPayloadSize": 1048576.0},
			"pagination": map[string]any{"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100.0, "maxPageSize": 200.0, "cursorTimeout": 600.0},
		}},
		"limits of one's own, cursors for good": {func(h *scim.Handler) { h.Offers, h.Bulk = all, &scim.BulkLimits{MaxOperations: 7, MaxPayloadSize: 8} }, map[string]any{
			"bulk":       map[string]any{"supported": true, "maxOperations": 7.0, "maxPayloadSize": 8.0},
			"pagination": map[string]any{"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100.0, "maxPageSize": 200.0},
		}},
		"a timeout of no cursors": {func(h *scim.Handler) { h.CursorTimeout = time.Hour }, map[string]any{
			"pagination": map[string]any{"cursor": false, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100.0, "maxPageSize": 200.0},
		}},
		"older clients": {func(h *scim.Handler) { h.Offers, h.HideNewerKeys = all, true }, map[string]any{"sort": on(true), "etag": on(true), "pagination": nil}},
	} {
		s := newServer(c.change)
		doc := s.do(t, "GET", "/ServiceProviderConfig", "").want(t, 200).doc
		for key, want := range c.want {
			if !reflect.DeepEqual(doc[key], want) {
				t.Errorf("%s: %s is %v, want %v", name, key, doc[key], want)
			}
		}
		schema := s.do(t, "GET", "/Schemas/"+scim.URNServiceProviderConfig, "").want(t, 200)
		for key := range doc {
			if key != "schemas" && key != "meta" && key != "documentationUri" && !strings.Contains(schema.Body.String(), `"name":"`+key+`"`) {
				t.Errorf("%s: the schema does not know %s", name, key)
			}
		}
		if c.want["pagination"] == nil && strings.Contains(schema.Body.String(), "pagination") {
			t.Errorf("%s: the schema has the newer keys", name)
		}
	}
}

func on(supported bool) map[string]any { return map[string]any{"supported": supported} }
