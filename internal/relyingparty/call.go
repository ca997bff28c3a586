package relyingparty

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// What an IdP's answers may have, in bytes.
const (
	maxDocument = 256 << 10
	maxKeySet   = 1 << 20
	maxTokens   = 1 << 20
	maxUserInfo = 1 << 20
)

// answer is what an IdP answered.
type answer struct {
	status int
	kind   string // the media type, in lower case
	body   []byte
}

// call sends a request and reads at most limit bytes of the answer. Redirects are not followed where the
// request carries a secret. The error is a *Refusal of ReasonUnreachable.
func (rp *RelyingParty) call(r *http.Request, limit int64, secret bool) (*answer, error) {
	client := rp.HTTP
	if secret {
		still := *rp.HTTP
		still.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		client = &still
	}
	place := r.Method + " " + r.URL.Scheme + "://" + r.URL.Host + r.URL.Path
	res, err := client.Do(r)
	if err != nil {
		return nil, refuse(ReasonUnreachable, "%s: %s.", place, why(err)).because(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, refuse(ReasonUnreachable, "%s: the answer broke off: %s.", place, why(err)).because(err)
	}
	if int64(len(body)) > limit {
		return nil, refuse(ReasonUnreachable, "%s: expected an answer of at most %d bytes, received more.", place, limit)
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return &answer{status: res.StatusCode, kind: strings.ToLower(kind), body: body}, nil
}

// why tells in general words why a call came to nothing. What a name leads to inside the operator's
// network is not for whoever set the address.
func why(err error) string {
	var name *net.DNSError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &name):
		return "the host cannot be found"
	case errors.As(err, new(*x509.UnknownAuthorityError)), errors.As(err, new(x509.UnknownAuthorityError)),
		errors.As(err, new(x509.HostnameError)), errors.As(err, new(x509.CertificateInvalidError)):
		return "its TLS certificate is not accepted"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "it did not answer in time"
	}
	return "it cannot be reached from here (only https at public addresses, unless an operator allows more)"
}

// fetch gets a document by GET. Any answer but 200 is a refusal.
func (rp *RelyingParty) fetch(ctx context.Context, address string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, refuse(ReasonUnreachable, "expected an address, received %s.", quote(address)).because(err)
	}
	r.Header.Set("Accept", "application/json")
	a, err := rp.call(r, limit, false)
	if err != nil {
		return nil, err
	}
	if a.status != http.StatusOK {
		return nil, refuse(ReasonUnreachable, "GET %s: expected 200, received %d.", address, a.status)
	}
	return a.body, nil
}

// place reports why an address of a document cannot be used, nil when it can. plain accepts http, which the
// client may still refuse.
func place(field, address string, plain bool) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !plain):
		return fmt.Errorf("%s: expected an https URL, received %s", field, quote(address))
	case u.User != nil || u.Fragment != "":
		return fmt.Errorf("%s: expected a URL without user name and fragment, received %s", field, quote(address))
	}
	return nil
}
