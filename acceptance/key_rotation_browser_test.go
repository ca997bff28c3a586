package acceptance

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// An administrator sees what metadata would change before it does, where each key of the IdP stands, and decides on what
// is not taken over by itself.
func TestBrowser_KeysOfAnIdPAreSeenAndDecidedOn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.mustApply("workspace: acme\nname: Acme\npreset: omniflow\nowners: [{email: root@acme.test, password_env: ROOT_PASSWORD, break_glass: true}]\n")
	okta, here := s.idps+"/okta", s.base+"/console/acme/sso"
	// What the IdP publishes, or says elsewhere while moved is true.
	var moved atomic.Bool
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	serveUntilEnd(t, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text := s.download(okta + "/saml/metadata")
		if moved.Load() {
			text = strings.ReplaceAll(text, okta+"/saml/sso", "https://sign-in.elsewhere.test/saml/a/rather/long/address/that/has/to/be/broken/somewhere")
		}
		_, _ = io.WriteString(w, text)
	}))
	at := "http://" + listener.Addr().String() + "/metadata"
	act := func(path string, body any, into any) {
		t.Helper()
		text, err := json.Marshal(body)
		s.must(err)
		res, err := http.Post(s.idps+"/api/okta/"+path, "application/json", bytes.NewReader(text))
		s.must(err)
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		s.must(err)
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s", path, res.Status, answer)
		}
		if into != nil {
			s.must(json.Unmarshal(answer, &struct{ Result any }{into}))
		}
	}

	console := s.ownerAt("acme")
	console.choose("#provider", "okta")
	console.follow("#new-connection", here+"/connections/")
	metadata := console.copied("metadata-url-value")
	idp := newPerson(t).open(okta)
	idp.press("/okta/seed", okta)
	act("saml/import", map[string]string{"url": metadata}, nil)
	idp.visit(okta + "/saml")
	idp.follow("#assign-all", okta+"/saml")

	// By single values first; a mistake is told beside them.
	console.mayAnswer(400)
	console.click("#fields-ask")
	console.enter("#fields-entity-id", "https://idp.test/")
	console.enter("#fields-sso", "https://idp.test/sso")
	console.enter("#fields-certificate", "nonsense")
	console.follow("#import-fields", here+"/connections/")
	console.see("#metadata-fields-error")
	console.picture("console-metadata-fields")

	console.enter("#metadata-url", at)
	console.follow("#import-url", here+"/connections/")
	console.wantText("#review", "key added", "sha256:")
	console.follow("#apply-metadata", here+"/connections/")
	console.follow("#activate", here+"/connections/")
	connection := strings.TrimSuffix(metadata, "/metadata")
	page := here + "/connections/" + connection[strings.LastIndexByte(connection, '/')+1:]
	signIn := func() {
		t.Helper()
		var posting idpsim.Posting
		act("saml/tile", map[string]string{"who": "ann.lee@acme.test"}, &posting)
		if p := s.newBrowser().deliver(posting); p.status != http.StatusOK {
			t.Fatalf("the tile answers %d:\n%.1500s", p.status, p.text)
		}
	}
	signIn()
	act("saml/rotate-key", map[string]string{"step": idpsim.RotateAnnounce}, nil)
	console.visit(page)
	console.follow("#refresh", here+"/connections/")
	console.wantText("#idp-keys", "in use", "new", "published by the identity provider")
	console.picture("console-keys-staged")
	act("saml/rotate-key", map[string]string{"step": idpsim.RotateSwitch}, nil)
	signIn()
	moved.Store(true)
	console.visit(page)
	console.follow("#refresh", here+"/connections/")
	console.wantText("#idp-keys", "in use", "retiring")
	console.wantText("#review", "sign-in addresses", "sign-in.elsewhere.test", "does not count as verified")
	console.picture("console-metadata-proposed")
	console.follow("#decline", here+"/connections/")
	if n := console.count("#review"); n != 0 {
		t.Error("what was declined is shown again")
	}
	console.picture("console-keys-retiring")
}
