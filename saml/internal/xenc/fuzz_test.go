package xenc

import (
	"bytes"
	"errors"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml/internal/strictxml"
)

// Whatever XML holds the ciphertext: no panic, and one of three reasons or the element that was wanted.
func FuzzOpen(f *testing.F) {
	for _, method := range []string{AES256GCM, AES128GCM, AES256CBC, AES128CBC} {
		f.Add([]byte(holderText(method, sealedGCM(f, "<a:Assertion/>"))))
		f.Add([]byte(holderText(method, sealedCBC(f, padded("<a:Assertion/>")))))
		f.Add([]byte(holderText(method, nil)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		root, err := strictxml.Parse(raw, strictxml.Limits{})
		if err != nil {
			return
		}
		e, how, err := Open(root, ours, Policy{AllowCBC: true}, "urn:a", "Assertion")
		if err == nil {
			if !e.Is("urn:a", "Assertion") || e.Parent.Local != root.Local || how.Content == "" || how.Transport == "" {
				t.Errorf("%+v %+v", e, how)
			}
			return
		}
		var failed *Error
		if !errors.As(err, &failed) || failed.Reason == ReasonDecryption && failed.Detail != closed().Detail {
			t.Errorf("%v", err)
		}
	})
}

// Whatever was encrypted is read as Parse would read it, or refused.
func FuzzPlainText(f *testing.F) {
	for _, plain := range []string{"<a:Assertion/>", `<a:Assertion xmlns:a="urn:a" ID="x">text<b xmlns="urn:b"/></a:Assertion>`, "<!DOCTYPE a><a:Assertion/>",
		"<a:Assertion/><a:Assertion/>", "<a:Assertion/></h>", "\ufeff<?xml version='1.0'?><a:Assertion/>", ""} {
		f.Add([]byte(plain))
	}
	f.Fuzz(func(t *testing.T, plain []byte) {
		e, err := open(t, holder(t, AES256GCM, sealedGCM(t, string(plain))))
		if err != nil {
			return
		}
		if !e.Is("urn:a", "Assertion") || e.Next() != nil {
			t.Fatalf("%+v", e)
		}
		canonical := strictxml.AppendCanonical(nil, e, nil, nil)
		again, err := strictxml.Parse(canonical, strictxml.Limits{Bytes: len(canonical)})
		if err != nil || !bytes.Equal(strictxml.AppendCanonical(nil, again, nil, nil), canonical) {
			t.Errorf("%v: %q was read as %q", err, plain, canonical)
		}
	})
}
