package keys

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

const goodPassword = "correct horse battery"

func TestPassword_VerifiesAndOthersDoNot(t *testing.T) {
	hash, err := HashPassword(goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hash = %q", hash)
	}
	for pw, want := range map[string]bool{goodPassword: true, goodPassword + " ": false, "": false, strings.Repeat("x", 5000): false} {
		if ok, err := VerifyPassword(hash, pw); err != nil || ok != want {
			t.Errorf("VerifyPassword(%.30q) = %v, %v, want %v", pw, ok, err, want)
		}
	}
	if again, _ := HashPassword(goodPassword); again == hash {
		t.Error("the same password hashed twice gave one hash: the salt is not fresh")
	}
	if NeedsRehash(hash) {
		t.Error("a fresh hash needs no rehash")
	}
}

func TestPassword_HashOfAnotherImplementationVerifies(t *testing.T) {
	// Made with the argon2 command of the reference implementation:
	// echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1
	const hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if ok, err := VerifyPassword(hash, "password"); err != nil || !ok {
		t.Errorf("VerifyPassword = %v, %v, want true", ok, err)
	}
	if !NeedsRehash(hash) {
		t.Error("a hash of other parameters should be replaced at the next sign-in")
	}
}

func TestNewPassword_OutOfBoundsIsRefused(t *testing.T) {
	for pw, want := range map[string]error{
		strings.Repeat("a", 11):   ErrPasswordTooShort,
		strings.Repeat("a", 12):   nil,
		strings.Repeat("a", 1024): nil,
		strings.Repeat("a", 1025): ErrPasswordTooLong,
	} {
		if err := CheckPassword(pw); !errors.Is(err, want) {
			t.Errorf("CheckPassword of %d bytes = %v, want %v", len(pw), err, want)
		}
	}
	if _, err := HashPassword("short"); !errors.Is(err, ErrPasswordTooShort) {
		t.Errorf("HashPassword of a short password = %v", err)
	}
}

func TestDamagedHash_IsAnErrorAndNotAWrongPassword(t *testing.T) {
	const tail = "$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	cases := map[string]string{
		"empty":                 "",
		"another scheme":        "$2b$12$abcdefghijklmnopqrstuv",
		"argon2i":               "$argon2i$v=19$m=65536,t=2,p=1" + tail,
		"an old version":        "$argon2id$v=16$m=65536,t=2,p=1" + tail,
		"a terabyte of memory":  "$argon2id$v=19$m=1073741824,t=2,p=1" + tail,
		"endless passes":        "$argon2id$v=19$m=65536,t=4294967295,p=1" + tail,
		"no pass":               "$argon2id$v=19$m=65536,t=0,p=1" + tail,
		"no lane":               "$argon2id$v=19$m=65536,t=2,p=0" + tail,
		"many lanes":            "$argon2id$v=19$m=65536,t=2,p=255" + tail,
		"lanes without memory":  "$argon2id$v=19$m=8,t=2,p=4" + tail,
		"a missing parameter":   "$argon2id$v=19$m=65536,t=2" + tail,
		"an empty number":       "$argon2id$v=19$m=,t=2,p=1" + tail,
		"a padded number":       "$argon2id$v=19$m=065536,t=2,p=1" + tail,
		"a short salt":          "$argon2id$v=19$m=65536,t=2,p=1$c2Fs$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
		"a short key":           "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFh",
		"a key that is no text": "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$!!",
		"a very long string":    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$" + strings.Repeat("A", 600),
	}
	for name, hash := range cases {
		t.Run(name, func(t *testing.T) {
			ok, err := VerifyPassword(hash, "password")
			if ok || !errors.Is(err, ErrPasswordHash) {
				t.Errorf("VerifyPassword = %v, %v, want ErrPasswordHash", ok, err)
			}
			if !NeedsRehash(hash) {
				t.Error("an unreadable hash should be replaced when it can be")
			}
		})
	}
}

func TestPasswords_RunAFewAtATimeAndTheRestWait(t *testing.T) {
	p := NewPasswords(1)
	if err := p.enter(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Hash(gone, goodPassword); !errors.Is(err, context.Canceled) {
		t.Errorf("Hash with everything busy and the caller gone = %v, want context.Canceled", err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := p.Verify(soon, "", ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Verify with everything busy = %v, want a deadline", err)
	}
	p.leave()

	hash, err := p.Hash(t.Context(), goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	var crowd sync.WaitGroup
	for range 4 {
		crowd.Go(func() {
			if ok, err := p.Verify(t.Context(), hash, goodPassword); err != nil || !ok {
				t.Errorf("Verify in a crowd = %v, %v", ok, err)
			}
		})
	}
	crowd.Wait()
	if err := p.DummyVerify(t.Context(), goodPassword); err != nil {
		t.Error(err)
	}
}

func TestUnknownAddress_CostsWhatAKnownOneCosts(t *testing.T) {
	hash, err := HashPassword(goodPassword)
	if err != nil {
		t.Fatal(err)
	}
	// The best of several runs, because other work on the machine only ever adds to one of them.
	best := func(f func()) time.Duration {
		least := time.Hour
		for range 5 {
			began := time.Now()
			f()
			least = min(least, time.Since(began))
		}
		return least
	}
	known := best(func() { _, _ = VerifyPassword(hash, "not the password") })
	unknown := best(func() { DummyVerify("not the password") })
	if unknown < known/3 || unknown > known*3 {
		t.Errorf("known %v, unknown %v", known, unknown)
	}
}

func FuzzPasswordHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$argon2i$v=19$m=8,t=1,p=1$$")
	f.Add("$$$$$")
	f.Fuzz(func(t *testing.T, s string) {
		h, err := parsePHC(s)
		if err != nil {
			if !errors.Is(err, ErrPasswordHash) {
				t.Errorf("error without its kind: %v", err)
			}
			return
		}
		if h.memory > maxMemory || h.time > maxTime || h.time < 1 || h.threads < 1 || h.threads > maxThreads {
			t.Errorf("%q was read beyond the bounds: %+v", s, h)
		}
		if h.String() != s {
			t.Errorf("%q is written back as %q", s, h)
		}
	})
}
