package store

import (
	"bytes"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/audit"
)

func FuzzPack(f *testing.F) {
	f.Add([]byte(`{"a":1}`))
	f.Add([]byte(strings.Repeat(`{"userName":"ann@x.test"},`, 100)))
	f.Add([]byte{1, 0, 0xff})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, payload []byte) {
		if len(payload) <= audit.MaxPayload {
			out, err := unpack(pack(payload))
			if err != nil || !bytes.Equal(out, payload) {
				t.Fatalf("%q came back as %q, %v", payload, out, err)
			}
		}
		// What stands in the database may be damaged: an error or some bytes, and not too many.
		out, _ := unpack(payload)
		if len(out) > max(audit.MaxPayload+1, len(payload)) {
			t.Fatalf("%d bytes came of %d", len(out), len(payload))
		}
	})
}

func TestPack_MakesWhatRepeatsSmall(t *testing.T) {
	payload := []byte(strings.Repeat(`{"userName":"ann@x.test"},`, 1000))
	if n := len(pack(payload)); n > len(payload)/10 {
		t.Errorf("%d bytes are packed into %d", len(payload), n)
	}
}
