package acceptance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty/oidctest"
)

// explained is what gatehouse explain prints.
type explained struct {
	Member, Diagnosis, Code string
	FirstSignIn             *string `json:"first_sign_in"`
	Attempts                []tried
	Person                  *struct {
		Role       string
		RoleReason struct{ Sentence, Group string } `json:"role_reason"`
	}
}

// tried is an attempt.
type tried struct {
	ID, Outcome, Code, Reason, Why, Expected, Received, Do, Where, Event, About string
	Skew                                                                        *int64 `json:"clock_skew_seconds"`
	Steps                                                                       []struct{ Actor, Text string }
	Found                                                                       *struct {
		Would, Email, Role string
		MemberEmail        string `json:"member_email"`
		RoleReason         string `json:"role_reason"`
		Groups             []string
		Verified           bool
	}
}

func (c *company) explain(who string) (e explained) {
	c.w.t.Helper()
	c.w.gatehouse(&e, "explain", "--workspace", c.slug, who)
	return e
}

// TestStory_why_somebody_could_not_sign_in tells of each trouble of the seeds' guides (F34 to F37), and how it is
// explained to whoever is asked for help.
func TestStory_why_somebody_could_not_sign_in(t *testing.T) {
	stories := map[string]func(t *testing.T, w *world){
		"which_of_the_two_it_is":    whichOfTheTwo,
		"a_clock_and_a_circle":      clockAndCircle,
		"why_this_role":             whyThisRole,
		"who_is_missing":            whoIsMissing,
		"a_connection_is_tested":    connectionIsTested,
		"an_oidc_draft_is_tested":   oidcIsTested,
		"a_test_is_nobodys_sign_in": testIsNobodysSignIn,
		"a_flood_leaves_few_traces": floodLeavesFew,
	}
	story(t, func(t *testing.T, w *world) {
		t.Run("all", func(t *testing.T) {
			for name, tell := range stories {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					tell(t, w.within(t))
				})
			}
		})
		c := w.within(t).company("killed", idpsim.Okta, form{})
		c.seed()
		b := w.newBrowser()
		request := c.begins(b, c.login())
		w.kill()
		w.start()
		p := b.deliver(c.answer(request, c.who("ann.lee")))
		c.landed(b, p, c.who("ann.lee"))
		if e := c.explain(c.who("ann.lee")); len(e.Attempts) != 1 || e.Attempts[0].Outcome != "ok" || len(e.Attempts[0].Steps) != 4 {
			t.Errorf("over a kill the attempt became %+v", e)
		}
	}, "--allow-private-networks")
}

// unsent assigns somebody at the IdP whose provisioning does not arrive: its token is revoked.
func (c *company) unsent(who string) {
	c.w.t.Helper()
	c.w.gatehouse(nil, "scim-token", "revoke", c.slug, "idp")
	_ = c.idp.Assign(c.w.ctx(), who) // an Okta says that it could not be sent
}

// whichOfTheTwo: “We couldn't find your account” is one of two things, and it is said which (F34).
func whichOfTheTwo(t *testing.T, w *world) {
	shows(t, "F34", "E12")
	for kind, where := range map[idpsim.Kind]string{idpsim.Okta: "Create Users", idpsim.Entra: "Provision on demand"} {
		c := w.company("find-"+string(kind), kind, form{preset: "omniflow", policy: "provision_on: scim", more: seededRoles})
		c.connect()
		c.seed()
		// The IdP lets Eva through, and SCIM has not created her.
		_, err := c.idp.AddPerson(w.ctx(), idpsim.Person{UserName: c.who("eva"), GivenName: "Eva", FamilyName: "E"})
		w.must(err)
		c.unsent(c.who("eva"))
		b := w.newBrowser()
		e := c.refused(b, c.signsIn(b, c.login(), c.who("eva")), "account_not_found", "not_provisioned")
		got := c.explain(c.who("eva"))
		if got.Code != "not_provisioned" || got.Member != "" || len(got.Attempts) != 1 || got.Attempts[0].Event != e.ID || !strings.Contains(got.Attempts[0].Where, where) || !strings.Contains(got.Diagnosis, "has not created them") {
			t.Errorf("%s: eva is explained as %+v", kind, got)
		}
		// Ann was provisioned; the IdP does not let her through, so nothing comes.
		_ = c.idp.Unassign(w.ctx(), c.who("ann.lee")) // it could not be sent either
		ann := w.newBrowser()
		if _, err := c.idp.SignInAs(c.begins(ann, c.login()), c.who("ann.lee")); err == nil {
			t.Fatalf("%s: the IdP answers for somebody who is not assigned", kind)
		}
		if got := c.explain(c.who("ann.lee")); got.Code != "no_answer" || got.Member == "" || got.FirstSignIn != nil || !strings.Contains(got.Diagnosis, "not assigned to the application for sign-on") {
			t.Errorf("%s: ann is explained as %+v", kind, got)
		}
		if out, _, code := w.run(nil, "explain", "--workspace", c.slug, c.who("eva")); code != 0 || !strings.Contains(out, "what to do") || !strings.Contains(out, "not_provisioned") {
			t.Errorf("%s: in text it is\n%s", kind, out)
		}
	}
}

// clockAndCircle: the clock is measured in the refusal, and a product that starts again by itself is stopped (F35).
func clockAndCircle(t *testing.T, w *world) {
	shows(t, "F35")
	c := w.company("circle", idpsim.Okta, form{})
	c.seed()
	ann := c.who("ann.lee")
	b := w.newBrowser()
	var p page
	rounds := 0
	for ; rounds < 10; rounds++ { // as a product does that sends everybody without a session to sign in
		begun := b.open(c.login())
		if begun.to == nil {
			p = begun
			break
		}
		w.must(c.idp.SetSAMLFault(idpsim.FaultClockAhead7m))
		c.refused(b, b.deliver(c.answer(begun.to.String(), ann)), "clock_skew", "clock_skew")
	}
	if rounds != 3 || p.status != http.StatusForbidden || p.fact("Code") != "sign_in_loop" || !strings.Contains(p.text, "refused with the reason clock_skew") {
		t.Errorf("after %d rounds the browser is answered %d: %.2000s", rounds, p.status, p.text)
	}
	e := c.explain(ann)
	if len(e.Attempts) != 3 || e.Code != "clock_skew" {
		t.Fatalf("%+v", e)
	}
	if a := e.Attempts[0]; a.Skew == nil || *a.Skew < 400 || *a.Skew > 420 || a.Expected != "at most 5m0s off" || !strings.Contains(a.Received, "7 min") || !strings.Contains(a.Do, "chronyc") {
		t.Errorf("the clock is explained as %+v", a)
	}
}

// whyThisRole: the role and the group that gave it (F36).
func whyThisRole(t *testing.T, w *world) {
	shows(t, "F36")
	c := w.company("role-why", idpsim.Okta, form{preset: "omniflow", more: seededRoles})
	c.connect()
	c.seed()
	c.enter(c.who("ann.lee"))
	e := c.explain(c.who("ann.lee"))
	if e.Person == nil || e.Person.Role != "Admin" || !strings.Contains(e.Person.RoleReason.Sentence, "Omniflow-Admins") || e.Code != "" || e.FirstSignIn == nil {
		t.Errorf("ann is explained as %+v", e)
	}
	if out, _, code := w.run(nil, "explain", "--workspace", c.slug, c.who("ann.lee")); code != 0 || !strings.Contains(out, "Omniflow-Admins") || !strings.Contains(out, "Nothing is wrong") {
		t.Errorf("in text it is\n%s", out)
	}
}

// whoIsMissing: the lists of those who were provisioned and never signed in, and of those who tried and never were (F37).
func whoIsMissing(t *testing.T, w *world) {
	shows(t, "F37")
	c := w.company("missing", idpsim.Okta, form{preset: "omniflow", policy: "provision_on: scim", more: seededRoles})
	c.connect()
	c.seed()
	c.enter(c.who("ann.lee"))
	_, err := c.idp.AddPerson(w.ctx(), idpsim.Person{UserName: c.who("eva"), GivenName: "Eva", FamilyName: "E"})
	w.must(err)
	c.unsent(c.who("eva"))
	for range 2 {
		b := w.newBrowser()
		c.refused(b, c.signsIn(b, c.login(), c.who("eva")), "account_not_found", "not_provisioned")
	}
	var got struct {
		NeverSignedIn []struct{ Email string } `json:"never_signed_in"`
		Nobody        []struct {
			Name, Code string
			Times      int
		} `json:"never_provisioned"`
	}
	w.gatehouse(&got, "explain", "--workspace", c.slug, "--missing")
	if len(got.NeverSignedIn) != len(w.people(c.slug))-1 || len(got.Nobody) != 1 || got.Nobody[0].Name != c.who("eva") || got.Nobody[0].Times != 2 {
		t.Errorf("missing are %+v of %d people", got, len(w.people(c.slug)))
	}
	for _, u := range got.NeverSignedIn {
		if u.Email == c.who("ann.lee") {
			t.Error("ann has signed in and is said to be missing")
		}
	}
}

// testing runs gatehouse connection test, which waits, and returns the link that it prints and how it ends.
func (w *world) testing(slug, connection string) (link string, end func() (tried, int)) {
	w.t.Helper()
	path, err := verbs()
	w.must(err)
	cmd := exec.CommandContext(w.ctx(), path, append([]string{"connection", "test", slug, connection, "--output", "json"}, w.store()...)...)
	cmd.Env = append(cleanEnv(), atExit)
	cmd.Dir = w.dir
	var out bytes.Buffer
	cmd.Stdout = &out
	said, err := cmd.StderrPipe()
	w.must(err)
	w.must(cmd.Start())
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), w.base) {
			link = lines.Text()
		}
		if strings.HasPrefix(lines.Text(), "waiting") {
			break
		}
	}
	if link == "" {
		w.t.Fatal("connection test printed no link")
	}
	return link, func() (a tried, code int) {
		for lines.Scan() { // what else it says is read, so that it does not wait
		}
		_ = cmd.Wait() // its exit code says it
		if err := json.Unmarshal(out.Bytes(), &a); err != nil {
			w.t.Fatalf("connection test printed %q", out.String())
		}
		return a, cmd.ProcessState.ExitCode()
	}
}

// begin opens the link of a test, presses its button and returns where it leads.
func (b *browser) beginTest(link string) *url.URL {
	b.w.t.Helper()
	p := b.fetch(http.MethodGet, link)
	begun := b.post(link, url.Values{}, b.w.base)
	if p.status != http.StatusOK || begun.to == nil {
		b.w.t.Fatalf("the test begins with %d, then %d: %.1000s", p.status, begun.status, begun.text)
	}
	return begun.to
}

// connectionIsTested: a whole round trip by the command line, of a connection that is off, with who it would be (F18).
func connectionIsTested(t *testing.T, w *world) {
	shows(t, "F18")
	c := w.company("tested", idpsim.Okta, form{preset: "omniflow", more: "role_mappings:\n  - {connection: idp, group: Omniflow-Admins, role: Admin}\n"})
	c.seed()
	w.mustApply(c.file("disabled", "", ""))
	before := len(w.people(c.slug))
	link, end := w.testing(c.slug, "idp")
	b := w.newBrowser()
	p := b.deliver(c.answer(b.beginTest(link).String(), c.who("ann.lee")))
	a, code := end()
	if code != 0 || a.Outcome != "ok" || a.Found == nil || a.Found.Would != "create" || a.Found.Role != "Admin" || !strings.Contains(a.Found.RoleReason, "Omniflow-Admins") || a.Found.Email != c.who("ann.lee") {
		t.Errorf("the test ended with %d as %+v, %+v", code, a, a.Found)
	}
	if p.status != http.StatusOK || !strings.Contains(p.text, "nobody was signed in") || b.session().status != http.StatusUnauthorized || len(w.people(c.slug)) != before {
		t.Errorf("the browser is answered %d: %.1000s", p.status, p.text)
	}
	if again := b.fetch(http.MethodGet, link); again.status != http.StatusForbidden {
		t.Errorf("the link once more: %d", again.status)
	}
	// What is wrong is said, and the exit code says so too.
	w.must(c.idp.SetSAMLFault(idpsim.FaultWrongAudience))
	link, end = w.testing(c.slug, "idp")
	b.deliver(c.answer(b.beginTest(link).String(), c.who("ann.lee")))
	if a, code := end(); code != 1 || a.Code != "wrong_audience" || a.Expected != c.entityID || !strings.Contains(a.Where, "Audience URI") {
		t.Errorf("a wrong audience ends with %d as %+v", code, a)
	}
	var link2 struct{ Attempt, URL string }
	w.gatehouse(&link2, "connection", "test", c.slug, "idp", "--no-wait")
	var open tried
	w.gatehouse(&open, "explain", "--workspace", c.slug, "--attempt", link2.Attempt)
	if open.Outcome != "open" || !strings.HasPrefix(link2.URL, w.base+"/auth/test/") {
		t.Errorf("a test that waits is %+v", open)
	}
	if _, said, code := w.run(nil, "connection", "test", c.slug, "idp", "--stored"); code != 1 || !strings.Contains(said, "signs nobody in") {
		t.Errorf("what is stored of a disabled connection: %d %s", code, said)
	}
}

// oidcIsTested is the same by OpenID Connect, of a draft.
func oidcIsTested(t *testing.T, w *world) {
	shows(t, "F18")
	idp := oidctest.New(t)
	secret := filepath.Join(w.dir, "tested-oidc.txt")
	w.must(os.WriteFile(secret, []byte(idp.Secret), 0o600))
	w.mustApply("workspace: tested-oidc\nconnections:\n  - {name: oidc, provider: generic, protocol: oidc, issuer: '" + idp.Issuer + "', client_id: gatehouse, client_secret_file: tested-oidc.txt, status: draft}\n")
	link, end := w.testing("tested-oidc", "oidc")
	b := w.newBrowser()
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	redirect, answer, err := idp.Answer(b.beginTest(link).String())
	w.must(err)
	p := b.fetch(http.MethodGet, redirect+"?"+answer.Encode())
	a, code := end()
	if code != 0 || a.Found == nil || a.Found.Would != "create" || a.Found.Email != "bob@acme.test" || p.status != http.StatusOK || b.session().status != http.StatusUnauthorized || len(w.people("tested-oidc")) != 0 {
		t.Errorf("the test ended with %d as %+v; the browser has %d: %.1000s", code, a, p.status, p.text)
	}
	for _, secret := range []string{answer.Get("code"), answer.Get("state"), idp.Secret} {
		if said, _, _ := w.run(nil, "explain", "--workspace", "tested-oidc", "--attempt", a.ID, "--output", "json"); strings.Contains(said, secret) || strings.Contains(w.log.String(), secret) {
			t.Errorf("the secret %.20q got out", secret)
		}
	}
}

// testIsNobodysSignIn: what belongs to a test opens nothing, and what belongs to a sign-in ends no test.
func testIsNobodysSignIn(t *testing.T, w *world) {
	c := w.company("apart", idpsim.Okta, form{connection: "idp_initiated: yes\n"})
	c.seed()
	ann := c.who("ann.lee")
	var made struct{ Attempt, URL string }
	w.gatehouse(&made, "connection", "test", c.slug, "idp", "--no-wait")
	b, thief := w.newBrowser(), w.newBrowser()
	request := b.beginTest(made.URL).String()
	answer := c.answer(request, ann)
	if p := thief.deliver(answer); !p.failed() || thief.session().status != http.StatusUnauthorized {
		t.Errorf("another browser with the test's answer: %d %.500s", p.status, p.text)
	}
	for _, relay := range []string{"", "grs_x"} {
		other := answer
		other.RelayState = relay
		if p := b.deliver(other); !p.failed() || b.session().status != http.StatusUnauthorized {
			t.Errorf("the test's answer as a sign-in, with %q: %d %.500s", relay, p.status, p.text)
		}
	}
	if p := b.deliver(answer); p.status != http.StatusOK || b.session().status != http.StatusUnauthorized {
		t.Errorf("the test's own end: %d %.500s", p.status, p.text)
	}
	if p := b.deliver(answer); !p.failed() {
		t.Errorf("the test's answer twice: %d", p.status)
	}
	c.landed(b, b.deliver(c.tile(ann)), ann)
}

// floodLeavesFew: a stranger who posts rubbish fills nothing.
func floodLeavesFew(t *testing.T, w *world) {
	c := w.company("flood", idpsim.Okta, form{})
	c.seed()
	c.enter(c.who("ann.lee"))
	b := w.newBrowser()
	for range 500 {
		if p := b.post(c.acs, url.Values{"SAMLResponse": {"PHg+"}, "passed_on": {"1"}}, w.base); !p.failed() {
			t.Fatalf("rubbish is answered %d", p.status)
		}
	}
	if n := len(w.events(c.slug)); n > 80 {
		t.Errorf("500 posts left %d events", n)
	}
	c.enter(c.who("ann.lee"))
}
