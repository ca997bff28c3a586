package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// scimAnswer is what a SCIM request came to.
type scimAnswer struct {
	status      int
	contentType string
	body        string
}

// scim sends one request with a workspace's own token.
func (w *world) scim(ctx context.Context, t *tenant, method, path, body string) (scimAnswer, error) {
	r, err := http.NewRequestWithContext(ctx, method, w.origin+"/scim/v2"+path, strings.NewReader(body))
	if err != nil {
		return scimAnswer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	r.Header.Set("Authorization", "Bearer "+t.token)
	if body != "" {
		r.Header.Set("Content-Type", "application/scim+json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return scimAnswer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	if err != nil {
		return scimAnswer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return scimAnswer{res.StatusCode, res.Header.Get("Content-Type"), string(text)}, nil
}

// list is a SCIM list as far as it is looked at here.
type list struct {
	TotalResults int                             `json:"totalResults"`
	Resources    []struct{ ID, UserName string } `json:"Resources"`
}

func (w *world) scimList(ctx context.Context, t *tenant, path string) (list, error) {
	var l list
	a, err := w.scim(ctx, t, http.MethodGet, path, "")
	if err != nil {
		return l, err
	}
	if a.status != http.StatusOK {
		return l, differs("a list at "+path, fmt.Sprintf("%d %s", a.status, a.body))
	}
	if err := json.Unmarshal([]byte(a.body), &l); err != nil {
		return l, fmt.Errorf("read list at %s: %w", path, err)
	}
	return l, nil
}

// sample is one person and one group of a workspace, as its own token sees them.
type sample struct{ user, userName, group string }

func (w *world) sample(ctx context.Context, t *tenant) (sample, error) {
	users, err := w.scimList(ctx, t, "/Users?count=1")
	if err != nil {
		return sample{}, err
	}
	groups, err := w.scimList(ctx, t, "/Groups?count=1&excludedAttributes=members")
	if err != nil {
		return sample{}, err
	}
	if len(users.Resources) == 0 || len(groups.Resources) == 0 {
		return sample{}, differs(t.slug+" to have people and groups", "none")
	}
	return sample{users.Resources[0].ID, users.Resources[0].UserName, groups.Resources[0].ID}, nil
}

// neighbourLists asks with the neighbour's token for everything, and by filter for what the others
// have.
func (w *world) neighbourLists(ctx context.Context) (string, error) {
	paths := []string{"/Users", "/Groups"}
	for _, t := range w.tenants {
		s, err := w.sample(ctx, t)
		if err != nil {
			return "", err
		}
		for _, f := range []string{`userName eq "` + s.userName + `"`, `emails.value eq "` + s.userName + `"`, `id eq "` + s.user + `"`} {
			paths = append(paths, "/Users?filter="+url.QueryEscape(f))
		}
		for _, f := range []string{`members.value eq "` + s.user + `"`, `id eq "` + s.group + `"`} {
			paths = append(paths, "/Groups?filter="+url.QueryEscape(f))
		}
	}
	for _, path := range paths {
		l, err := w.scimList(ctx, w.neighbour, path)
		if err != nil {
			return "", err
		}
		if l.TotalResults != 0 || len(l.Resources) != 0 {
			return "", differs("nothing at "+path, fmt.Sprintf("%d resources", l.TotalResults))
		}
	}
	return fmt.Sprintf("%d lists and filters, all empty", len(paths)), nil
}

// probe is a request with somebody's id in it: %s stands for the id.
type probe struct {
	method, path, body string
	group              bool // the id is a group's
}

func probes(ownGroup string) []probe {
	const (
		user   = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"x@hooli.test","emails":[{"value":"x@hooli.test"}]`
		group  = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"X"`
		change = `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`
	)
	return []probe{
		{http.MethodGet, "/Users/%s", "", false},
		{http.MethodPut, "/Users/%s", user + `}`, false},
		{http.MethodPatch, "/Users/%s", change + `{"op":"replace","path":"active","value":false}]}`, false},
		{http.MethodDelete, "/Users/%s", "", false},
		{http.MethodGet, "/Groups/%s", "", true},
		{http.MethodPut, "/Groups/%s", group + `}`, true},
		{http.MethodPatch, "/Groups/%s", change + `{"op":"remove","path":"members"}]}`, true},
		{http.MethodDelete, "/Groups/%s", "", true},
		{http.MethodPost, "/Groups", group + `,"members":[{"value":"%s"}]}`, false},
		{http.MethodPatch, "/Groups/" + ownGroup, change + `{"op":"add","path":"members","value":[{"value":"%s"}]}]}`, false},
		{http.MethodPost, "/Users", user + `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"manager":{"value":"%s"}}}`, false},
	}
}

// neighbourProbes sends each request twice with the neighbour's token, once with an id of another
// workspace and once with an id that nobody has. The answers must be equal byte for byte but for
// the id, and nothing may have changed.
func (w *world) neighbourProbes(ctx context.Context) (string, error) {
	made, err := w.scim(ctx, w.neighbour, http.MethodPost, "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Hooli"}`)
	if err != nil {
		return "", err
	}
	var own struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(made.body), &own); err != nil || made.status != http.StatusCreated {
		return "", differs("the neighbour to make a group of its own", fmt.Sprintf("%d %s", made.status, made.body))
	}
	compared := 0
	for _, t := range w.tenants {
		s, err := w.sample(ctx, t)
		if err != nil {
			return "", err
		}
		for _, p := range probes(own.ID) {
			foreign := s.user
			if p.group {
				foreign = s.group
			}
			if err := w.compare(ctx, p, foreign); err != nil {
				return "", err
			}
			compared++
		}
		if _, err := w.agree(ctx, t); err != nil {
			return "", err
		}
	}
	people, err := w.people(ctx, w.neighbour)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d requests, all refused alike, nobody changed", compared), same("people of the neighbour", 0, len(people))
}

// compare sends one probe with a foreign id and with an unknown one.
func (w *world) compare(ctx context.Context, p probe, foreign string) error {
	kind, _, _ := strings.Cut(foreign, "_")
	unknown := keys.ID(kind+"_", time.Now())
	var got [2]scimAnswer
	for i, id := range []string{foreign, unknown} {
		a, err := w.scim(ctx, w.neighbour, p.method, strings.ReplaceAll(p.path, "%s", id), strings.ReplaceAll(p.body, "%s", id))
		if err != nil {
			return err
		}
		a.body = strings.ReplaceAll(a.body, id, "{id}")
		got[i] = a
	}
	name := p.method + " " + strings.ReplaceAll(p.path, "%s", "{id}")
	if got[1].status < 400 {
		return differs(name+" with an unknown id to be refused", got[1].status)
	}
	if got[0] != got[1] {
		return differs(name+" to answer a foreign id as an unknown one: "+fmt.Sprint(got[1]), got[0])
	}
	return nil
}
