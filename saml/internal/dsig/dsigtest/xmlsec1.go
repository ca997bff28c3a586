package dsigtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Xmlsec1Sign is Sign by the xmlsec1 program: it digests, canonicalises and signs.
func Xmlsec1Sign(tb testing.TB, doc, id string, key Key, o Options) string {
	tb.Helper()
	dir := tb.TempDir()
	template := strings.NewReplacer("@digest@", "", "@value@", "").Replace(Template(tb, id, key, o))
	if o.KeyInfo == WithRSAKeyValue {
		// xmlsec1 would take the public key that it finds there for the key to sign with.
		before, rest, _ := strings.Cut(template, "<ds:RSAKeyValue>")
		_, after, _ := strings.Cut(rest, "</ds:RSAKeyValue>")
		template = before + after
	}
	if o.Template != nil {
		template = o.Template(template)
	}
	doc = Insert(tb, doc, id, template)
	keyFile := file(tb, dir, "key.pem", key.PEM(tb))
	args := append([]string{"--sign", "--pkcs8-pem", keyFile}, at(tb, doc, id)...)
	out, err := Xmlsec1(tb, append(args, file(tb, dir, "in.xml", []byte(doc)))...)
	if err != nil {
		tb.Fatalf("xmlsec1 --sign: %v", err)
	}
	return out
}

// Xmlsec1Verify asks the xmlsec1 program about the signature of the element of that ID. The error
// holds what it said.
func Xmlsec1Verify(tb testing.TB, doc, id string, key Key) error {
	tb.Helper()
	dir := tb.TempDir()
	args := append([]string{"--verify", "--enabled-key-data", "key-name", "--pubkey-cert-pem",
		file(tb, dir, "cert.pem", key.CertificatePEM())}, at(tb, doc, id)...)
	_, err := Xmlsec1(tb, append(args, file(tb, dir, "in.xml", []byte(doc)))...)
	return err
}

// Xmlsec1 runs the program and returns its standard output. The error holds what it complained of.
func Xmlsec1(tb testing.TB, args ...string) (string, error) {
	tb.Helper()
	path, err := exec.LookPath("xmlsec1")
	if err != nil {
		tb.Fatal("the program xmlsec1 is not installed; make deps installs it")
	}
	var complaint strings.Builder
	command := exec.Command(path, args...)
	command.Stderr = &complaint
	out, err := command.Output()
	if err != nil {
		return string(out), fmt.Errorf("%w: %s", err, complaint.String())
	}
	return string(out), nil
}

// at tells xmlsec1 which attribute is an ID, and which signature is meant.
func at(tb testing.TB, doc, id string) []string {
	tb.Helper()
	e := Find(tb, Parse(tb, doc), id)
	return []string{"--id-attr:ID", e.Space + ":" + e.Local,
		"--node-xpath", `//*[@ID="` + id + `"]/*[local-name()="Signature"]`}
}

func file(tb testing.TB, dir, name string, content []byte) string {
	tb.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}
