package outbound

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
)

func TestPublic_KnowsWhatIsNot(t *testing.T) {
	for address, want := range map[string]bool{
		"1.1.1.1": true, "93.184.216.34": true, "2606:4700::1111": true,
		"127.0.0.1": false, "127.8.8.8": false, "10.1.2.3": false, "172.16.0.1": false, "172.31.255.255": false, "172.32.0.1": true,
		"192.168.1.1": false, "168.63.129.16": false, "169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false, "255.255.255.255": false, "224.0.0.1": false,
		"::1": false, "::": false, "fe80::1": false, "fd00::1": false, "ff02::1": false, "::ffff:127.0.0.1": false, "::ffff:1.1.1.1": true,
		"64:ff9b::7f00:1": false, "2002:7f00:1::": false, "2001:db8::1": false, "::7f00:1": false,
		"::ffff:0:7f00:1": false, "64:ff9b:1::a00:1": false, "100::1": false, "fec0::1": false, "5f00::1": false, "4000::1": false, "2a00:1450::1": true,
	} {
		if got := Public(netip.MustParseAddr(address)); got != want {
			t.Errorf("Public(%s) = %v, want %v", address, got, want)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestClient_DialsNoPrivateAddressUnlessAllowed(t *testing.T) {
	asked := 0
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "/away", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte("hello"))
	})
	plain, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer secure.Close()

	guarded := NewClient(Options{})
	defer guarded.CloseIdleConnections()
	byName := strings.Replace(secure.URL, "127.0.0.1", "localhost", 1)
	for _, url := range []string{plain.URL, secure.URL, byName} {
		_, err := Get(t.Context(), guarded, url, 100)
		if !errors.Is(err, ErrForbidden) {
			t.Errorf("GET %s: %v, want the guard's refusal", url, err)
		}
		if url == byName && (strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "::1")) {
			t.Errorf("GET %s tells where the name leads: %v", url, err)
		}
	}
	if asked != 0 {
		t.Errorf("%d requests arrived", asked)
	}

	open := NewClient(Options{AllowPrivate: true})
	defer open.CloseIdleConnections()
	// Whatever is allowed, a cloud's credentials are not asked for.
	for _, url := range []string{"http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/", "http://[fd00:ec2::254]/", "http://[::ffff:169.254.169.254]/", "http://100.100.100.200/", "http://168.63.129.16/"} {
		if _, err := Get(t.Context(), open, url, 100); !errors.Is(err, ErrForbidden) {
			t.Errorf("GET %s: %v, want the guard's refusal", url, err)
		}
	}
	if body, err := Get(t.Context(), open, plain.URL, 5); err != nil || string(body) != "hello" {
		t.Errorf("allowed: %q, %v", body, err)
	}
	if _, err := Get(t.Context(), open, plain.URL, 4); err == nil || !strings.Contains(err.Error(), "at most 4 bytes") {
		t.Errorf("a document beyond the limit: %v", err)
	}
	asked = 0
	if _, err := Get(t.Context(), open, plain.URL+"/away", 100); !errors.Is(err, ErrForbidden) || asked != maxRedirects+1 {
		t.Errorf("redirects without end: %v after %d requests", err, asked)
	}
}

func TestClient_FollowsNoRedirectToAnotherScheme(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer secure.Close()
	client := NewClient(Options{AllowPrivate: true})
	defer client.CloseIdleConnections()
	client.Transport.(guard).RoundTripper.(*http.Transport).TLSClientConfig = secure.Client().Transport.(*http.Transport).TLSClientConfig
	if _, err := Get(t.Context(), client, secure.URL, 100); !errors.Is(err, ErrForbidden) {
		t.Errorf("from https to http: %v", err)
	}
}

func TestError_OfANameTellsNothingOfTheOperatorsNetwork(t *testing.T) {
	cause := &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "idp.corp", Server: "10.0.0.2:53"}}
	if err := discreet("https://idp.corp/metadata", cause); strings.Contains(err.Error(), "10.0.0.2") || !errors.Is(err, cause) || !strings.Contains(err.Error(), "idp.corp") {
		t.Errorf("%v", err)
	}
}
