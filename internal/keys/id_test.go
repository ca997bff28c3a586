package keys

import (
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"
)

func TestID_IsThePrefixAndTwentySixCharacters(t *testing.T) {
	now := time.UnixMilli(1469918176385)
	id := ID("mem_", now)
	if !regexp.MustCompile(`^mem_[0-9a-hjkmnp-tv-z]{26}$`).MatchString(id) {
		t.Fatalf("ID = %q", id)
	}
	// The example of the ULID specification: this instant is written 01ARYZ6S41.
	if !strings.HasPrefix(id, "mem_01aryz6s41") {
		t.Errorf("ID = %q, want the time part 01aryz6s41", id)
	}
}

func TestIDs_SortByTime(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	var ids []string
	for i := range 200 {
		ids = append(ids, ID("x_", now.Add(time.Duration(i)*time.Millisecond)))
	}
	if !sort.StringsAreSorted(ids) {
		t.Error("ids of later milliseconds sort before earlier ones")
	}
}

func TestIDs_OfOneInstantDiffer(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	seen := map[string]bool{}
	for range 2000 {
		id := ID("", now)
		if seen[id] {
			t.Fatalf("%q came twice", id)
		}
		seen[id] = true
	}
	// Every character behind the time part varies, or the randomness is shorter than 80 bits.
	for i := 10; i < 26; i++ {
		at := map[byte]bool{}
		for id := range seen {
			at[id[i]] = true
		}
		if len(at) < 20 {
			t.Errorf("character %d took %d values only", i, len(at))
		}
	}
}

func TestUUID_IsVersionFour(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	a, b := UUID(), UUID()
	if !form.MatchString(a) || !form.MatchString(b) || a == b {
		t.Errorf("UUID = %q and %q", a, b)
	}
}

func TestToken_CarriesItsPrefixAndTwoHundredAndFiftySixBits(t *testing.T) {
	plain, hash := NewToken("gscim_")
	if !regexp.MustCompile(`^gscim_[0-9A-Za-z]{43}$`).MatchString(plain) {
		t.Errorf("plain = %q", plain)
	}
	if hash != HashToken(plain) || !regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(hash) {
		t.Errorf("hash = %q", hash)
	}
	if other, _ := NewToken("gscim_"); other == plain {
		t.Error("two tokens are the same")
	}
}

func TestHashToken_IsSHA256(t *testing.T) {
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, B.1
	if got := HashToken("abc"); got != want {
		t.Errorf("HashToken = %s, want %s", got, want)
	}
}

func TestHint_ShowsFourCharactersOfALongTokenOnly(t *testing.T) {
	if got := Hint("gscim_abcdefghijkl"); got != "ijkl" {
		t.Errorf("Hint = %q", got)
	}
	if got := Hint("short"); got != "" {
		t.Errorf("Hint of a short token = %q, want none", got)
	}
}
