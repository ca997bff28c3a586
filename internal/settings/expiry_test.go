package settings

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// letters is a mail server that keeps what it is given.
type letters struct {
	mu   sync.Mutex
	sent []jobs.Message
}

func (l *letters) Send(_ context.Context, m jobs.Message) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent = append(l.sent, m)
	return nil
}

func (s *Service) tend(t *testing.T) {
	t.Helper()
	if err := s.TendKeys(context.Background()); err != nil {
		t.Error(err)
	}
}

// warned are the numbers of days of the warnings on record.
func (s *Service) warned(t *testing.T) (out []string) {
	t.Helper()
	for _, e := range s.log(t) {
		if e.Type == audit.CertificateExpiring {
			out = append(out, e.Reason)
		}
	}
	return out
}

func TestExpiry_EachThresholdIsToldOnceByEventAndMail(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		s.Mail = true
		key := samltest.Certify(keyRing[0]().Signer, s.DB.Now(), s.DB.Now().Add(90*24*time.Hour))
		idp := samltest.NewIdP("http://www.okta.com/exk9", key)
		s.mustApply(t, acme, ApplyOptions{})
		if _, _, err := s.ImportMetadata(context.Background(), "acme", "okta", Source{XML: idp.Metadata()}, operator); err != nil {
			t.Fatal(err)
		}
		if _, err := s.ActivateConnection(context.Background(), "acme", "okta", operator); err != nil {
			t.Fatal(err)
		}
		s.signedBy(t, key)
		restarted := service(s.DB) // and another process
		restarted.Mail = true
		for range 100 * 2 {
			pass(12 * time.Hour)
			var both sync.WaitGroup
			both.Go(func() { s.tend(t) })
			both.Go(func() { restarted.tend(t) })
			both.Wait()
		}
		if got := s.warned(t); !slices.Equal(got, []string{"60", "30", "14", "7", "1", "0"}) {
			t.Errorf("warned at %v", got)
		}
		// An expired certificate is no refusal: its key counts.
		if err := IdentityProvider(s.connection(t, "okta").SAML).Check(false); err != nil || !s.connection(t, "okta").Verified() {
			t.Errorf("%v", err)
		}
		box := &letters{}
		work, err := s.DB.System().ClaimJobs(context.Background(), "test", time.Minute, 100)
		if err != nil {
			t.Fatal(err)
		}
		mailer := (&ExpiryMailer{DB: s.DB, Mailer: box, PublicURL: "https://gate.test"}).Handler()
		for _, j := range work {
			if j.Kind != JobExpiry {
				continue
			}
			if err := mailer.Do(context.Background(), j); err != nil {
				t.Fatal(err)
			}
		}
		// Two owners, six warnings.
		if len(box.sent) != 12 {
			t.Fatalf("%d mails", len(box.sent))
		}
		for _, part := range []string{"okta", "expired on", key.Certificate.Fingerprint(), "https://gate.test/console/acme/sso/connections/con_"} {
			if m := box.sent[0]; !strings.Contains(m.Subject+m.Body, part) {
				t.Errorf("the mail does not say %q:\n%s", part, m.Body)
			}
		}
	})
}

func TestExpiry_AConnectionThatComesLateIsWarnedOfTheNearestAloneAndOurKeysToo(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		s.sealingToo(t)
		s.mustApply(t, strings.Replace(acme, "status: active}", "status: active, sign_requests: yes}", 1), ApplyOptions{})
		end := s.connection(t, "okta").SAML
		ours := viewCertificate(end.Keys[0].Certificate)
		s.tend(t)
		if got := s.warned(t); len(got) != 0 {
			t.Fatalf("warned at %v", got)
		}
		pass(ours.NotAfter.Sub(s.DB.Now()) - 10*24*time.Hour)
		s.tend(t)
		s.tend(t)
		if got := s.warned(t); !slices.Equal(got, []string{"14"}) {
			t.Errorf("warned at %v", got)
		}
		var fields []string
		for _, e := range s.log(t) {
			if e.Type == audit.CertificateExpiring {
				for _, c := range e.Changes {
					fields = append(fields, c.To)
				}
			}
		}
		if !slices.Contains(fields, SideOurs) || !slices.Contains(fields, "sha256:"+ours.Fingerprint) {
			t.Errorf("told %v", fields)
		}
		// A connection that is switched off worries nobody, and no mail is put in where none can be sent.
		if _, err := s.DisableConnection(context.Background(), "acme", "okta", false, operator); err != nil {
			t.Fatal(err)
		}
		pass(20 * 24 * time.Hour)
		s.tend(t)
		if got := s.warned(t); len(got) != 1 {
			t.Errorf("warned at %v", got)
		}
		next, err := s.DB.System().NextJob(context.Background())
		if err != nil || !next.IsZero() {
			t.Errorf("a job waits for %v, %v", next, err)
		}
	})
}

func TestExpiry_ARetiringKeyEndsInPeace(t *testing.T) {
	eachAt(t, func(t *testing.T, s *Service, pass func(time.Duration)) {
		old := samltest.Certify(keyRing[0]().Signer, s.DB.Now(), s.DB.Now().Add(5*24*time.Hour))
		s.mustApply(t, acme, ApplyOptions{})
		for _, idp := range []*samltest.IdP{samltest.NewIdP("http://www.okta.com/exk9", old), samltest.NewIdP("http://www.okta.com/exk9", old, keyRing[1]())} {
			if _, _, err := s.ImportMetadata(context.Background(), "acme", "okta", Source{XML: idp.Metadata()}, operator); err != nil {
				t.Fatal(err)
			}
			if _, err := s.ActivateConnection(context.Background(), "acme", "okta", operator); err != nil {
				t.Fatal(err)
			}
			s.signedBy(t, idp.Keys[len(idp.Keys)-1])
		}
		s.tend(t)
		if got := s.warned(t); len(got) != 0 {
			t.Errorf("warned at %v", got)
		}
		// While it is used it stays; each day of use is told once.
		since := s.events(t)
		for range 40 {
			pass(25 * time.Hour)
			s.signedBy(t, old)
			s.signedBy(t, old)
			s.tend(t)
		}
		if n := strings.Count(s.told(t, &since), string(audit.IdPKeyRetiredUsed)); n != 40 {
			t.Errorf("told %d times in 40 days", n)
		}
		pass(keepRetired)
		s.tend(t)
		if c := s.connection(t, "okta"); c.SAML.Believes(old.Certificate.Fingerprint()) || !c.Verified() {
			t.Error("it stays although it is not used")
		}
	})
}

var _ jobs.Mailer = (*letters)(nil)
