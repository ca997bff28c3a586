package idpsim

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Connection is the application as this IdP's administrator configured it.
type Connection struct {
	// BaseURL is the SCIM base URL; Entra calls it the tenant URL, and it may carry a query.
	BaseURL string `json:"base_url"`
	// Token is the bearer token.
	Token string `json:"token"`
	// RawAuthorization sends Token as the whole Authorization header (Okta's header auth).
	RawAuthorization bool `json:"raw_authorization"`
	// WithoutGroups leaves group push off, so that Okta's test does not probe /Groups.
	WithoutGroups bool `json:"without_groups"`
	// Matching is the attribute by which Entra finds people: "userName" (default), "externalId"
	// or "email".
	Matching string `json:"matching"`
	// RoleMapping is how Entra sends app roles: "" (not at all), "single", "complex" or "assertive".
	RoleMapping string `json:"role_mapping"`
	// PasswordSync lets Okta send changed passwords.
	PasswordSync bool `json:"password_sync"`
	// Extension is the URN of the custom schema for Person.Custom; "" puts them at the core level
	// (Okta) or leaves them out (Entra).
	Extension string `json:"extension"`
	// MemberBatch is the number of members that one request of Entra's names at most; 0 means 50.
	MemberBatch int `json:"member_batch"`
	// Parallel is the number of people that a sync sends at the same time; 0 means 1.
	Parallel int `json:"parallel"`
	// Attempts is how often one request is tried; 0 means 4, 1 means no retry.
	Attempts int `json:"attempts"`
	// ImportPastEnd lets Okta's import ask for one page beyond the end, which it is seen to do.
	ImportPastEnd bool `json:"import_past_end"`
	// SuspendAction is what becomes of somebody who is deactivated at the IdP, with the clients that
	// write complete documents: "suspend" (default) or "nothing".
	SuspendAction string `json:"suspend_action"`
	// DeleteAction is what becomes there of somebody who is deleted at the IdP, with OneLogin and PingOne
	// also of somebody who is unassigned: "nothing", "suspend" or "delete"; "" means "delete" with
	// JumpCloud and Google, else "suspend".
	DeleteAction string `json:"delete_action"`
	// Template is OneLogin's JSON body with macros such as {$user.email}; "" is a new connection's.
	Template string `json:"template"`
	// TestAddress is the user name of the test user that JumpCloud's activation makes and deletes;
	// "" means scimtest@acme.test.
	TestAddress string `json:"test_address"`
	// UserFilter is PingOne's filter by which it finds people, with %s where the user name goes.
	UserFilter string `json:"user_filter"`
	// CreateInactive lets PingOne make people who are assigned while they are deactivated.
	CreateInactive bool `json:"create_inactive"`
	// Mapping changes where attributes go with Google: from "title", "department" and so on to a path
	// such as "nickName"; "" leaves one out. What the application's schema forbids is refused.
	Mapping map[string]string `json:"mapping"`
	// NestCore has Google put the core attributes under the URN of their schema.
	NestCore bool `json:"nest_core"`
}

// check refuses a connection that cannot work and fills in the defaults.
func (c Connection) check(kind Kind) (Connection, error) {
	u, err := url.Parse(c.BaseURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return c, fmt.Errorf("%w: base_url must be an http or https URL, got %q", ErrInvalid, c.BaseURL)
	}
	if c.Token == "" || strings.ContainsAny(c.Token, "\r\n") {
		return c, fmt.Errorf("%w: token must be one non-empty line", ErrInvalid)
	}
	if c.Matching == "" {
		c.Matching = "userName"
	}
	if _, ok := entraMatching[c.Matching]; !ok {
		return c, fmt.Errorf("%w: matching must be userName, externalId or email, got %q", ErrInvalid, c.Matching)
	}
	switch c.RoleMapping {
	case "", rolesSingle, rolesComplex, rolesAssertive:
	default:
		return c, fmt.Errorf("%w: role_mapping must be single, complex or assertive, got %q", ErrInvalid, c.RoleMapping)
	}
	if err := c.checkDocuments(kind); err != nil {
		return c, err
	}
	c = c.withActions(kind)
	if c.MemberBatch <= 0 {
		c.MemberBatch = 50
	}
	if c.Attempts <= 0 {
		c.Attempts = 4
	}
	c.Parallel = min(max(c.Parallel, 1), 256)
	if kind == EntraFlag && !strings.Contains(u.RawQuery, complianceFlag) {
		u.RawQuery = strings.TrimPrefix(u.RawQuery+"&"+complianceFlag, "&")
		c.BaseURL = u.String()
	}
	return c, nil
}

// checkDocuments refuses settings of the clients that write complete documents.
func (c Connection) checkDocuments(kind Kind) error {
	for key, v := range map[string]string{"suspend_action": c.SuspendAction, "delete_action": c.DeleteAction} {
		if !slices.Contains([]string{"", actionNothing, actionSuspend, actionDelete}, v) || key == "suspend_action" && v == actionDelete {
			return fmt.Errorf("%w: %s must be nothing or suspend, delete_action may also be delete, got %q", ErrInvalid, key, v)
		}
	}
	if c.UserFilter != "" && !strings.Contains(c.UserFilter, "%s") {
		return fmt.Errorf("%w: user_filter needs %%s where the user name goes, got %q", ErrInvalid, c.UserFilter)
	}
	for name := range c.Mapping {
		if !slices.ContainsFunc(googleAttributes, func(a googleAttribute) bool { return a.name == name }) {
			return fmt.Errorf("%w: mapping of %q, which the directory does not have", ErrInvalid, name)
		}
	}
	if kind == OneLogin {
		_, err := parseTemplate(c.Template)
		return err
	}
	return nil
}

// withActions fills in what the vendor's new connections have.
func (c Connection) withActions(kind Kind) Connection {
	if c.SuspendAction == "" {
		c.SuspendAction = actionSuspend
	}
	if c.DeleteAction == "" {
		c.DeleteAction = vendorOf(kind).removed
	}
	if c.TestAddress == "" {
		c.TestAddress = "scimtest@acme.test"
	}
	if c.UserFilter == "" {
		c.UserFilter = pingOneUserFilter
	}
	if !kind.PushesGroups() {
		c.WithoutGroups = true
	}
	return c
}

// IdP is one simulated identity provider with its people, its groups and one application. All
// methods are safe for concurrent use; operations of one IdP run one after another.
type IdP struct {
	kind  Kind
	opts  *env
	trace *Trace
	saml  *samlApp
	oidc  *oidcApp
	turn  chan struct{} // holds one token while an operation runs

	mu         sync.Mutex // guards what follows; never held during a request
	conn       Connection
	tested     time.Time
	testError  string
	cycle      int
	quarantine *Quarantine
	last       *Outcome
	people     []*Person
	groups     []*Group
	byPerson   map[string]*Person // by id and by folded user name
	mapping    map[string]string  // Google's, once the application's schemas were read
}

func newIdP(kind Kind, opts *env) *IdP {
	return &IdP{kind: kind, opts: opts, trace: newTrace(opts.TraceSize), turn: make(chan struct{}, 1),
		byPerson: map[string]*Person{}, saml: newSAMLApp(kind, opts), oidc: newOIDCApp(kind, opts)}
}

// Kind returns which client this is.
func (p *IdP) Kind() Kind { return p.kind }

// Trace returns the record of exchanges.
func (p *IdP) Trace() *Trace { return p.trace }

// State returns a copy of everything that this IdP knows.
func (p *IdP) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := State{Kind: p.kind, Title: p.kind.Title(), Cycle: p.cycle, Connection: p.summary(),
		People: make([]Person, 0, len(p.people)), Groups: make([]Group, 0, len(p.groups))}
	if p.quarantine != nil {
		q := *p.quarantine
		s.Quarantine = &q
	}
	if p.last != nil {
		o := *p.last
		s.Last = &o
	}
	for _, x := range p.people {
		s.People = append(s.People, x.clone())
	}
	for _, g := range p.groups {
		s.Groups = append(s.Groups, g.clone())
	}
	return s
}

// summary must be called with mu held.
func (p *IdP) summary() Summary {
	s := Summary{Connected: p.conn.BaseURL != "", BaseURL: p.conn.BaseURL, Tested: p.tested,
		TestError: p.testError, Parallel: p.conn.Parallel}
	if p.kind.IsEntra() {
		s.Matching = p.conn.Matching
	}
	if n := len(p.conn.Token); n > 8 {
		s.TokenHint = p.conn.Token[n-4:]
	}
	return s
}

// Connect stores base URL and token. Nothing is sent; use TestCredentials. For entra-flag the
// compliance flag is added to the URL when the administrator left it out.
func (p *IdP) Connect(ctx context.Context, c Connection) error {
	return p.run(ctx, "Connect", func(context.Context) (string, error) {
		c, err := c.check(p.kind)
		if err != nil {
			return "", err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.conn, p.tested, p.testError, p.quarantine = c, time.Time{}, "", nil
		p.mapping = nil
		return "Connected to " + c.BaseURL + ".", nil
	})
}

// TestCredentials does what the IdP's own test button does, and remembers the outcome.
func (p *IdP) TestCredentials(ctx context.Context) error {
	return p.run(ctx, "Test credentials", func(ctx context.Context) (string, error) {
		test := p.putTest
		switch {
		case p.kind.IsEntra():
			test = p.entraTest
		case p.kind.isOkta():
			test = p.oktaTest
		}
		err := test(ctx)
		if errors.Is(err, ErrNotConnected) {
			return "", err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tested, p.testError = p.opts.Clock(), ""
		if err != nil {
			p.testError = err.Error()
		}
		return "The application answered as expected.", err
	})
}

// run gives fn its turn, so that operations of one IdP do not overlap, and keeps the outcome.
func (p *IdP) run(ctx context.Context, name string, fn func(context.Context) (string, error)) error {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%s: wait for the operation before: %w", name, ctx.Err())
	}
	defer func() { <-p.turn }()
	message, err := fn(ctx)
	o := &Outcome{Time: p.opts.Clock(), Operation: name, OK: err == nil, Message: message}
	if err != nil {
		o.Message = err.Error()
	}
	p.mu.Lock()
	p.last = o
	p.mu.Unlock()
	return err
}

// settings returns the connection, or ErrNotConnected.
func (p *IdP) settings() (Connection, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.conn.BaseURL == "" {
		return Connection{}, fmt.Errorf("%w: give %s a base URL and a token first", ErrNotConnected, p.kind)
	}
	return p.conn, nil
}

func (p *IdP) connected() bool {
	_, err := p.settings()
	return err == nil
}
