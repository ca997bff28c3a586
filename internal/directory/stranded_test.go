package directory_test

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

func TestTheEndOfADomainsProof_LeavesThePasswordToWhomTheDomainAloneLetIn(t *testing.T) {
	roles := directory.Roles{{ID: "owner"}, {ID: "member", Rank: 1}}
	verified := directory.Connection{ID: "con", Status: directory.ConnectionActive}
	cfg := func(require directory.Require, status directory.ConnectionStatus, proven ...string) *directory.Config {
		con := verified
		con.Status = status
		e := directory.Enforcement{RequireSSO: require}
		if require == directory.RequireDomains {
			e.Domains = []string{"acme.test"}
		}
		return &directory.Config{Workspace: directory.Workspace{Enforcement: e}, Roles: roles, Connections: []directory.Connection{con},
			Directories: []directory.Directory{{ID: "dir", Connection: "con"}}, Domains: proven}
	}
	person := directory.Member{Email: "ada@acme.test", Stage: directory.StageActive}
	guest, owned, glass := person, person, person
	guest.Email, owned.Directory, glass.BreakGlass = "ada@agency.test", "dir", true
	for name, c := range map[string]struct {
		cfg    *directory.Config
		m      directory.Member
		linked []string
		lapsed bool
		want   bool
	}{
		"by domain, nobody knows them":       {cfg(directory.RequireDomains, directory.ConnectionActive), person, nil, false, true},
		"while it is proven":                 {cfg(directory.RequireDomains, directory.ConnectionActive, "acme.test"), person, nil, false, false},
		"linked":                             {cfg(directory.RequireDomains, directory.ConnectionActive), person, []string{"con"}, false, false},
		"a directory owns them":              {cfg(directory.RequireDomains, directory.ConnectionActive), owned, nil, false, false},
		"not covered":                        {cfg(directory.RequireDomains, directory.ConnectionActive), guest, nil, false, false},
		"emergency access":                   {cfg(directory.RequireDomains, directory.ConnectionActive), glass, nil, false, false},
		"no connection would let them in":    {cfg(directory.RequireDomains, directory.ConnectionDisabled), person, nil, false, false},
		"of everybody, and the domain ended": {cfg(directory.RequireAll, directory.ConnectionActive), person, nil, true, true},
		"of everybody, a guest":              {cfg(directory.RequireAll, directory.ConnectionActive), guest, nil, false, false},
		"nothing is required":                {cfg(directory.RequireNone, directory.ConnectionActive), person, nil, true, false},
	} {
		if got := c.cfg.Stranded(&c.m, c.linked, c.lapsed); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
