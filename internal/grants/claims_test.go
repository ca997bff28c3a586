package grants

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

func TestIDToken_SaysWhoWhereAndHowToARelyingPartyOfOthers(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live := w.annIn()
		given := w.given(live)
		id, got := w.verified(given.ID, "app_one")
		w.must(id.VerifyAccessToken(given.Access))
		if id.Nonce != "n-0S6_WzA2Mj" || !id.Expiry.Equal(w.now().Add(IDTokenLife)) {
			t.Errorf("nonce %q, expiry %s", id.Nonce, id.Expiry)
		}
		want := Claims{
			"iss": issuer, "sub": w.ann, "aud": "app_one", "sid": live.ID, "nonce": "n-0S6_WzA2Mj", "at_hash": id.AccessTokenHash,
			"iat": float64(w.now().Unix()), "exp": float64(w.now().Add(IDTokenLife).Unix()), "auth_time": float64(live.AuthenticatedAt.Unix()),
			"acr": live.Context, "amr": []any{"pwd"}, "workspace": "acme", "role": "Agent", "groups": []any{"Agents"},
			"name": "Ann Lee", "given_name": "ann", "email": "ann@acme.test", "email_verified": true,
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("claims\n%v, want\n%v", got, want)
		}
		h, err := w.Access(bg, given.Access)
		w.must(err)
		info, err := w.UserInfo(bg, h)
		w.must(err)
		want = Claims{"sub": w.ann, "workspace": "acme", "role": "Agent", "groups": []string{"Agents"}, "name": "Ann Lee", "given_name": "ann",
			"email": "ann@acme.test", "email_verified": true}
		if !reflect.DeepEqual(info, want) {
			t.Errorf("userinfo\n%v, want\n%v", info, want)
		}
		// A refreshed one is of the same sign-in, without the nonce.
		refreshed, err := w.Refresh(bg, w.client("app_one"), given.Refresh)
		w.must(err)
		again, claims := w.verified(refreshed.ID, "app_one")
		w.must(again.VerifyAccessToken(refreshed.Access))
		if _, there := claims["nonce"]; there || again.Subject != w.ann || claims["auth_time"] != got["auth_time"] || claims["sid"] != live.ID {
			t.Errorf("refreshed claims %v", claims)
		}
	})
}

func TestClaims_OfANarrowScopeNameNobodyAndNoForeignAddressIsVerified(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.write(acme, func(tx *store.Tx) error {
			m, err := tx.Member(w.bob)
			if err == nil {
				m.Email = "bob@elsewhere.test"
				tx.UpdateMember(m)
			}
			return err
		})
		live := w.signIn(acme, w.bob, "")
		give := func(scope string) Claims {
			p := newProof()
			code, err := w.Authorize(bg, live, w.client("app_one"), AuthorizeRequest{RedirectURI: callback, Scope: scope, Challenge: p.challenge})
			w.must(err)
			given, err := w.Redeem(bg, w.client("app_one"), code, callback, p.verifier)
			w.must(err)
			_, claims := w.verified(given.ID, "app_one")
			return claims
		}
		narrow := give("openid")
		for _, name := range []string{"name", "given_name", "family_name", "email", "email_verified", "nonce"} {
			if v, there := narrow[name]; there {
				t.Errorf("%s is %v", name, v)
			}
		}
		if narrow["workspace"] != "acme" || narrow["role"] != "Agent" || fmt.Sprint(narrow["groups"]) != "[Agents]" {
			t.Errorf("claims %v", narrow)
		}
		if wide := give("openid email"); wide["email"] != "bob@elsewhere.test" || wide["email_verified"] != false {
			t.Errorf("claims %v", wide)
		}
	})
}

func TestGroups_OfNobodyAreAnEmptyList(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		_, claims := w.verified(w.given(w.signIn(acme, "mem_new", "")).ID, "app_one")
		if got, isList := claims["groups"].([]any); !isList || len(got) != 0 {
			t.Errorf("without groups the claim is %v, want an empty list", claims["groups"])
		}
		w.write(acme, func(tx *store.Tx) error { tx.SaveClaims("mem_new", okta, []string{"Visitors"}); return nil })
		_, claims = w.verified(w.given(w.signIn(acme, "mem_new", okta)).ID, "app_one")
		if got := fmt.Sprint(claims["groups"]); got != "[Visitors]" {
			t.Errorf("groups that a connection asserted are %s", got)
		}
	})
}

func TestHint_IsAnIDTokenOfOursAndNothingElse(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		live := w.annIn()
		given := w.given(live)
		w.turn(IDTokenLife * 100)
		got, err := w.ReadHint(bg, given.ID)
		if err != nil || *got != (Hint{Subject: w.ann, Session: live.ID, Application: "app_one"}) {
			t.Errorf("hint %+v, %v", got, err)
		}
		logout, err := w.logoutToken(bg, w.client("app_one"), store.Logout{Application: "app_one", Session: live.ID, Member: w.ann})
		w.must(err)
		foreign, err := w.Keys.sign(bg, typeID, Claims{"iss": "https://other.test", "sub": w.ann, "aud": "app_one"})
		w.must(err)
		hmac, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: bytesOf(7)}, (&jose.SignerOptions{}).WithType(typeID))
		w.must(err)
		signed, err := hmac.Sign([]byte(`{"iss":"` + issuer + `","sub":"x","aud":"app_one"}`))
		w.must(err)
		symmetric, err := signed.CompactSerialize()
		w.must(err)
		parts := strings.Split(given.ID, ".")
		for name, token := range map[string]string{
			"a logout token": logout, "of another issuer": foreign, "signed with a shared secret": symmetric, "empty": "", "no token": "a.b.c",
			"without signature": parts[0] + "." + parts[1] + ".", "with another payload": parts[0] + "." + strings.Split(logout, ".")[1] + "." + parts[2],
			"of none": "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + ".", "too long": given.ID + strings.Repeat("A", maxTokenBytes),
		} {
			if got, err := w.ReadHint(bg, token); errs.CodeOf(err) != "hint_invalid" {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
		}
	})
}
