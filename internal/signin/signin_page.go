package signin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// Codes of the sentences that other pages send along to the sign-in page.
const (
	noticeEnded     = "ended"
	noticeSignedOut = "signed_out"
	noticePassword  = "password_set"
	// The IdP was told of the sign-out, and says that other services may not know, or did not do it.
	noticePartly   = "signed_out_partly"
	noticeHereOnly = "signed_out_here"
	noticeByIdP    = "signed_out_by_idp"
)

var notices = map[string]*web.Notice{
	noticeEnded:     {Kind: "info", Text: "Your session has ended. Sign in again."},
	noticeSignedOut: {Kind: "ok", Text: "You have signed out."},
	noticePassword:  {Kind: "ok", Text: "The password is set. Sign in with it."},
	noticePartly:    {Kind: "warn", Text: "You have signed out here. At other services of your identity provider you may still be signed in."},
	noticeHereOnly:  {Kind: "warn", Text: "You have signed out here. Your identity provider did not sign you out: you may still be signed in there."},
	noticeByIdP:     {Kind: "info", Text: "Your identity provider has signed you out."},
}

// signinPath is the address of the sign-in page with what is known filled in.
type signinPath struct {
	Workspace string // slug
	Continue  string // where it is to lead
	Notice    string // one of the codes of notices
	Emergency bool
	Fresh     bool // a proof is asked for now, whoever is signed in
}

func (p signinPath) url() string {
	q := url.Values{}
	set := func(key, value string) {
		if value != "" {
			q.Set(key, value)
		}
	}
	set("workspace", p.Workspace)
	set("continue", p.Continue)
	set("notice", p.Notice)
	set("emergency", flag(p.Emergency))
	set("fresh", flag(p.Fresh))
	if len(q) == 0 {
		return "/signin"
	}
	return "/signin?" + q.Encode()
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return ""
}

// signinData is what the sign-in page shows, in one of three forms: the first question (Ask), the
// ways into a workspace, and emergency access.
type signinData struct {
	Ask, Emergency   bool
	Workspace, Email string
	Continue         string // carried through all of it
	Fresh            bool
	Connections      []way
	AllURL           string // shows all connections, where only some were chosen by the domain; else ""
	Password         bool   // the password form is there
	Refusal          *web.Failure
	Event            string // of the refusal, "" where whoever asks has proven nothing
	SignedIn         string // address of the member who is signed in, "" for nobody
	SignedInURL      string
	GoOn             string // where the one who is signed in may simply go on, or ""
	EmergencyURL     string
	BackURL          string
	ForgotURL        string // "" where no mail can be sent
}

// way is a connection that can be chosen.
type way struct{ id, Name, URL string }

// domainOf is the folded domain of an address that somebody typed, or of a bare domain; "" for neither.
func domainOf(typed string) string {
	if strings.Contains(typed, "@") {
		if !directory.IsAddress(typed) {
			return ""
		}
		return directory.Domain(typed)
	}
	if !strings.Contains(typed, ".") {
		return ""
	}
	return directory.Fold(typed)
}

// signinPage is GET /signin. Nobody is led on from here who did not just say who they are: whoever
// comes from a refusal or a sign-out would go round in circles.
func (d *Door) signinPage(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	to, _ := ContinuePath(q.Get("continue"))
	data := signinData{Workspace: cut(q.Get("workspace"), maxTyped), Email: cut(q.Get("email"), maxTyped), Continue: to,
		Emergency: q.Get("emergency") == "1", Fresh: q.Get("fresh") == "1"}
	domain := domainOf(data.Email)
	if typed := strings.TrimSpace(q.Get("identifier")); typed != "" && !data.Emergency {
		var err error
		if data.Workspace, data.Email, err = d.service.identify(r.Context(), typed); err != nil {
			return err
		}
		domain = domainOf(typed)
	} else {
		data.Ask = data.Workspace == "" && !data.Emergency
	}
	all, err := d.ways(r, &data, domain)
	if err != nil {
		return err
	}
	// A link may name the connection. It is looked for among those of its workspace alone, and begins nothing
	// for somebody who comes from a refusal or a sign-out.
	if named := q.Get("connection"); named != "" && !data.Emergency && q.Get("notice") == "" {
		if i := slices.IndexFunc(all, func(one way) bool { return one.id == named }); i >= 0 {
			http.Redirect(w, r, all[i].URL, http.StatusFound)
			return nil
		}
	}
	if data.Email != "" && q.Has("identifier") && len(data.Connections) == 1 && !data.Password && q.Get("notice") == "" {
		http.Redirect(w, r, data.Connections[0].URL, http.StatusFound)
		return nil
	}
	live, err := d.service.Check(r.Context(), r)
	switch {
	case err == nil:
		data.SignedIn, data.SignedInURL = live.Member.Email, workspaceURL(live.Slug)
		if !data.Fresh && to != "" && (data.Workspace == "" || data.Workspace == live.Slug) {
			data.GoOn = landing(live.Slug, to)
		}
	case !errs.Is(err, errs.KindUnauthenticated):
		return err
	}
	return d.showSignin(w, r, http.StatusOK, data, notices[q.Get("notice")])
}

func (d *Door) showSignin(w http.ResponseWriter, r *http.Request, status int, data signinData, notice *web.Notice) error {
	path := signinPath{Workspace: data.Workspace, Continue: data.Continue, Fresh: data.Fresh}
	data.BackURL = path.url()
	path.Emergency = true
	data.EmergencyURL = path.url()
	if d.service.Mail {
		data.ForgotURL = forgotPath + "?" + url.Values{"workspace": {data.Workspace}}.Encode()
	}
	page := web.Page{Title: "Sign in", Notice: notice, Data: data}
	if data.Ask {
		// The answer may lead straight to an IdP, whose origin nobody knows yet. There is no password
		// on this page that a form could carry away.
		page.FormActions = []string{"https:"}
		if !d.service.secure() {
			page.FormActions = append(page.FormActions, "http:")
		}
	} else {
		var err error
		if page.FormActions, err = d.service.formActions(r.Context(), data.Continue); err != nil {
			return err
		}
	}
	d.rests(w, r)
	return web.Render(w, status, d.pages["signin"], page)
}

// ways fills in how one can sign in to the workspace of data, for somebody of a domain ("" for not known), and returns
// all connections of it that one can sign in through, in the order of their creation. The domain alone decides
// which of them are shown, never whether there is such an address. A workspace that there is not has the same page as one
// without connections.
func (d *Door) ways(r *http.Request, data *signinData, domain string) (all []way, err error) {
	data.Password = true
	workspace, err := d.service.workspace(r.Context(), strings.ToLower(data.Workspace))
	if err != nil || workspace == "" {
		return nil, err
	}
	cfg, err := d.service.config(r.Context(), workspace)
	if errs.Is(err, errs.KindNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	working := slices.DeleteFunc(slices.Clone(cfg.Connections), func(c directory.Connection) bool { return usable(c) != nil })
	all = waysThrough(working, data)
	data.Connections = waysThrough(directory.ConnectionsFor(domain, working), data)
	if len(data.Connections) < len(all) {
		data.AllURL = signinPath{Workspace: data.Workspace, Continue: data.Continue, Fresh: data.Fresh}.url()
	}
	// Without a connection that works there is nothing else to offer.
	data.Password = len(all) == 0 || !covered(cfg.Workspace.Enforcement, data.Email) ||
		data.Email != "" && slices.Contains(cfg.Unproven(cfg.Workspace.Enforcement), directory.Domain(data.Email))
	return all, nil
}

// waysThrough are the places where a sign-in through each connection begins.
func waysThrough(connections []directory.Connection, data *signinData) []way {
	q := url.Values{}
	if data.Continue != "" {
		q.Set("continue", data.Continue)
	}
	if data.Fresh {
		q.Set("fresh", "1")
	}
	ways := make([]way, 0, len(connections))
	for _, c := range connections {
		address := c.LoginPath()
		if len(q) > 0 {
			address += "?" + q.Encode()
		}
		ways = append(ways, way{id: c.ID, Name: c.Name, URL: address})
	}
	return ways
}

// covered reports whether whoever has that address, "" for not known, must use single sign-on.
func covered(e directory.Enforcement, email string) bool {
	return e.RequireSSO == directory.RequireAll || email != "" && e.Covers(email)
}

// identify finds the workspace that somebody means who typed its name, a domain or an e-mail address.
// A domain leads to the one workspace that has proven it; where there is none, or several, the
// workspace is asked for.
func (s *Service) identify(ctx context.Context, typed string) (slug, email string, err error) {
	var domain string
	switch at := strings.Contains(typed, "@"); {
	case at && directory.IsAddress(strings.TrimSuffix(typed, ".")):
		email = strings.TrimSuffix(typed, ".") // who ends a domain with a dot means the same one
		domain = directory.Domain(email)
	case at:
		return "", cut(typed, maxTyped), nil
	default:
		if domain, _ = directory.DomainName(typed); domain == "" && !strings.Contains(typed, ".") { // no slug has a dot
			return strings.ToLower(cut(typed, maxTyped)), "", nil
		}
	}
	if domain == "" {
		return "", email, nil
	}
	found, err := s.DB.System().WorkspacesOfDomain(ctx, domain)
	if err != nil {
		return "", "", fmt.Errorf("find domain: %w", err)
	}
	if len(found) != 1 {
		return "", email, nil
	}
	slug, err = s.slug(ctx, found[0])
	return slug, email, err
}

func (d *Door) signin(w http.ResponseWriter, r *http.Request) error {
	if _, err := web.Form(r); err != nil {
		return err
	}
	// The body alone: a password in an address would end up in histories and logs.
	form := r.PostForm
	req := PasswordRequest{Workspace: form.Get("workspace"), Email: form.Get("email"), Password: form.Get("password"),
		Emergency: form.Get("emergency") == "1", Code: form.Get("code"), Recovery: form.Get("recovery"), Client: ClientOf(r)}
	token, started, err := d.service.Password(r.Context(), req)
	if err != nil {
		return d.refuse(w, r, req, err)
	}
	slug, err := d.service.slug(r.Context(), started.Workspace)
	if err != nil {
		return err
	}
	return d.enter(w, r, token, landing(slug, form.Get("continue")))
}

// refuse shows the form again with the sentence of a refusal. Other errors are the door's.
func (d *Door) refuse(w http.ResponseWriter, r *http.Request, req PasswordRequest, err error) error {
	f := web.FailureOf(r, err)
	if f.Status >= http.StatusInternalServerError {
		return err
	}
	web.Add(r.Context(), "error_code", f.Code)
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(f.RetryAfter.Seconds()))))
	}
	to, _ := ContinuePath(r.PostForm.Get("continue"))
	data := signinData{Workspace: cut(strings.TrimSpace(req.Workspace), maxTyped), Email: cut(req.Email, maxTyped), Continue: to,
		// Only the form of emergency access has the fields of a second factor.
		Emergency: req.Emergency || f.Code == errCodeNeeded.Code || f.Code == errCodeWrong.Code, Fresh: r.PostForm.Get("fresh") == "1", Refusal: &f}
	var away *TurnedAway
	if errors.As(err, &away) {
		data.Event = away.Event
		web.Add(r.Context(), "event", away.Event)
	}
	if _, err := d.ways(r, &data, domainOf(data.Email)); err != nil {
		return err
	}
	return d.showSignin(w, r, f.Status, data, nil)
}

// linkPage shows one button. It asks the database nothing: mail scanners and prefetching browsers
// follow links, and a link must not be consumed by being looked at.
func (d *Door) linkPage(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, http.StatusOK, d.pages["link"], web.Page{Title: "Sign in", Data: mailedData{Path: r.URL.EscapedPath()}})
}

func (d *Door) link(w http.ResponseWriter, r *http.Request) error {
	token, started, err := d.service.UseLink(r.Context(), r.PathValue("token"), ClientOf(r))
	var away *TurnedAway
	if errors.As(err, &away) {
		return d.turnedAway(w, r, away)
	}
	if err != nil {
		return err
	}
	slug, err := d.service.slug(r.Context(), started.Workspace)
	if err != nil {
		return err
	}
	return d.enter(w, r, token, workspaceURL(slug))
}

// signoutData is what the sign-out page shows.
type signoutData struct{ Email, Workspace, Back string }

func (d *Door) signoutPage(w http.ResponseWriter, r *http.Request) error {
	var data signoutData
	var onward []string // where the form may end up beside here
	live, err := d.service.Check(r.Context(), r)
	switch {
	case err == nil:
		data = signoutData{Email: live.Member.Email, Workspace: live.Slug, Back: workspaceURL(live.Slug)}
		onward = d.service.leadsTo(r.Context(), live)
	case !errs.Is(err, errs.KindUnauthenticated):
		return err
	}
	return web.Render(w, http.StatusOK, d.pages["signout"], web.Page{Title: "Sign out", FormActions: onward, Data: data})
}

func (d *Door) signout(w http.ResponseWriter, r *http.Request) error {
	live, err := d.service.Check(r.Context(), r)
	slug := ""
	var leaving *Leaving
	switch {
	case err == nil:
		slug = live.Slug
		if leaving, err = d.service.SignOut(r.Context(), live, EndedSignedOut, "", ClientOf(r)); err != nil {
			return err
		}
	case !errs.Is(err, errs.KindUnauthenticated):
		return err
	}
	d.clearCookie(w)
	if leaving != nil {
		return d.Leave(w, r, leaving)
	}
	http.Redirect(w, r, signinPath{Workspace: slug, Notice: noticeSignedOut}.url(), http.StatusSeeOther)
	return nil
}
