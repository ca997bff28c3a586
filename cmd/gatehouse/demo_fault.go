package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
	"github.com/gatehouse-id/gatehouse/internal/mailsink"
)

// notVerified is the one code that people see while nothing is verified; the event has the reason.
const notVerified = "saml_refused"

// outcome is what a fault comes to: what the page says and what the event says.
type outcome struct{ code, reason string }

// verified is an outcome of which people are told the true reason, because the signature was good.
func verified(reason string) outcome { return outcome{reason, reason} }

// outcomeOf is what a fault comes to with the client of a kind.
func outcomeOf(f idpsim.Fault, kind idpsim.Kind) (o outcome, known bool) {
	if kind.IsEntra() && f == idpsim.FaultDenied { // Entra signs the assertion alone, and there is none
		return outcome{notVerified, "status"}, true
	}
	o, known = map[idpsim.Fault]outcome{
		idpsim.FaultExpired:        verified("expired"),
		idpsim.FaultClockAhead7m:   verified("clock_skew"),
		idpsim.FaultReplay:         verified("replayed"),
		idpsim.FaultWrongAudience:  verified("audience"),
		idpsim.FaultWrongRecipient: verified("recipient"),
		idpsim.FaultWrongIssuer:    verified("issuer"),
		idpsim.FaultOtherRequest:   verified("in_response_to"),
		idpsim.FaultNoConditions:   verified("no_conditions"),
		idpsim.FaultDenied:         verified("status"),
		idpsim.FaultUnsigned:       {notVerified, "signature_missing"},
		idpsim.FaultWrongKey:       {notVerified, "unknown_key"},
		idpsim.FaultWrapped:        {notVerified, "second_assertion"}, // signature wrapping, beside
		idpsim.FaultWrappedAround:  {notVerified, "nested_assertion"}, // signature wrapping, around
		idpsim.FaultComment:        {notVerified, "comment"},
		idpsim.FaultDTD:            {notVerified, "dtd"},
	}[f]
	return o, known
}

// demonstrated are the faults that the script plays: those with a reason of their own, and those that let somebody in all
// the same. The simulated IdP has more, whole families of attacks that come to one reason, which the tests play.
func demonstrated(kind idpsim.Kind) []idpsim.Fault {
	return slices.DeleteFunc(idpsim.Faults(), func(f idpsim.Fault) bool {
		_, known := outcomeOf(f, kind)
		return f == idpsim.FaultNone || !known && !(f.Works() && f.Attack() == "")
	})
}

// fault lets the next answer of the IdP go wrong and signs in with it.
func (e *entrance) fault(ctx context.Context, f idpsim.Fault) (string, error) {
	b, err := e.browser()
	if err != nil {
		return "", err
	}
	p, err := e.spoiled(ctx, b, f)
	if err != nil {
		return "", err
	}
	if f.Works() {
		v, err := e.inProduct(ctx, b, p, "ann.lee")
		return v.Person.Name + " is in", err
	}
	want, known := outcomeOf(f, e.t.kind)
	if !known {
		return "", differs("a fault that the script knows", f)
	}
	if f == idpsim.FaultClockAhead7m && !strings.Contains(said(p), "7 min") {
		return "", differs("a sentence with the measured seven minutes", said(p))
	}
	return e.refused(ctx, b, p, want.code, want.reason)
}

// spoiled signs in with a fault, from the product; with an old answer and one that comes again from
// the tile, where there is one, because those then belong to no request.
func (e *entrance) spoiled(ctx context.Context, b *browser, f idpsim.Fault) (*page, error) {
	unasked := f == idpsim.FaultExpired || f == idpsim.FaultReplay
	if !unasked || e.t.kind.IsEntra() {
		return e.signIn(ctx, b, e.productSignIn(), "ann.lee", f)
	}
	if f == idpsim.FaultReplay {
		if _, err := e.fromTile(ctx, b, "ann.lee", idpsim.FaultNone); err != nil {
			return nil, err
		}
		var err error
		if b.jar, err = cookiejar.New(nil); err != nil { // somebody else, who got hold of the answer
			return nil, fmt.Errorf("open browser: %w", err)
		}
		b.client.Jar = b.jar
	}
	return e.fromTile(ctx, b, "ann.lee", f)
}

// refused sees that a sign-in was turned away and that nobody is signed in.
func (e *entrance) refused(ctx context.Context, b *browser, p *page, code, reason string) (string, error) {
	detail, err := e.turnedAway(ctx, p, code, reason)
	if err != nil {
		return "", err
	}
	return detail, e.isOut(ctx, b)
}

// turnedAway sees that a sign-in ended on the page of a refusal with that code, and that the event
// which the page names has the reason.
func (e *entrance) turnedAway(ctx context.Context, p *page, code, reason string) (string, error) {
	if p.status < 400 || p.status > 499 {
		return "", differs("the page of a refused sign-in", p)
	}
	if err := same("the code", code, p.fact("Code")); err != nil {
		return "", err
	}
	events, err := e.events(ctx, e.t)
	if err != nil {
		return "", err
	}
	id := p.fact("Event")
	i := slices.IndexFunc(events, func(l loggedEvent) bool { return l.ID == id })
	if id == "" || i < 0 {
		return "", differs("the event that the page names in the log", fmt.Sprintf("%q", id))
	}
	event := events[i]
	for _, c := range []struct{ what, want, got string }{
		{"the event", "signin.refused", event.Type}, {"its outcome", "refused", event.Outcome}, {"its reason", reason, event.Reason},
	} {
		if err := same(c.what, c.want, c.got); err != nil {
			return "", err
		}
	}
	if len(event.Payload) == 0 {
		return "", differs("an event with its payload", "none")
	}
	if code == notVerified {
		return reason, nil
	}
	return fmt.Sprintf("%s: %q", reason, said(p)), nil
}

// isOut sees that a browser has no session, neither with Gatehouse nor with the product.
func (e *entrance) isOut(ctx context.Context, b *browser) error {
	status, _, err := b.session(ctx)
	if err != nil {
		return err
	}
	if err := same("the session check to be answered", http.StatusUnauthorized, status); err != nil {
		return err
	}
	status, _, err = e.product(ctx, b)
	if err != nil {
		return err
	}
	return same("the product to answer", http.StatusUnauthorized, status)
}

// postedTwice takes a good answer of the IdP to Gatehouse three times: in the browser that began the
// sign-in, there again, and in another one.
func (e *entrance) postedTwice(ctx context.Context) (string, error) {
	b, err := e.browser()
	if err != nil {
		return "", err
	}
	asked, err := e.toIdP(ctx, b, e.productSignIn())
	if err != nil {
		return "", err
	}
	answer, err := e.choose(ctx, b, asked, "ann.lee", idpsim.FaultNone)
	if err != nil {
		return "", err
	}
	p, err := e.deliver(ctx, b, answer)
	if err != nil {
		return "", err
	}
	if _, err := e.inProduct(ctx, b, p, "ann.lee"); err != nil {
		return "", err
	}
	if p, err = e.deliver(ctx, b, answer); err != nil {
		return "", err
	}
	if _, err := e.turnedAway(ctx, p, "replayed", "replayed"); err != nil {
		return "", err
	}
	other, err := e.browser()
	if err != nil {
		return "", err
	}
	if p, err = e.deliver(ctx, other, answer); err != nil {
		return "", err
	}
	return e.refused(ctx, other, p, "replayed", "replayed")
}

func mailTo(address string) func(mailsink.Message) bool {
	return func(m mailsink.Message) bool { return slices.Contains(m.To, address) }
}
