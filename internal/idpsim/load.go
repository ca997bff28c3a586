package idpsim

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Load is a measured amount of one client's own traffic: a first sync of a company, then changes
// as administrators make them, imports between them. It is bounded in count and in time, and goes to
// loopback addresses only.
type Load struct {
	// Connection is the application. Parallel is how many requests are under way at the same time
	// (default 1).
	Connection Connection `json:"connection"`
	// People and Groups are the company's size; default 100 and 6.
	People int `json:"people"`
	Groups int `json:"groups"`
	// Changes is how many changes follow the first sync; default as many as there are people,
	// -1 for none.
	Changes int `json:"changes"`
	// Imports is how many full imports are spread over the changes; clients that never list people
	// or groups make none.
	Imports int `json:"imports"`
	// Domain is that of the people; default load.test.
	Domain string `json:"domain"`
	// Seconds ends the load early; default 60, at most an hour.
	Seconds int `json:"seconds"`
}

// Limits of a load.
const (
	maxLoadPeople  = 2_000_000
	maxLoadGroups  = 10_000
	maxLoadChanges = 10_000_000
	maxLoadImports = 1_000
	maxLoadSeconds = 3600
)

// ErrNotLoopback refuses a load on anything but this machine.
var ErrNotLoopback = errors.New("a load goes to loopback addresses only")

func (l Load) withDefaults() (Load, error) {
	for _, d := range []struct {
		name        string
		v           *int
		usual, most int
	}{{"people", &l.People, 100, maxLoadPeople}, {"groups", &l.Groups, 6, maxLoadGroups},
		{"imports", &l.Imports, 0, maxLoadImports}, {"seconds", &l.Seconds, 60, maxLoadSeconds}} {
		if *d.v == 0 {
			*d.v = d.usual
		}
		if *d.v < 0 || *d.v > d.most {
			return l, fmt.Errorf("%w: %s must be up to %d, got %d", ErrInvalid, d.name, d.most, *d.v)
		}
	}
	switch {
	case l.Changes == 0:
		l.Changes = l.People
	case l.Changes == -1:
		l.Changes = 0
	case l.Changes < 0 || l.Changes > maxLoadChanges:
		return l, fmt.Errorf("%w: changes must be up to %d, got %d", ErrInvalid, maxLoadChanges, l.Changes)
	}
	if l.Domain == "" {
		l.Domain = "load.test"
	}
	return l, loopbackURL(l.Connection.BaseURL)
}

// loopbackURL refuses a base URL whose host is not this machine by name or number.
func loopbackURL(base string) error {
	u, err := url.Parse(base)
	if err != nil {
		return fmt.Errorf("%w: base_url: %w", ErrInvalid, err)
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if u.Hostname() != "localhost" && (err != nil || !addr.Unmap().IsLoopback()) {
		return fmt.Errorf("%w: %w, got %q", ErrInvalid, ErrNotLoopback, u.Hostname())
	}
	return nil
}

// loopbackClient has no proxy and looks at the address that a name led to.
func loopbackClient(parallel int) *http.Client {
	dialer := &net.Dialer{Timeout: 10 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		if at, err := netip.ParseAddrPort(address); err != nil || !at.Addr().Unmap().IsLoopback() {
			return fmt.Errorf("%w, got %s", ErrNotLoopback, address)
		}
		return nil
	}}
	return &http.Client{Timeout: time.Minute, Transport: &http.Transport{DialContext: dialer.DialContext,
		DisableCompression: true, MaxIdleConnsPerHost: parallel, IdleConnTimeout: 30 * time.Second}}
}

// Run sends the load as a client of that kind. The report is of what was done when it ended, also
// beside an error; requests that the application refused are counted there and are no error.
func (l Load) Run(ctx context.Context, kind Kind) (LoadReport, error) {
	return l.run(ctx, kind, Options{})
}

func (l Load) run(ctx context.Context, kind Kind, o Options) (LoadReport, error) {
	l, err := l.withDefaults()
	if err != nil {
		return LoadReport{IdP: kind}, fmt.Errorf("load: %w", err)
	}
	within, cancel := context.WithTimeout(ctx, time.Duration(l.Seconds)*time.Second)
	defer cancel()
	count := newLoadCount()
	note := func(e Exchange) {
		if e.Status != 0 || within.Err() == nil { // what the end cut off is nobody's failure
			count.add(e)
		}
	}
	o.OnExchange, o.TraceSize, o.QuarantineAfter = note, 1, 1<<30
	o.HTTPClient = loopbackClient(max(l.Connection.Parallel, 1))
	s := New(o)
	defer s.Close()
	p := s.IdP(kind)
	if p == nil {
		return LoadReport{IdP: kind}, fmt.Errorf("load: %w kind %q", ErrUnknown, kind)
	}
	if err := p.Connect(ctx, l.Connection); err != nil {
		return LoadReport{IdP: kind}, fmt.Errorf("load: %w", err)
	}
	if err := p.Seed(ctx, Company{People: l.People, Groups: l.Groups, Domain: l.Domain}); err != nil {
		return LoadReport{IdP: kind}, fmt.Errorf("load: %w", err)
	}
	start := time.Now()
	synced, err := p.AssignEverybody(within)
	first := time.Since(start)
	var done [changeKinds]int64
	if err == nil || !stops(err) {
		err = nil // refused objects are counted
		done = l.changes(within, p)
	}
	r := count.report(kind)
	r.People, r.Groups = synced.Users, synced.Groups
	r.FirstSync, r.Duration = first, time.Since(start)
	r.noteChanges(done)
	r.EndedEarly = within.Err() != nil
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		err = nil // its time was up, which the report says
	}
	return r, err
}

// stops says whether a sync ended before all objects were tried.
func stops(err error) bool {
	var sync *SyncError
	return !errors.As(err, &sync) || sync.Cause != nil
}

// The changes of a load. Their shares are those of loadMix.
const (
	changeProfile = iota
	changeMember
	changeOut
	changeBack
	changeNew
	changeImport
	changeKinds
)

var changeNames = [changeKinds]string{"profile", "member", "out", "back", "new", "import"}

// loadMix is ten changes in order, over and over: what a directory of people who change their titles and
// teams, leave, come back and are hired looks like to an application.
var loadMix = []int{changeProfile, changeMember, changeProfile, changeOut, changeMember, changeBack, changeProfile, changeMember, changeNew, changeProfile}

// changes performs the changes with as many workers as asked for. Each worker has people of its own, so
// that nobody is in two requests at the same time; a group is in one at a time.
func (l Load) changes(ctx context.Context, p *IdP) (done [changeKinds]int64) {
	m := &mix{p: p, load: l, domain: l.Domain, groups: map[string]*sync.Mutex{}}
	state := p.State()
	for _, x := range state.People {
		m.people = append(m.people, x.ID)
	}
	for _, g := range state.Groups {
		m.names, m.groups[g.ID] = append(m.names, g.ID), &sync.Mutex{}
	}
	every := 0
	if l.Imports > 0 && p.kind.imports() {
		every = max(l.Changes/l.Imports, 1)
	}
	var next atomic.Int64
	var counts [changeKinds]atomic.Int64
	workers := min(max(l.Connection.Parallel, 1), max(l.People, 1), 256)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			mine := share(m.people, w, workers)
			for turn := 0; ctx.Err() == nil; turn++ {
				n := int(next.Add(1)) - 1
				if n >= l.Changes {
					return
				}
				what := loadMix[n%len(loadMix)]
				m.change(ctx, what, mine[turn%len(mine)], n)
				counts[what].Add(1)
				if every > 0 && n%every == every-1 && n/every < l.Imports {
					m.change(ctx, changeImport, "", n)
					counts[changeImport].Add(1)
				}
			}
		})
	}
	wg.Wait()
	for i := range counts {
		done[i] = counts[i].Load()
	}
	return done
}

// share is every n-th of list, from the w-th.
func share(list []string, w, n int) (out []string) {
	for i := w; i < len(list); i += n {
		out = append(out, list[i])
	}
	return out
}

// imports says whether this client lists people or groups.
func (k Kind) imports() bool {
	v := vendorOf(k)
	return k.isOkta() || v.importsUsers || v.importsGroups
}
