package settings

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/letter"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// warnDays are how many days before the end of a certificate people are told of it; 0 is when it has ended.
func warnDays() []int { return []int{60, 30, 14, 7, 1, 0} }

// JobExpiry is the kind of job that tells an owner by e-mail that a certificate ends.
const JobExpiry = store.MailKind + "expiry"

// Sides of a certificate.
const (
	SideIdP  = "idp"
	SideOurs = "sp"
)

// CertificateAge is a certificate in use at an active SAML connection.
type CertificateAge struct {
	Workspace  string // slug
	Connection string // id
	Name       string // of the connection
	Side       string // SideIdP or SideOurs
	CertificateView
}

// certificatesInUse are those that people are warned of: an old key that retires may end, and so may one that is known
// beside the one that signs.
func certificatesInUse(slug string, c directory.Connection) (out []CertificateAge) {
	if c.SAML == nil || c.Status != directory.ConnectionActive {
		return nil
	}
	add := func(side string, der []byte) {
		view := viewCertificate(der)
		if !view.NotAfter.IsZero() {
			out = append(out, CertificateAge{slug, c.ID, c.Name, side, view})
		}
	}
	active := slices.ContainsFunc(c.SAML.IdPKeys, func(k directory.IdPKey) bool { return k.State == directory.KeyActive })
	for _, der := range c.SAML.Certificates {
		if k, known := c.SAML.IdPKey(fingerprint(der)); !known || k.State == directory.KeyActive || k.State == directory.KeyStaged && !active {
			add(SideIdP, der)
		}
	}
	for _, k := range c.SAML.Keys {
		add(SideOurs, k.Certificate)
	}
	return out
}

// CertificatesInUse lists the certificates in use at the active SAML connections of all workspaces.
func (s *Service) CertificatesInUse(ctx context.Context) (out []CertificateAge, err error) {
	err = s.eachConfig(ctx, func(_ string, cfg *directory.Config) error {
		for _, c := range cfg.Connections {
			out = append(out, certificatesInUse(cfg.Workspace.Slug, c)...)
		}
		return nil
	})
	return out, err
}

// eachConfig calls fn with the configuration of each workspace, one after the other.
func (s *Service) eachConfig(ctx context.Context, fn func(workspace string, cfg *directory.Config) error) error {
	all, err := s.DB.System().Workspaces(ctx)
	if err != nil {
		return err
	}
	for _, w := range all {
		var cfg *directory.Config
		err := s.DB.Peek(ctx, w.ID, func(tx *store.Tx) (err error) {
			cfg, err = tx.Config()
			return err
		})
		if err == nil {
			err = fn(w.ID, cfg)
		}
		if err != nil && !errs.Is(err, errs.KindNotFound) {
			return err
		}
	}
	return nil
}

// TendKeys removes keys of IdPs whose time is over, and warns of certificates that end. It is called now and then, by
// any number of processes: each thing is done, and told, once.
func (s *Service) TendKeys(ctx context.Context) error {
	return s.eachConfig(ctx, func(workspace string, cfg *directory.Config) error {
		for _, c := range cfg.Connections {
			if c.SAML == nil {
				continue
			}
			now := s.DB.Now()
			if len(ringOf(c.SAML, c.VerifiedAt).retired(now, c.SAML.MetadataURL != "")) > 0 {
				if err := s.removeRetired(ctx, workspace, c.ID); err != nil {
					return err
				}
			}
			for _, age := range certificatesInUse(cfg.Workspace.Slug, c) {
				if _, due := dueWarning(age, now); !due {
					continue
				}
				if err := s.warn(ctx, workspace, c.ID, age.Fingerprint); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// removeRetired removes the keys of one connection whose time is over.
func (s *Service) removeRetired(ctx context.Context, workspace, connection string) error {
	return s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		if err := tx.LockPolicy(); err != nil {
			return err
		}
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		c, ok := cfg.Connection(connection)
		if !ok || c.SAML == nil {
			return nil
		}
		before, side := c.SAML, *c.SAML
		r := ringOf(&side, c.VerifiedAt)
		old := r.retired(tx.Now(), side.MetadataURL != "")
		if len(old) == 0 {
			return nil
		}
		for _, print := range old {
			r.drop(print)
		}
		r.into(&side)
		c.SAML = &side
		tx.SaveConnection(c, false)
		return tx.Record(connectionEvent(c, audit.IdPKeyRemoved, "retired", keyChanges(c.Name, before, &side)...))
	})
}

// dueWarning is the least number of days that a certificate has come to; false while it has more than the most.
func dueWarning(age CertificateAge, now time.Time) (days int, due bool) {
	for _, days := range slices.Backward(warnDays()) {
		if !now.Before(age.NotAfter.Add(-time.Duration(days) * 24 * time.Hour)) {
			return days, true
		}
	}
	return 0, false
}

// warn warns of a certificate if it is time and nobody did.
func (s *Service) warn(ctx context.Context, workspace, connection, print string) error {
	given := map[string]int{}
	if err := s.DB.Peek(ctx, workspace, func(tx *store.Tx) (err error) {
		given, err = tx.Warnings(connection)
		return err
	}); err != nil {
		return err
	}
	if days, was := given[print]; was && days == 0 {
		return nil
	}
	return s.DB.Write(ctx, workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		c, ok := cfg.Connection(connection)
		if !ok {
			return nil
		}
		age, ok := inUse(cfg, c, print)
		if !ok {
			return nil
		}
		days, due := dueWarning(age, tx.Now())
		given, err := tx.Warnings(connection)
		if least, was := given[print]; err != nil || !due || was && least <= days {
			return err
		}
		// Whoever comes second waits here for the first, and then finds it given.
		if first, err := tx.FirstWarning(connection, print, days); err != nil || !first {
			return err
		}
		e := connectionEvent(c, audit.CertificateExpiring, strconv.Itoa(days), audit.Change{Field: "side", To: age.Side},
			audit.Change{Field: "certificate", To: "sha256:" + print}, audit.Change{Field: "valid_until", To: age.NotAfter.UTC().Format(time.RFC3339)})
		if err := tx.Record(e); err != nil {
			return err
		}
		return s.mailExpiry(tx, cfg, expiryNotice{Connection: c.ID, Fingerprint: print})
	})
}

func inUse(cfg *directory.Config, c directory.Connection, print string) (CertificateAge, bool) {
	for _, age := range certificatesInUse(cfg.Workspace.Slug, c) {
		if age.Fingerprint == print {
			return age, true
		}
	}
	return CertificateAge{}, false
}

// expiryNotice is the body of a JobExpiry.
type expiryNotice struct {
	Member      string `json:"member"` // id
	Connection  string `json:"connection"`
	Fingerprint string `json:"fingerprint"`
}

// maxTold is how many owners are told by mail.
const maxTold = 50

// mailExpiry puts a mail to each owner into the outbox.
func (s *Service) mailExpiry(tx *store.Tx, cfg *directory.Config, notice expiryNotice) error {
	if !s.Mail {
		return nil
	}
	owners, err := tx.MembersByRole(cfg.Roles.Owner().ID, 4*maxTold)
	if err != nil {
		return err
	}
	told := 0
	for _, m := range owners {
		if !m.In() || m.Email == "" || told == maxTold {
			continue
		}
		told++
		notice.Member = m.ID
		if err := jobs.Enqueue(tx, JobExpiry, notice, tx.Now()); err != nil {
			return err
		}
	}
	return nil
}

// ExpiryMailer tells owners by e-mail that a certificate ends. All fields are needed.
type ExpiryMailer struct {
	DB        *store.DB
	Mailer    jobs.Mailer
	PublicURL string
}

// Handler is what does such jobs.
func (m *ExpiryMailer) Handler() jobs.Handler { return m.post().Handler(m.send) }

func (m *ExpiryMailer) post() *jobs.Post {
	return &jobs.Post{DB: m.DB, Mailer: m.Mailer, PublicURL: m.PublicURL}
}

// send tells one owner, unless the certificate is not in use or they are not an owner any more.
func (m *ExpiryMailer) send(ctx context.Context, j store.Job) error {
	var notice expiryNotice
	if err := json.Unmarshal([]byte(j.Body), &notice); err != nil {
		return jobs.Permanent(fmt.Errorf("read notice: %w", err))
	}
	var written *letter.Letter
	var to string
	err := m.DB.Read(ctx, j.Workspace, func(tx *store.Tx) error {
		written = nil
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		owner, err := tx.Member(notice.Member)
		if err != nil {
			return err
		}
		c, ok := cfg.Connection(notice.Connection)
		if !ok || !owner.In() || owner.Email == "" || owner.Role != cfg.Roles.Owner().ID {
			return nil
		}
		if age, ok := inUse(cfg, c, notice.Fingerprint); ok {
			written, to = expiryLetter(cfg, c, age, owner, tx.Now()), owner.Email
		}
		return nil
	})
	if err != nil || written == nil {
		if errs.Is(err, errs.KindNotFound) {
			return nil
		}
		return err
	}
	return m.post().Send(ctx, j, to, *written)
}

func expiryLetter(cfg *directory.Config, c directory.Connection, age CertificateAge, to *directory.Member, now time.Time) *letter.Letter {
	name, connection := letter.Name(cfg.Workspace.Name), letter.Name(c.Name)
	when := "expires on " + age.NotAfter.UTC().Format("2 January 2006")
	if now.After(age.NotAfter) {
		when = "expired on " + age.NotAfter.UTC().Format("2 January 2006")
	}
	return &letter.Letter{Subject: "A certificate of the connection " + connection + " of " + name + " " + when, Workspace: name, Hello: letter.Name(to.GivenName),
		Lines:  []string{"A certificate of the single sign-on connection " + connection + " of " + name + " " + when + ".", whatToDo(c, age)},
		Button: "Look at the connection", Link: "/console/" + url.PathEscape(cfg.Workspace.Slug) + "/sso/connections/" + url.PathEscape(c.ID),
		After: []string{"Certificate (SHA-256): " + age.Fingerprint}, Why: "Every owner of the workspace gets this."}
}

// whatToDo is a sentence for whoever is told that a certificate ends.
func whatToDo(c directory.Connection, age CertificateAge) string {
	switch {
	case age.Side == SideOurs:
		return "It is Gatehouse's own. Publish a new key there, give its certificate to the identity provider, and sign with it before the old one ends: some identity providers refuse an expired one."
	case c.SAML.MetadataURL != "":
		return "It is the identity provider's. People can go on signing in. The identity provider's metadata is looked at each day, so a new certificate is taken over by itself once it is published there."
	}
	return "It is the identity provider's. People can go on signing in until it is replaced there. Import the identity provider's metadata again when it has a new one, best by its address: then it is looked after by itself."
}
