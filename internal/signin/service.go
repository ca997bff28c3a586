package signin

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/letter"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Service is sign-in without HTTP. All fields but Now are needed; those of OIDC where there are connections of it.
type Service struct {
	DB *store.DB
	// Passwords bounds how many passwords are checked at once. Share one among all services.
	Passwords *keys.Passwords
	// PublicURL is the origin that browsers see: "https://id.example.com". It makes the links and
	// decides whether cookies are for https only.
	PublicURL string
	// Now is the clock of checks outside a transaction. The default is the store's.
	Now func() time.Time

	// Mail says that mail can be sent: passwords can be set anew by it, and owners are told of emergency access.
	Mail bool

	// Artifacts fetches what artifacts of SAML connections stand for; nil where none can be fetched.
	Artifacts *Artifacts
	// Outside speaks with the IdPs of OIDC connections, and Master opens their client secrets. Assert signs
	// what proves who we are to an IdP that wants no secret (private_key_jwt); nil where there is no key.
	Outside *relyingparty.RelyingParty
	Master  *keys.Master
	Assert  func(ctx context.Context, claims map[string]any) (string, error)

	// UnknownKey looks at the metadata of a SAML connection whose IdP signed with a key that is not known, and reports
	// whether that is done now (settings.Service.UnknownKey). nil looks at none.
	UnknownKey func(ctx context.Context, workspace, connection string) (bool, error)

	traces traceBudget
}

func (s *Service) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return s.DB.Now()
}

// Client is where an attempt came from.
type Client struct {
	IP        netip.Addr // the zero Addr where there is none
	Bucket    string     // what limits count (web.Bucket)
	UserAgent string

	invitation string // hash of the invitation that the browser took along, or ""
}

// maxUserAgent is how much of a User-Agent is kept, in bytes.
const maxUserAgent = 200

// ClientOf describes the sender of a request.
func ClientOf(r *http.Request) Client {
	ip := web.ClientIP(r)
	return Client{IP: ip, Bucket: web.Bucket(ip), UserAgent: cut(r.UserAgent(), maxUserAgent)}
}

// address is the client's address as text, "" where there is none.
func (c Client) address() string {
	if !c.IP.IsValid() {
		return ""
	}
	return c.IP.String()
}

// cut returns at most limit bytes of s as valid UTF-8 without control characters, which
// PostgreSQL's text does not hold.
func cut(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}

// party is a member as events name them.
func party(m *directory.Member) audit.Party {
	return audit.Party{Kind: "member", ID: m.ID, Name: m.Email}
}

// attempt is the payload of a sign-in event. It never holds what was typed as a password, nor an
// e-mail field that is no address: people type passwords there.
type attempt struct {
	Method    directory.Method `json:"method"`
	Email     string           `json:"email,omitempty"`
	Emergency bool             `json:"emergency,omitempty"`
	Address   string           `json:"address,omitempty"`
	UserAgent string           `json:"user_agent,omitempty"`
	Session   string           `json:"session,omitempty"`
}

func (a attempt) payload() json.RawMessage {
	body, err := json.Marshal(a) // strings and booleans, which always encode
	if err != nil {
		return nil
	}
	return body
}

// attemptBy describes an attempt by a client.
func attemptBy(c Client, method directory.Method) attempt {
	return attempt{Method: method, Address: c.address(), UserAgent: c.UserAgent}
}

// stranger is the actor of an attempt that proved nothing.
func (c Client) stranger() audit.Party { return audit.Party{Kind: "stranger", Name: c.address()} }

// opening is a session that is to be opened.
type opening struct {
	attempt
	breakGlass bool
	// emergency is why this is a use of emergency access beside breakGlass, "" for none; proof says how, for people.
	emergency, proof string
	until            time.Time // the absolute end; zero is session.Absolute from now

	// Of sessions through a connection.
	connection      string // id
	authenticatedAt time.Time
	context, index  string
	nameID, named   string // as session.Session has NameID and NameHash
	// payload makes the event's payload in place of the attempt's own; nil for that.
	payload func(session string) []byte
	// trace is the attempt as far as it is known, nil without an IdP.
	trace *store.Attempt
}

// keep keeps the attempt that succeeded, and that m has signed in. The next event that is recorded is its own.
func (o *opening) keep(tx *store.Tx, m *directory.Member) {
	var a store.Attempt
	if o.trace != nil {
		a = *o.trace
	} else {
		a = plainAttempt(o.attempt, tx.Now())
		a.Steps = append(a.Steps, audit.Step{Actor: audit.ActorGatehouse, At: tx.Now(), Text: "Signed the person in."})
	}
	a.Outcome, a.Member, a.Name, a.Event = audit.OK, m.ID, m.Email, tx.EventID()
	tx.EndAttempt(a)
	tx.SeeMember(m.ID)
}

// start opens a session of m. The caller holds m's lock, has read m under it and has asked
// directory.MaySignIn.
func (s *Service) start(tx *store.Tx, cfg *directory.Config, m *directory.Member, o opening) (token string, _ *session.Session, err error) {
	now := tx.Now()
	if o.until.IsZero() {
		o.until = now.Add(session.Absolute)
	}
	opened := &session.Session{
		ID: keys.ID("ses_", now), Workspace: tx.Workspace(), Member: m.ID, Method: o.Method, BreakGlass: o.breakGlass,
		CreatedAt: now, LastUsedAt: now, ExpiresAt: o.until, Address: o.Address, UserAgent: o.UserAgent,
		Connection: o.connection, AuthenticatedAt: o.authenticatedAt, Context: o.context, SessionIndex: o.index, NameID: o.nameID, NameHash: o.named,
	}
	token, hash := keys.NewToken(session.TokenPrefix)
	tx.InsertSession(opened, hash)
	o.Session = opened.ID
	payload := o.attempt.payload()
	if o.payload != nil {
		payload = o.payload(opened.ID)
	}
	events := []audit.Event{{Type: audit.SignInSucceeded, Reason: string(o.Method), Actor: party(m), Subject: party(m), Connection: o.connection, Payload: payload}}
	if o.breakGlass || o.emergency != "" {
		// Apart from the sign-in, so that the other owners can be told of this and of nothing else.
		used := audit.Event{ID: keys.ID("evt_", now), Type: audit.BreakGlassUsed, Reason: cmp.Or(o.emergency, "sso_enforced"), Actor: party(m), Subject: party(m), Payload: payload}
		events = append(events, used)
		if err := s.announce(tx, cfg, m, o, used.ID); err != nil {
			return "", nil, err
		}
	}
	o.keep(tx, m)
	for _, e := range events {
		if err := tx.Record(e); err != nil {
			return "", nil, err
		}
	}
	return token, opened, provision.SignedIn(tx, cfg, m)
}

// announce tells every owner, the one who did it included, that emergency access was used: it may have been somebody else.
// Where no mail can be sent the event alone tells of it, on every owner's own page.
func (s *Service) announce(tx *store.Tx, cfg *directory.Config, m *directory.Member, o opening, event string) error {
	if !s.Mail {
		return nil
	}
	link := "/console/" + url.PathEscape(cfg.Workspace.Slug) + "/events/" + event
	return jobs.ToOwners(tx, cfg, "", "", func(to letter.To) letter.Letter {
		return letter.BreakGlassUsed(to, letter.Use{Who: m.Email, With: o.proof, From: o.Address, At: tx.Now()}, link)
	})
}
