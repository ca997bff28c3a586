package main

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/store/storetest"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// scrape is what /metrics answers, the lines about certificates alone.
func scrape(t *testing.T, site http.Handler) (lines []string) {
	t.Helper()
	answer := httptest.NewRecorder()
	site.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	text, err := io.ReadAll(answer.Result().Body)
	if err != nil || answer.Code != http.StatusOK {
		t.Fatalf("%d %v", answer.Code, err)
	}
	if !strings.Contains(string(text), "go_goroutines") {
		t.Errorf("nothing about the process:\n%s", text)
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "gatehouse_certificate_expiry_days{") {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestMetrics_TellHowLongTheCertificatesOfEachConnectionLast(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := context.Background()
		s := &settings.Service{DB: db, PublicURL: "https://gate.test"}
		key := samltest.Certify(samltest.NewKey().Signer, db.Now(), db.Now().Add(36*time.Hour))
		file, err := settings.ParseFile([]byte("workspace: acme\nconnections:\n- {name: okta, provider: okta, protocol: saml, status: active, "+
			"idp: {entity_id: 'https://idp.test/', sso_url: 'https://idp.test/sso', certificate: '"+base64.StdEncoding.EncodeToString(key.Certificate.Raw)+"'}}\n- {name: draft, provider: okta, protocol: saml}\n"), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Apply(ctx, file, settings.ApplyOptions{Actor: audit.Party{Kind: "operator"}}); err != nil {
			t.Fatal(err)
		}
		lines := scrape(t, metricsSite(s, slog.New(slog.DiscardHandler)))
		if len(lines) != 1 || !strings.Contains(lines[0], `name="okta"`) || !strings.Contains(lines[0], `side="idp",workspace="acme"`) ||
			!strings.Contains(lines[0], directory.KeyPrint(key.Certificate.Raw)) || !strings.Contains(lines[0], "} 1.49") {
			t.Errorf("%q", lines)
		}
	})
}

func TestMetrics_TheLastListServesWhileTheDatabaseIsGone(t *testing.T) {
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	asked := 0
	ages := &certificateAges{now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler), list: func(context.Context) ([]settings.CertificateAge, error) {
		if asked++; asked > 1 {
			return nil, errors.New("gone")
		}
		return []settings.CertificateAge{{Workspace: "acme", Side: settings.SideIdP, CertificateView: settings.CertificateView{NotAfter: now.Add(48 * time.Hour)}}}, nil
	}}
	site := metricsOf(ages)
	for i, want := range []string{"} 2", "} 2", "} 1"} {
		if i == 2 {
			now = now.Add(24 * time.Hour)
		}
		if lines := scrape(t, site); len(lines) != 1 || !strings.Contains(lines[0], want) {
			t.Errorf("%q, want %s", lines, want)
		}
	}
	if asked != 2 {
		t.Errorf("the database was asked %d times", asked)
	}
}
