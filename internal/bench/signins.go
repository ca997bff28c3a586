package main

import (
	"compress/flate"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/signin"
	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

const (
	limitSignature = "limit: RSA-2048 signature, one core"
	// coreWorkers are the connections to a server of one core: enough that it does not wait for the disk.
	coreWorkers = 8
	// stockPace is how many sign-ins a second a round is prepared for, above what a core can do.
	stockPace = 1500
	// signers is how many people sign in, in turns.
	signers = 256
)

// formType is the header line of a form.
const formType = contentType + "application/x-www-form-urlencoded\r\n"

// oneCore measures what aims state for a core: the server's code runs on one processor meanwhile.
// Load and PostgreSQL have the others.
func (h *house) oneCore(ctx context.Context, r *report) error {
	limits := append(h.limitMeasures(), h.signatureLimit())
	list := h.chosen(limits, append(h.signInMeasures(), append(h.groupMeasures(), h.garbage()...)...))
	if h.plan.only == "" { // the rates of reading rows say nothing here
		list = h.chosen([]measured{limits[0], limits[len(limits)-2], limits[len(limits)-1]}, append(h.signInMeasures(), append(h.groupMeasures(), h.garbage()...)...))
	}
	if len(list) == 0 {
		return nil
	}
	progress("%s: on one core", h.name)
	if err := h.connect(ctx); err != nil {
		return err
	}
	var n int
	if err := h.child.control.ask(&n, "POST", "/control/cores?n=1", "", ""); err != nil {
		return err
	}
	samples, err := h.rounds(ctx, list, coreWorkers)
	if err := errors.Join(err, h.child.control.ask(&n, "POST", "/control/cores?n=0", "", "")); err != nil {
		return err
	}
	for i, m := range list {
		c := coreWorkers
		switch {
		case m.alone:
			c = 1
		case m.limit:
			m.name += ", again"
		default:
			m.name += " (server on one core)"
		}
		r.addSample(h.name, c, m, samples[i])
		if strings.HasPrefix(m.name, groupsName) {
			r.rows[len(r.rows)-1].value = perGroup(m.grows, samples[i].cpu, cpuAt(list, samples, 0), cpuAt(list, samples, 150))
		}
	}
	return nil
}

// cpuAt is the own CPU of the measure with so many groups, 0 where there is none.
func cpuAt(list []measured, samples []sample, groups int) time.Duration {
	for i, m := range list {
		if strings.HasPrefix(m.name, groupsName) && m.grows == groups {
			return samples[i].cpu
		}
	}
	return 0
}

// signatureLimit is what an ID token costs at the least.
func (h *house) signatureLimit() measured {
	key := sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
	sum := sha256.Sum256([]byte(limitBody))
	return measured{name: limitSignature, limit: true, alone: true, prepare: func(context.Context, time.Duration) error {
		_, err := key()
		return err
	}, op: func(context.Context, *slot) error {
		k, err := key()
		if err == nil {
			_, err = rsa.SignPKCS1v15(nil, k, crypto.SHA256, sum[:])
		}
		return err
	}}
}

func (h *house) signInMeasures() []measured {
	return []measured{
		{name: "ACS to session", against: limitCommit, inverse: true, prepare: h.restock(stockPace, h.asked), op: h.enter},
		{name: "OIDC callback to session", against: limitCommit, inverse: true, prepare: h.restock(stockPace, h.askedOpenID), op: h.calledBack},
		{name: "provider round trip", against: limitSignature, inverse: true, unit: "signatures", op: func(_ context.Context, s *slot) error {
			_, err := h.roundTrip(s.wire, h.cookies[s.worker%len(h.cookies)])
			return err
		}},
	}
}

// answer is an IdP's answer that is ready to be posted by the browser that asked for it.
type answer struct{ cookies, form, path string }

// stock are answers that were signed beforehand.
type stock struct {
	answers []answer
	next    atomic.Int64
	salt    int // of the clients' addresses: the limit of one client is not what is measured
}

func acsPath() string { return "/auth/saml/" + connection + "/acs" }

// enter posts one of the stock, as a browser that sends its cookies.
func (h *house) enter(_ context.Context, s *slot) error {
	n := int(h.stock.next.Add(1)) - 1
	if n >= len(h.stock.answers) {
		return errDry
	}
	a := h.stock.answers[n]
	body, err := s.want(303, "POST", acsPath(), a.cookies, a.form)
	if err == nil && !strings.Contains(string(s.cookies), "gatehouse_session=") {
		err = fmt.Errorf("sign-in %d: no session: %s %s", n, s.location, body)
	}
	return err
}

// restock begins as many sign-ins as a round can use, pace a second, and has the answers signed.
func (h *house) restock(pace int, asked func(w *wire, n int) (answer, error)) func(context.Context, time.Duration) error {
	return func(ctx context.Context, d time.Duration) error {
		return h.fill(ctx, max(int(d.Seconds()*float64(pace)), coreWorkers), asked)
	}
}

func (h *house) fill(ctx context.Context, many int, asked func(w *wire, n int) (answer, error)) error {
	answers := make([]answer, many)
	h.stock.salt++
	failures := make([]error, coreWorkers)
	var at atomic.Int64
	var wg sync.WaitGroup
	for i := range coreWorkers {
		wg.Go(func() {
			for failures[i] == nil && ctx.Err() == nil {
				n := int(at.Add(1)) - 1
				if n >= len(answers) {
					return
				}
				answers[n], failures[i] = asked(h.slots[i].wire, n)
			}
		})
	}
	wg.Wait()
	h.stock.answers = answers
	h.stock.next.Store(0)
	return errors.Join(append(failures, ctx.Err())...)
}

// from is the header line of one of many clients.
func from(group, n int) string {
	return fmt.Sprintf("X-Forwarded-For: 10.%d.%d.%d\r\n", group%256, n>>8%256, n%256)
}

// asked begins a sign-in and has the IdP answer it, about somebody with forty groups: about 9 KB as it is posted.
func (h *house) asked(w *wire, n int) (answer, error) {
	return h.askedAbout(w, n, h.crowd-1-n%signers, strings.Fields(strings.Repeat("Some-Group-Of-The-Company-With-A-Name ", 40)))
}

func (h *house) askedAbout(w *wire, n, who int, groups []string) (answer, error) {
	client := from(h.stock.salt, n)
	if _, err := w.want(302, "GET", "/auth/saml/"+connection+"/login", client, ""); err != nil {
		return answer{}, err
	}
	id, relay, err := readRequest(string(w.location))
	if err != nil {
		return answer{}, err
	}
	cookies := "Cookie: " + string(w.cookies) + "\r\n"
	form := url.Values{"SAMLResponse": {h.response(id, userName("crowd", who), groups...)}, "RelayState": {relay}}
	return answer{cookies: client + cookies + formType, form: form.Encode()}, nil
}

// response is an answer about somebody in groups.
func (h *house) response(request, email string, groups ...string) string {
	r := h.idp.Response(signin.ServiceProvider(origin, directory.Connection{ID: connection}), request, time.Now())
	r.Assertion.NameID.Value = email
	r.Assertion.Attributes[0].Values = []string{email}
	r.Assertion.Attributes[3].Values = groups
	return samltest.Encode(h.idp.Sign(r))
}

var requestID = regexp.MustCompile(` ID="([^"]+)"`)

// readRequest reads what an IdP is asked (SAML bindings, section 3.4).
func readRequest(address string) (id, relay string, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", "", err
	}
	deflated, err := base64.StdEncoding.DecodeString(u.Query().Get("SAMLRequest"))
	if err != nil {
		return "", "", err
	}
	xml, err := io.ReadAll(flate.NewReader(strings.NewReader(string(deflated))))
	if err != nil {
		return "", "", err
	}
	found := requestID.FindSubmatch(xml)
	if found == nil {
		return "", "", fmt.Errorf("no request in %s", address)
	}
	return string(found[1]), u.Query().Get("RelayState"), nil
}

// PKCE's verifier and challenge, and the application's credentials.
var (
	verifier  = strings.Repeat("verifier", 6)
	challenge = func() string {
		sum := sha256.Sum256([]byte(verifier))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}()
	basic     = "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(client+":"+secret)) + "\r\n"
	authorize = "/oauth2/authorize?" + url.Values{"client_id": {client}, "redirect_uri": {callback}, "response_type": {"code"},
		"scope": {"openid email profile"}, "state": {"s"}, "nonce": {"n"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}}.Encode()
)

// roundTrip signs a session in to the application: a code, tokens for it, and the claims.
func (h *house) roundTrip(w *wire, cookie string) (claims []byte, err error) {
	if _, err := w.want(303, "GET", authorize, cookie, ""); err != nil {
		return nil, err
	}
	back, err := url.Parse(string(w.location))
	if err != nil {
		return nil, err
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	given, err := w.want(200, "POST", "/oauth2/token", basic+formType, form.Encode())
	if err != nil {
		return nil, fmt.Errorf("%w (sent back to %s)", err, back)
	}
	var tokens struct {
		Access string `json:"access_token"`
		ID     string `json:"id_token"`
	}
	if err := json.Unmarshal(given, &tokens); err != nil || tokens.ID == "" {
		return nil, fmt.Errorf("tokens %s: %w", given, err)
	}
	return w.want(200, "GET", "/oauth2/userinfo", "Authorization: Bearer "+tokens.Access+"\r\n", "")
}
