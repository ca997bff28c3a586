package saml

import (
	"testing"
	"time"
)

func TestParseInstant_TakesUTCInstantsOnly(t *testing.T) {
	for _, test := range []struct {
		raw  string
		want time.Time
	}{
		{"2026-11-22T09:05:00Z", time.Date(2026, 11, 22, 9, 5, 0, 0, time.UTC)},
		{"2026-11-22T09:05:00.5Z", time.Date(2026, 11, 22, 9, 5, 0, 5e8, time.UTC)},
		{"2026-11-22T09:05:00.123456789Z", time.Date(2026, 11, 22, 9, 5, 0, 123456789, time.UTC)},
		{"2026-11-22T09:05:00.1234567Z", time.Date(2026, 11, 22, 9, 5, 0, 123456700, time.UTC)}, // .NET
		{"2026-11-22T09:05:00+02:30", time.Date(2026, 11, 22, 6, 35, 0, 0, time.UTC)},
		{"2026-11-22T23:05:00-14:00", time.Date(2026, 11, 23, 13, 5, 0, 0, time.UTC)},
		{"2024-02-29T00:00:00Z", time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)},
		{"9999-12-31T23:59:59Z", time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
		{"0001-01-01T00:00:00Z", time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if got, ok := parseInstant(test.raw); !ok || !got.Equal(test.want) || got.Location() != time.UTC {
			t.Errorf("%s: %v %t", test.raw, got, ok)
		}
	}
	for _, raw := range []string{
		"", "Z", "2026-11-22", "2026-11-22T09:05:00", "2026-11-22T09:05Z", "2026-11-22 09:05:00Z", "2026-11-22t09:05:00z",
		"2026-11-22T09:05:00z", " 2026-11-22T09:05:00Z", "2026-11-22T09:05:00Z ", "2026-11-22T09:05:00.Z", "2026-11-22T09:05:00,5Z",
		"2026-11-22T09:05:00.1234567890Z", "2026-11-22T09:05:00.1", "2026-11-22T24:00:00Z", "2026-11-22T09:60:00Z", "2026-11-22T09:05:60Z",
		"2026-02-30T09:05:00Z", "2025-02-29T09:05:00Z", "2026-13-01T09:05:00Z", "2026-00-01T09:05:00Z", "2026-01-00T09:05:00Z",
		"0000-01-01T00:00:00Z", "-2026-01-01T00:00:00Z", "12026-01-01T00:00:00Z", "26-11-22T09:05:00Z", "2026-11-22T09:05:00+0230",
		"2026-11-22T09:05:00+14:01", "2026-11-22T09:05:00+02:60", "2026-11-22T09:05:00+2:30", "2026-11-22T09:05:00ZZ", "2O26-11-22T09:05:00Z",
		"2026-11-22T09:05:00+aa:bb", "２026-11-22T09:05:00Z",
	} {
		if got, ok := parseInstant(raw); ok {
			t.Errorf("%q was taken as %v", raw, got)
		}
	}
}

func TestSpell_ReadsAsPeopleSayIt(t *testing.T) {
	for _, test := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0 s"}, {time.Millisecond, "1 s"}, {59 * time.Second, "59 s"}, {7 * time.Minute, "7 min 0 s"},
		{300*time.Second + time.Millisecond, "5 min 1 s"}, {372 * time.Second, "6 min 12 s"}, {2*time.Hour + 5*time.Minute, "2 h 5 min"},
		{72*time.Hour + 90*time.Minute, "3 days 1 h"},
	} {
		if got := spell(test.d); got != test.want {
			t.Errorf("%v: %q", test.d, got)
		}
	}
	if got := spellRound(MaxSkew); got != "5 min" {
		t.Error(got)
	}
	if got := spellRound(90 * time.Second); got != "1 min 30 s" {
		t.Error(got)
	}
}

func TestQuote_ShortensAndEscapes(t *testing.T) {
	if got := quote("a\x00\"\u202e"); got != `"a\x00\"\u202e"` {
		t.Error(got)
	}
	long := make([]byte, 0, 1000)
	for range 333 {
		long = append(long, "ä€"[0:2]...)
	}
	if got := quote(string(long)); len(got) > 210 {
		t.Error(len(got))
	}
}
