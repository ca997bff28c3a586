package dsig_test

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml/internal/dsig"
)

// fixtures returns what testdata/signed holds: responses that xmlsec1 signed, and the certificates
// of the keys, which were thrown away.
func fixtures(tb testing.TB) (docs []string, keys []crypto.PublicKey) {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "signed", "*"))
	if err != nil {
		tb.Fatal(err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		if filepath.Ext(file) != ".pem" {
			docs = append(docs, string(raw))
			continue
		}
		block, _ := pem.Decode(raw)
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			tb.Fatal(err)
		}
		keys = append(keys, certificate.PublicKey)
	}
	if len(docs) < 4 || len(keys) < 2 {
		tb.Fatalf("%d documents and %d keys in testdata/signed", len(docs), len(keys))
	}
	return docs, keys
}

// contents are the canonical forms of what verifies in a document.
func contents(doc string, keys []crypto.PublicKey) []string {
	var all []string
	for _, v := range verified(doc, keys...) {
		all = append(all, content(v))
	}
	return all
}

func TestVerify_TakesStoredResponses(t *testing.T) {
	docs, keys := fixtures(t)
	total := 0
	for _, doc := range docs {
		total += len(contents(doc, keys))
	}
	if total != 5 {
		t.Errorf("%d elements verify in %d documents, want 5", total, len(docs))
	}
}

// FuzzVerify holds for every document: no panic, and nothing verifies but what was signed.
func FuzzVerify(f *testing.F) {
	docs, keys := fixtures(f)
	known := map[string]bool{}
	for _, doc := range docs {
		f.Add([]byte(doc))
		for _, c := range contents(doc, keys) {
			known[c] = true
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, v := range verified(string(raw), keys...) {
			if !known[content(v)] {
				t.Fatalf("nobody signed %s", content(v))
			}
			if v.Signature().Parent != v.Element() || !v.Signature().Is(dsig.Namespace, "Signature") {
				t.Fatal("the signature is not the element's")
			}
		}
	})
}
