package saml_test

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/saml"
)

func TestDecodePost_TakesBase64WithBreaksAndNothingElse(t *testing.T) {
	message := []byte("<Response>" + strings.Repeat("x", 100) + "</Response>")
	good := base64.StdEncoding.EncodeToString(message)
	wrapped := good[:76] + "\r\n" + good[76:]
	for _, form := range []string{good, wrapped, good[:10] + " " + good[10:] + "\n"} {
		if got, err := saml.DecodePost(form, 0); err != nil || !bytes.Equal(got, message) {
			t.Errorf("%q: %q %v", form, got, err)
		}
	}
	for _, form := range []string{
		"", " ", good[:len(good)-1], good + "=", good + "A", good[:8] + "\t" + good[8:], good[:8] + "*" + good[8:],
		base64.RawURLEncoding.EncodeToString([]byte{0xfb, 0xff, 0xfe}), "AB==", string(message), "%3D",
	} {
		_, err := saml.DecodePost(form, 0)
		var refusal *saml.Refusal
		if !errors.As(err, &refusal) || refusal.Reason != saml.ReasonMalformed {
			t.Errorf("%q: %v", form, err)
		}
	}
}

func TestDecodePost_IsBounded(t *testing.T) {
	message := bytes.Repeat([]byte("x"), 1000)
	form := base64.StdEncoding.EncodeToString(message)
	if _, err := saml.DecodePost(form, 1000); err != nil {
		t.Error(err)
	}
	for _, test := range []struct {
		form  string
		limit int
	}{{form, 999}, {form, 1}, {strings.Repeat("A", 4<<20), 0}, {strings.Repeat(" ", 4<<20), 0}} {
		_, err := saml.DecodePost(test.form, test.limit)
		var refusal *saml.Refusal
		if !errors.As(err, &refusal) || refusal.Reason != saml.ReasonTooLarge {
			t.Errorf("limit %d: %v", test.limit, err)
		}
	}
}

// A27: the POST binding does not deflate.
func TestDecodePost_InflatesNothing(t *testing.T) {
	var bomb bytes.Buffer
	w, err := flate.NewWriter(&bomb, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 4<<20)); err != nil { // four times what a message may have
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := saml.DecodePost(base64.StdEncoding.EncodeToString(bomb.Bytes()), 0)
	if err != nil || !bytes.Equal(raw, bomb.Bytes()) {
		t.Fatal(len(raw), err)
	}
	newScene().refuse(t, raw, saml.ReasonMalformed)
}
