package keys

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestOneTimePasswords_AreThoseOfRFC6238(t *testing.T) {
	secret := []byte("12345678901234567890")
	for at, want := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := TOTP(secret, TOTPStep(time.Unix(at, 0))); got != want {
			t.Errorf("at %d: %s, want %s", at, got, want)
		}
	}
}

func TestAOneTimePassword_IsTakenOneStepEarlyOrLateAndNoFurther(t *testing.T) {
	secret, now := NewTOTPSecret(), time.Date(2026, 5, 4, 10, 0, 15, 0, time.UTC)
	for off := int64(-3); off <= 3; off++ {
		code := TOTP(secret, TOTPStep(now)+off)
		step, ok := VerifyTOTP(secret, " "+code[:3]+" "+code[3:], now)
		if want := off >= -1 && off <= 1; ok != want || ok && step != TOTPStep(now)+off {
			t.Errorf("%d steps off: %v, step %d", off, ok, step-TOTPStep(now))
		}
	}
	for _, typed := range []string{"", "1", "abcdef", strings.Repeat("0", 7), "\x00", "１２３４５６"} {
		if _, ok := VerifyTOTP(secret, typed, now); ok {
			t.Errorf("%q is taken", typed)
		}
	}
}

func TestTheAddressOfASecret_NamesIssuerAndAccount(t *testing.T) {
	u, err := url.Parse(TOTPURI("Acme & Söhne", "root+1@acme.test", []byte("12345678901234567890")))
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Acme & Söhne:root+1@acme.test" || u.Query().Get("secret") != "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ" || u.Query().Get("issuer") != "Acme & Söhne" {
		t.Errorf("%s", u)
	}
}

func TestARecoveryCode_IsTheSameHoweverItIsTyped(t *testing.T) {
	seen := map[string]bool{}
	for range 200 {
		code, hash := NewRecoveryCode()
		if len(code) != 23 || seen[code] {
			t.Fatalf("%q", code)
		}
		seen[code] = true
		for _, typed := range []string{code, strings.ToLower(code), strings.ReplaceAll(code, "-", " "), " " + strings.ReplaceAll(code, "-", ""), strings.ReplaceAll(strings.ReplaceAll(code, "0", "o"), "1", "l")} {
			if got, ok := RecoveryHash(typed); !ok || got != hash {
				t.Errorf("%q: %v", typed, ok)
			}
		}
	}
	for _, typed := range []string{"", "123456", "ABCDE-ABCDE-ABCDE-ABCD", "ABCDE-ABCDE-ABCDE-ABCDEF", "ABCDE-ABCDE-ABCDE-ABCDU", strings.Repeat("A", 5000), "\x00"} {
		if _, ok := RecoveryHash(typed); ok {
			t.Errorf("%q is one", typed)
		}
	}
}
