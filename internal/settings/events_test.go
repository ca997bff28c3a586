package settings

import (
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

func TestSCIMEvents_AreOffUntilAnApplicationHasAnAddressForThem(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		app := func(more string) string {
			return "workspace: acme\napplications: [{name: app, redirect_uris: ['https://app.test/']" + more + "}]\n"
		}
		s.mustApply(t, acme, ApplyOptions{})
		s.mustApply(t, app(""), ApplyOptions{})
		if a := s.mustConfig(t, "acme").Applications[0]; a.SCIMEventsURI != "" {
			t.Errorf("%+v", a)
		}
		r := s.mustApply(t, app(", scim_events_uri: 'https://app.test/events', scim_events_audience: feed"), ApplyOptions{})
		if want := "applications.app.scim_events_audience: (none) -> feed|applications.app.scim_events_uri: (none) -> https://app.test/events"; strings.Join(r.Changes, "|") != want {
			t.Errorf("changes %q", r.Changes)
		}
		s.mustApply(t, app(""), ApplyOptions{}) // what the file does not have stays
		if a := s.mustConfig(t, "acme").Applications[0]; a.SCIMEventsURI != "https://app.test/events" || a.SCIMEventsAudience != "feed" {
			t.Errorf("%+v", a)
		}
		s.mustApply(t, app(", scim_events_uri: ''"), ApplyOptions{})
		if a := s.mustConfig(t, "acme").Applications[0]; a.SCIMEventsURI != "" {
			t.Errorf("%+v", a)
		}
		for _, wrong := range []string{"http://app.test/events", "/events", "https://u:p@app.test/", "https://app.test/#x"} {
			_, err := ParseFile([]byte(app(", scim_events_uri: '"+wrong+"'")), "")
			if !errs.Is(err, errs.KindInvalid) || !strings.Contains(err.Error(), "applications[0].scim_events_uri: expected") {
				t.Errorf("%s: %v", wrong, err)
			}
		}
	})
}
