package directory_test

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// Law 7 as a search: a small company in every situation that clicks, requests and time can bring about. Each act asks
// the same rules as the rooms do, and nothing else decides. In no situation may the company be without an owner who
// can sign in with no IdP.

const (
	searchPeople      = 3
	searchConnections = 2
)

// searchPerson is one member of the company.
type searchPerson struct {
	Owner, BreakGlass bool
	Password, Fresh   bool // Fresh: proven in the last 90 days
	Outside           bool // an address of another domain
	Provisioned       bool // a directory owns them
	Idp, Loss, Hand   bool // what keeps them out
}

// searchState is one situation. It is comparable: equal situations are one.
type searchState struct {
	People      [searchPeople]searchPerson
	Connections [searchConnections]uint8 // 0 none, 1 draft, 2 draft proven, 3 active, 4 active proven
	Require     uint8                    // 0 none, 1 all, 2 acme.test
	Domain      bool                     // acme.test is proven
	Relaxed     bool
	Emergency   bool // somebody has a session by emergency access
	Codes       uint8
}

var (
	searchNow = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	searchOld = searchNow.Add(-directory.BreakGlassProof - time.Hour)
)

func (s *searchState) enforcement(require uint8) directory.Enforcement {
	e := directory.Enforcement{RequireSSO: directory.RequireNone}
	switch require {
	case 1:
		e.RequireSSO = directory.RequireAll
	case 2:
		e.RequireSSO, e.Domains = directory.RequireDomains, searchDomains
	}
	if s.Relaxed {
		e.Relaxed = searchRelaxed
	}
	return e
}

var (
	searchDomains = []string{"acme.test"}
	searchRelaxed = &directory.Relaxation{Since: searchNow.Add(-time.Hour), Until: searchNow.Add(time.Hour)}
	searchRoles   = directory.Roles{{ID: "owner"}, {ID: "member", Rank: 1}}
)

func (s *searchState) config() *directory.Config {
	c := &directory.Config{Roles: searchRoles, Workspace: directory.Workspace{Enforcement: s.enforcement(s.Require)}}
	if s.Domain {
		c.Domains = searchDomains
	}
	return c
}

func (p *searchPerson) member() directory.Member {
	m := directory.Member{Email: "p@acme.test", Stage: directory.StageActive, Role: "member", BreakGlass: p.BreakGlass}
	if p.Outside {
		m.Email = "p@other.test"
	}
	if p.Owner {
		m.Role = "owner"
	}
	if p.Provisioned {
		m.Directory = "dir"
	}
	if p.Idp {
		m.Sources = m.Sources.With(directory.SourceIdP)
	}
	if p.Loss {
		m.Sources = m.Sources.With(directory.SourceGroupLoss)
	}
	if p.Hand {
		m.Sources = m.Sources.With(directory.SourceOwner)
	}
	return m
}

func (p *searchPerson) in() bool { return !p.Idp && !p.Loss && !p.Hand }

func (p *searchPerson) proven() time.Time {
	if p.Fresh {
		return searchNow
	}
	return searchOld
}

// others counts the owners in full beside one.
func (s *searchState) others(but int) (o directory.Others) {
	for i := range s.People {
		if p := &s.People[i]; i != but && p.Owner && p.in() {
			o.Owners++
			if p.Password {
				o.WithPassword++
			}
		}
	}
	return o
}

func (s *searchState) verified() bool { return slices.Contains(s.Connections[:], 4) }

func (s *searchState) facts() directory.EnforcementFacts {
	f := directory.EnforcementFacts{VerifiedConnection: s.verified()}
	for i := range s.People {
		if p := &s.People[i]; p.BreakGlass && p.Owner && p.in() {
			f.BreakGlass = p.Password
			f.PasswordProvenAt = p.proven()
		}
	}
	return f
}

// keeps reports whether some owner can sign in with no IdP.
func (s *searchState) keeps() bool {
	c := s.config()
	for i := range s.People {
		if !s.People[i].Password || !s.People[i].Owner {
			continue
		}
		if m := s.People[i].member(); c.EntersAlone(&m, true) {
			return true
		}
	}
	return false
}

// searchRules are what the rooms ask. Tests break them one by one.
type searchRules struct {
	protects    func(*directory.Member, string, bool, directory.Others, int) bool
	enforce     func(directory.Enforcement, directory.EnforcementFacts, time.Time) []string
	standing    func(directory.Enforcement, bool, directory.EnforcementFacts) []string
	designation func(directory.Enforcement, *directory.Keeper, directory.Keeper, time.Time) error
	keepers     func(had, has bool) error
}

func realRules() searchRules {
	return searchRules{directory.Protects, directory.CheckEnforcement, directory.CheckStanding, directory.CheckDesignation, directory.CheckKeepers}
}

// searchAct is something that can happen. It returns the situation behind it and whether it took place.
type searchAct struct {
	name string
	do   func(r *searchRules, s searchState) (searchState, bool)
}

func searchActs() []searchAct {
	var acts []searchAct
	add := func(name string, do func(r *searchRules, s searchState) (searchState, bool)) {
		acts = append(acts, searchAct{name, do})
	}
	protected := func(r *searchRules, s *searchState, i int) bool {
		if p := &s.People[i]; !p.BreakGlass && !p.Owner {
			return false
		}
		m := s.People[i].member()
		return r.protects(&m, "owner", s.People[i].Password, s.others(i), 0)
	}
	for i := range searchPeople {
		who := fmt.Sprint("person ", i)
		// leaves is an act that takes something away from a person, unless they are protected.
		leaves := func(name string, fits func(p *searchPerson) bool, do func(p *searchPerson)) {
			add(who+" "+name, func(r *searchRules, s searchState) (searchState, bool) {
				if !fits(&s.People[i]) || protected(r, &s, i) {
					return s, false
				}
				do(&s.People[i])
				return s, true
			})
		}
		person := func(name string, do func(s *searchState, p *searchPerson)) {
			add(who+" "+name, func(_ *searchRules, s searchState) (searchState, bool) {
				do(&s, &s.People[i])
				return s, true
			})
		}
		leaves("is deactivated by SCIM", func(p *searchPerson) bool { return p.Provisioned }, func(p *searchPerson) { p.Idp = true })
		leaves("is deactivated by hand", func(*searchPerson) bool { return true }, func(p *searchPerson) { p.Hand = true })
		leaves("loses the last group", func(p *searchPerson) bool { return p.Provisioned && p.in() }, func(p *searchPerson) { p.Loss = true })
		leaves("is no owner any more", func(p *searchPerson) bool { return p.Owner }, func(p *searchPerson) { p.Owner = false })
		leaves("gets another address by SCIM", func(p *searchPerson) bool { return p.Provisioned }, func(p *searchPerson) { p.Outside = !p.Outside })
		person("is activated by SCIM", func(_ *searchState, p *searchPerson) { p.Idp = p.Idp && !p.Provisioned })
		person("has a mapped group again", func(_ *searchState, p *searchPerson) { p.Loss = false })
		person("is restored", func(_ *searchState, p *searchPerson) { p.Idp, p.Loss, p.Hand = false, false, false })
		person("is made an owner", func(_ *searchState, p *searchPerson) { p.Owner = true })
		person("is adopted by the directory", func(_ *searchState, p *searchPerson) { p.Provisioned = p.Provisioned || !p.BreakGlass })
		person("is taken back from the directory", func(_ *searchState, p *searchPerson) { p.Provisioned = false })
		person("resets the password by mail", func(s *searchState, p *searchPerson) {
			m := p.member()
			if directory.MayHavePassword(&m, p.Password, false) && directory.MaySignIn(s.config(), &m, directory.MethodPassword) == nil {
				p.Password, p.Fresh = true, false
			}
		})
		person("signs in with the password", func(s *searchState, p *searchPerson) {
			m := p.member()
			if p.Password && directory.MaySignIn(s.config(), &m, directory.MethodPassword) == nil {
				p.Fresh = true
				s.Emergency = s.Emergency || p.BreakGlass && s.enforcement(s.Require).Covers(m.Email)
			}
		})
		add(who+" is designated", func(r *searchRules, s searchState) (searchState, bool) {
			var former *directory.Keeper
			for j := range s.People {
				if f := &s.People[j]; f.BreakGlass {
					former = &directory.Keeper{Owner: f.Owner && f.in(), Password: f.Password, ProvenAt: f.proven()}
				}
			}
			p := &s.People[i]
			if r.designation(s.enforcement(s.Require), former, directory.Keeper{Owner: p.Owner && p.in(), Password: p.Password, ProvenAt: p.proven()}, searchNow) != nil {
				return s, false
			}
			for j := range s.People {
				s.People[j].BreakGlass = j == i
			}
			s.Codes = 0 // they were the former's
			return s, true
		})
		add(who+" alone is in the list of owners", func(r *searchRules, s searchState) (searchState, bool) {
			had := s.keeps()
			for j := range s.People {
				if j != i && s.People[j].in() {
					s.People[j].Owner, s.People[j].BreakGlass = false, false
				}
			}
			s.People[i] = searchPerson{Owner: true, BreakGlass: s.People[i].BreakGlass, Password: s.People[i].Password, Fresh: s.People[i].Fresh,
				Outside: s.People[i].Outside, Provisioned: s.People[i].Provisioned}
			ok := len(r.standing(s.enforcement(s.Require), false, s.facts())) == 0 && r.keepers(had, s.keeps()) == nil
			return s, ok
		})
	}
	for require := range uint8(3) {
		add(fmt.Sprint("enforcement becomes ", require), func(r *searchRules, s searchState) (searchState, bool) {
			before, after := s.enforcement(s.Require), s.enforcement(require)
			if directory.Widens(before, after) {
				if len(r.enforce(after, s.facts(), searchNow)) > 0 {
					return s, false
				}
			} else if len(r.standing(after, false, s.facts())) > 0 {
				return s, false
			}
			s.Relaxed = s.Relaxed && require == s.Require
			s.Require = require
			return s, true
		})
	}
	for k := range searchConnections {
		link := fmt.Sprint("connection ", k)
		turn := func(name string, to func(now uint8) uint8) {
			add(link+" "+name, func(r *searchRules, s searchState) (searchState, bool) {
				had := s.verified()
				s.Connections[k] = to(s.Connections[k])
				lost := had && !s.verified()
				return s, !lost || len(r.standing(s.enforcement(s.Require), true, s.facts())) == 0
			})
		}
		turn("is made", func(now uint8) uint8 { return max(now, 1) })
		turn("is activated", func(now uint8) uint8 { return now + 2*b2u(now == 1 || now == 2) })
		turn("is proven by a sign-in", func(now uint8) uint8 { return now + b2u(now == 3) })
		turn("is disabled", func(now uint8) uint8 { return now - 2*b2u(now >= 3) })
		turn("gets another IdP's metadata", func(now uint8) uint8 { return now - b2u(now == 2 || now == 4) })
		turn("is removed", func(uint8) uint8 { return 0 })
	}
	simple := func(name string, do func(s *searchState)) {
		add(name, func(_ *searchRules, s searchState) (searchState, bool) { do(&s); return s, true })
	}
	simple("the domain is proven", func(s *searchState) { s.Domain = true })
	simple("the domain is removed", func(s *searchState) { s.Domain = false })
	simple("recovery codes are made", func(s *searchState) { s.Codes = 2 })
	simple("a recovery code is used", func(s *searchState) {
		if s.Codes > 0 {
			s.Codes, s.Emergency = s.Codes-1, true
		}
	})
	simple("emergency access relaxes", func(s *searchState) {
		if directory.CheckRelax(s.enforcement(s.Require), s.Emergency, searchNow) == nil {
			s.Relaxed = true
		}
	})
	simple("a relaxation ends", func(s *searchState) { s.Relaxed = false })
	simple("a week passes", func(s *searchState) { s.Relaxed, s.Emergency = false, false })
	simple("ninety days pass", func(s *searchState) {
		s.Relaxed, s.Emergency = false, false
		for i := range s.People {
			s.People[i].Fresh = false
		}
	})
	return acts
}

func b2u(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// searchStart is a company with two owners, of whom one has a password and is designated, and a provisioned member.
var searchStart = searchState{Connections: [2]uint8{1, 0}, Codes: 2,
	People: [3]searchPerson{{Owner: true, BreakGlass: true, Password: true, Fresh: true}, {Owner: true}, {Provisioned: true, Outside: true}}}

// search looks at situations breadth first, so that a way that it finds is a shortest one: until it has seen most of
// them, or all. It returns how many it saw, and the acts that lead to the first lock-out, nil for none.
func search(rules searchRules, most int) (seen int, way []string) {
	type step struct {
		from int32
		act  uint8
	}
	acts := searchActs()
	known := map[searchState]struct{}{searchStart: {}}
	states, steps := []searchState{searchStart}, []step{{from: -1}}
	type found struct {
		state searchState
		from  int32
		act   uint8
		kept  bool
	}
	for done := 0; done < len(states) && len(states) < most; {
		// A part of the row at a time, shared among workers; what they find is taken in order, so that every run is the same.
		part := states[done:min(done+8192, len(states))]
		workers := runtime.GOMAXPROCS(0)
		out := make([][]found, workers)
		var wait sync.WaitGroup
		size := (len(part) + workers - 1) / workers
		for w := range workers {
			lo, hi := min(w*size, len(part)), min((w+1)*size, len(part))
			wait.Go(func() {
				for i := lo; i < hi; i++ {
					for a := range acts {
						next, took := acts[a].do(&rules, part[i])
						if !took || next == part[i] {
							continue
						}
						if _, there := known[next]; !there {
							out[w] = append(out[w], found{next, int32(done + i), uint8(a), next.keeps()})
						}
					}
				}
			})
		}
		wait.Wait()
		done += len(part)
		for _, list := range out {
			for _, f := range list {
				if _, there := known[f.state]; there {
					continue
				}
				known[f.state] = struct{}{}
				states, steps = append(states, f.state), append(steps, step{f.from, f.act})
				if f.kept {
					continue
				}
				for at := int32(len(steps) - 1); steps[at].from >= 0; at = steps[at].from {
					way = append(way, acts[steps[at].act].name)
				}
				slices.Reverse(way)
				return len(states), way
			}
		}
	}
	return len(states), nil
}

func TestNoOrderOfActs_LocksACompanyOut(t *testing.T) {
	t.Parallel()
	began := time.Now()
	seen, way := search(realRules(), searchStates)
	if way != nil {
		t.Errorf("nobody can sign in without an IdP after:\n%s", strings.Join(way, "\n"))
	} else if seen < searchStates {
		t.Errorf("only %d situations were found", seen)
	}
	t.Logf("%d situations in %s", seen, time.Since(began).Round(time.Millisecond))
}

func TestTheSearch_FindsARuleThatIsBroken(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(*searchRules){
		"break-glass is not protected": func(r *searchRules) {
			r.protects = func(m *directory.Member, owner string, password bool, o directory.Others, n int) bool {
				bare := *m
				bare.BreakGlass = false
				return directory.Protects(&bare, owner, password, directory.Others{Owners: o.Owners, WithPassword: o.Owners}, n)
			}
		},
		"the last owner with a password is not protected": func(r *searchRules) {
			r.protects = func(m *directory.Member, owner string, _ bool, o directory.Others, n int) bool {
				return directory.Protects(m, owner, false, o, n)
			}
		},
		"nobody is protected": func(r *searchRules) {
			r.protects = func(*directory.Member, string, bool, directory.Others, int) bool { return false }
		},
		"enforcement asks for no break-glass administrator": func(r *searchRules) {
			r.enforce = func(e directory.Enforcement, f directory.EnforcementFacts, now time.Time) []string {
				f.BreakGlass, f.PasswordProvenAt = true, now
				return directory.CheckEnforcement(e, f, now)
			}
		},
		"the designation goes to somebody without a password": func(r *searchRules) {
			r.designation = func(e directory.Enforcement, former *directory.Keeper, to directory.Keeper, now time.Time) error {
				to.Password, to.ProvenAt = true, now
				return directory.CheckDesignation(e, former, to, now)
			}
		},
		"the designation goes to somebody who is out": func(r *searchRules) {
			r.designation = func(e directory.Enforcement, former *directory.Keeper, to directory.Keeper, now time.Time) error {
				to.Owner = true
				return directory.CheckDesignation(e, former, to, now)
			}
		},
		"a list of owners is not asked who is left": func(r *searchRules) {
			r.keepers = func(bool, bool) error { return nil }
			r.standing = func(directory.Enforcement, bool, directory.EnforcementFacts) []string { return nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rules := realRules()
			breaks(&rules)
			seen, way := search(rules, searchStates/4)
			if way == nil {
				t.Errorf("%d situations, and no way to lock the company out was found", seen)
			}
			t.Logf("%d situations: %s", seen, strings.Join(way, "; "))
		})
	}
}
