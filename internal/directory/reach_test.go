package directory_test

import (
	"slices"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

func TestNoticesLeavers_OnlyWithADirectoryBesideThatProvisions(t *testing.T) {
	cfg := directory.Config{Directories: []directory.Directory{{ID: "dir_other", Connection: "con_other", Status: directory.DirectoryEnabled},
		{ID: "dir_alone", Status: directory.DirectoryEnabled}}}
	for status, want := range map[directory.DirectoryStatus]bool{"none": false, directory.DirectoryDraft: false, directory.DirectoryTesting: false,
		directory.DirectoryEnabled: true, directory.DirectoryPaused: false} {
		at := cfg
		if status != "none" {
			at.Directories = append(slices.Clone(cfg.Directories), directory.Directory{ID: "dir_a", Connection: "con_a", Status: status})
		}
		if got := at.NoticesLeavers("con_a"); got != want {
			t.Errorf("with a directory that is %s: %v", status, got)
		}
	}
	if cfg.NoticesLeavers("") {
		t.Error("a directory beside no connection notices for those who used none")
	}
}

func TestConnectionsFor_TheOneThatHasTheDomainElseThoseWithoutAnyElseAll(t *testing.T) {
	okta, entra := directory.Connection{ID: "okta", Domains: []string{"acme.test", "acme.example"}}, directory.Connection{ID: "entra", Domains: []string{"beta.test"}}
	plain, other := directory.Connection{ID: "plain"}, directory.Connection{ID: "other"}
	for _, c := range []struct {
		why, domain string
		of, want    []directory.Connection
	}{
		{"the domain's own", "acme.test", []directory.Connection{plain, okta, entra}, []directory.Connection{okta}},
		{"a second domain of it", "acme.example", []directory.Connection{plain, okta, entra}, []directory.Connection{okta}},
		{"a domain of none", "gamma.test", []directory.Connection{plain, okta, other}, []directory.Connection{plain, other}},
		{"a part of a domain", "sub.acme.test", []directory.Connection{plain, okta}, []directory.Connection{plain}},
		{"a domain of none where all have some", "gamma.test", []directory.Connection{okta, entra}, []directory.Connection{okta, entra}},
		{"nothing is known", "", []directory.Connection{okta, plain}, []directory.Connection{okta, plain}},
		{"no connection", "acme.test", nil, nil},
	} {
		got := directory.ConnectionsFor(c.domain, c.of)
		if !slices.EqualFunc(got, c.want, func(a, b directory.Connection) bool { return a.ID == b.ID }) {
			t.Errorf("%s: %+v", c.why, got)
		}
	}
}
