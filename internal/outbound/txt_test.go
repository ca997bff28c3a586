package outbound_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/outbound"
	"github.com/gatehouse-id/gatehouse/internal/outbound/dnstest"
)

func TestTXT_PutsTheStringsOfEachRecordTogether(t *testing.T) {
	s := dnstest.Start(t)
	s.Set("_gatehouse-challenge.acme.test", []string{"one"}, []string{"two ", "halves"}, []string{""})
	r := outbound.NewResolver(s.Address)
	for _, name := range []string{"_gatehouse-challenge.acme.test", "_gatehouse-challenge.acme.test."} {
		got, err := r.TXT(t.Context(), name)
		if err != nil || !slices.Equal(got, []string{"one", "two halves", ""}) {
			t.Errorf("%q, %v", got, err)
		}
	}
	if s.Asked("tcp") != 0 {
		t.Error("a small answer was asked for over TCP")
	}
}

func TestTXT_AsksOverTCPWhatDoesNotFit(t *testing.T) {
	s := dnstest.Start(t)
	s.Set("a.test", []string{"right"})
	s.Break(dnstest.Truncated)
	r := outbound.NewResolver(s.Address)
	if got, err := r.TXT(t.Context(), "a.test"); err != nil || !slices.Equal(got, []string{"right"}) || s.Asked("tcp") == 0 {
		t.Errorf("%q, %v, asked over TCP %d times", got, err, s.Asked("tcp"))
	}
	s.Break("")
	var huge [][]string
	for range 200 {
		huge = append(huge, []string{strings.Repeat("x", 250)})
	}
	s.Set("a.test", append(huge, []string{"right"})...)
	if got, err := r.TXT(t.Context(), "a.test"); err != nil || len(got) != 201 || !slices.Contains(got, "right") {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func TestTXT_TellsThatThereIsNoRecordFromNoAnswer(t *testing.T) {
	s := dnstest.Start(t)
	s.Set("a.test", []string{"right"})
	s.Set("none.test")
	r := outbound.NewResolver(s.Address)
	for _, name := range []string{"none.test", "unknown.test"} {
		var why *net.DNSError
		if got, err := r.TXT(t.Context(), name); !errors.As(err, &why) || !why.IsNotFound {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, fault := range []dnstest.Fault{dnstest.Silent, dnstest.ServFail, dnstest.Refused, dnstest.WrongID, dnstest.WrongName, dnstest.Garbage, dnstest.Cut} {
		t.Run(string(fault), func(t *testing.T) {
			s.Break(fault)
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			var why *net.DNSError
			if got, err := r.TXT(ctx, "a.test"); !errors.As(err, &why) || why.IsNotFound {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	s.Break(dnstest.NoSuch)
	var why *net.DNSError
	if got, err := r.TXT(t.Context(), "a.test"); !errors.As(err, &why) || !why.IsNotFound {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTXT_OfAServerThatIsNotThereIsNoAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	var why *net.DNSError
	if got, err := outbound.NewResolver(l.Addr().String()).TXT(t.Context(), "a.test"); !errors.As(err, &why) || why.IsNotFound {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTXT_KeepsFewQuestionsOpenAtOnce(t *testing.T) {
	s := dnstest.Start(t)
	s.Break(dnstest.Silent)
	r := outbound.NewResolver(s.Address)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	done := make(chan error, 40)
	for range cap(done) {
		go func() { _, err := r.TXT(ctx, "a.test"); done <- err }()
	}
	for range cap(done) {
		if err := <-done; err == nil {
			t.Error("a silent server answered")
		}
	}
	if n := s.Asked("udp"); n > 16 {
		t.Errorf("%d questions were open", n)
	}
}
