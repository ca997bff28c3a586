package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// names of limits, which ratios are held against.
const (
	limitCommit = "limit: raw insert-commit"
	limitGroup  = "limit: rows, 64 in one commit"
	limitReads  = "limit: read by unique key"
	limitEmpty  = "limit: empty handler"
)

func (h *house) limitMeasures() []measured {
	list := []measured{{name: limitCommit, limit: true, op: func(ctx context.Context, _ *slot) error {
		return h.limits.insert(ctx, fmt.Sprintf("new-%09d", h.next.Add(1)))
	}}}
	if h.limits.grouped() {
		list = append(list, measured{name: limitGroup, limit: true, per: groupSize, op: func(ctx context.Context, _ *slot) error {
			keys := make([]string, groupSize)
			for i := range keys {
				keys[i] = fmt.Sprintf("new-%09d", h.next.Add(1))
			}
			return h.limits.insertMany(ctx, keys)
		}})
	}
	return append(list, measured{name: limitReads, limit: true, op: func(ctx context.Context, s *slot) error {
		return h.limits.read(ctx, limitKey(scatter(s, limitRows)))
	}}, measured{name: limitEmpty, op: func(_ context.Context, s *slot) error {
		_, err := s.want(200, "GET", "/bare", "", "")
		return err
	}})
}

// scatter gives a worker numbers below n in an order that visits all of them.
func scatter(s *slot, n int) int { return (s.done*7919 + s.worker*104_729) % n }

func (h *house) measures() []measured {
	return []measured{
		{name: "the same handler behind the kit's chain", against: limitEmpty, op: func(_ context.Context, s *slot) error {
			_, err := s.want(200, "GET", "/empty", "", "")
			return err
		}},
		{name: "create, pre-check and POST", against: limitCommit, op: h.create},
		{name: "lookup by userName", against: limitReads, op: func(_ context.Context, s *slot) error {
			return h.lookup(s, `userName eq "`+userName("crowd", scatter(s, h.crowd))+`"`)
		}},
		{name: "lookup by externalId", against: limitReads, op: func(_ context.Context, s *slot) error {
			return h.lookup(s, `externalId eq "ext-`+userName("crowd", scatter(s, h.crowd))+`"`)
		}},
		{name: "PATCH of one attribute", against: limitCommit, op: func(_ context.Context, s *slot) error {
			return h.patchUser(s, 0, fmt.Sprintf(`{"op":"replace","path":"title","value":"Title %d"}`, s.done))
		}},
		{name: "PATCH active false, true", against: limitCommit, op: func(_ context.Context, s *slot) error {
			return h.patchUser(s, 1, fmt.Sprintf(`{"op":"replace","value":{"active":%t}}`, s.done%2 == 1))
		}},
		{name: "member change, group of 100", against: limitCommit, inverse: true, op: h.memberOf(&h.small)},
		{name: "member change, group of " + thousands(h.plan.large), against: limitCommit, inverse: true, op: h.memberOf(&h.large)},
		{name: "member change, mapped group", against: limitCommit, inverse: true, op: h.memberOf(&h.mapped)},
		{name: "batch of 100 members, group of " + thousands(h.plan.large), against: limitCommit, inverse: true, op: h.batch},
		{name: "session check", against: limitEmpty, op: func(_ context.Context, s *slot) error {
			_, err := s.want(200, "GET", "/auth/session", h.cookies[s.worker%len(h.cookies)], "")
			return err
		}},
	}
}

// newUser is a person as Okta sends one.
func newUser(name, external string) string {
	return `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"` + name + `","name":{"givenName":"Ann","familyName":"Lee"},` +
		`"emails":[{"primary":true,"value":"` + name + `","type":"work"}],"displayName":"Ann Lee","locale":"en-US","externalId":"` + external +
		`","groups":[],"password":"r4nd0mR4nd0m","active":true}`
}

// create is what Okta does for one person: ask for the userName, then POST.
func (h *house) create(_ context.Context, s *slot) error {
	_, err := h.made(s)
	return err
}

// made is create; it returns the person's SCIM id.
func (h *house) made(s *slot) (id string, err error) {
	n := int(h.next.Add(1))
	name := userName("ann.lee", n)
	answer, err := s.want(200, "GET", "/scim/v2/Users?filter="+url.QueryEscape(`userName eq "`+name+`"`)+"&startIndex=1&count=100", h.child.auth, "")
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(answer), `"totalResults":0`) {
		return "", fmt.Errorf("%s is there already: %s", name, answer)
	}
	answer, err = s.want(201, "POST", "/scim/v2/Users", h.child.auth, newUser(name, fmt.Sprintf("00u%09d", n)))
	return idOf(answer), err
}

// idOf is the first id in an answer.
func idOf(answer []byte) string {
	_, rest, _ := strings.Cut(string(answer), `"id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	return id
}

func (h *house) lookup(s *slot, filter string) error {
	answer, err := s.want(200, "GET", "/scim/v2/Users?filter="+url.QueryEscape(filter), h.child.auth, "")
	if err == nil && !strings.Contains(string(answer), `"totalResults":1`) {
		err = fmt.Errorf("%s: %s", filter, answer)
	}
	return err
}

func patch(ops string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + ops + `]}`
}

// reserved is how many people of the crowd each worker has for itself.
const reserved = 4

// own is the SCIM id of a person whom only this worker changes.
func (h *house) own(s *slot, which int) string { return h.ids[s.worker*reserved+which] }

func (h *house) patchUser(s *slot, which int, op string) error {
	_, err := s.want(200, "PATCH", "/scim/v2/Users/"+h.own(s, which), h.child.auth, patch(op))
	return err
}

// memberOf adds a person to a group and takes them out again, by turns. Workers spread over a
// few groups of the size, as an IdP works on several at a time.
func (h *house) memberOf(groups *[]string) func(context.Context, *slot) error {
	return func(_ context.Context, s *slot) error {
		group := (*groups)[s.worker%len(*groups)]
		value := h.own(s, 2)
		op := `{"op":"add","path":"members","value":[{"value":"` + value + `"}]}`
		if s.done%2 == 1 {
			op = `{"op":"remove","path":"members[value eq \"` + value + `\"]"}`
		}
		_, err := s.want(204, "PATCH", "/scim/v2/Groups/"+group, h.child.auth, patch(op))
		return err
	}
}

// batch adds 100 people to a large group or takes them out again, by turns, as Entra does.
func (h *house) batch(_ context.Context, s *slot) error {
	op := `{"op":"Add","path":"members","value":[`
	if s.done%2 == 1 {
		op = `{"op":"Remove","path":"members","value":[`
	}
	first := maxConcurrency*reserved + h.plan.large + 100*(s.worker%outsideBatches)
	for i, id := range h.ids[first : first+100] {
		if i > 0 {
			op += ","
		}
		op += `{"value":"` + id + `"}`
	}
	_, err := s.want(204, "PATCH", "/scim/v2/Groups/"+h.large[s.worker%len(h.large)], h.child.auth, patch(op+`]}`))
	return err
}

const (
	smallGroup = 100
	// groupsEach is how many groups there are of each size.
	groupsEach = 8
	// outsideBatches is how many lots of 100 people are in no large group at first.
	outsideBatches = 8
)

// makeGroups makes groups with n members each.
func (h *house) makeGroups(w *wire, name func(int) string, groups, n int) ([]string, error) {
	var ids []string
	for g := range groups {
		answer, err := w.want(201, "POST", "/scim/v2/Groups", h.child.auth,
			`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"`+name(g)+`"}`)
		if err != nil {
			return nil, err
		}
		var made struct{ ID string }
		if err := json.Unmarshal(answer, &made); err != nil {
			return nil, err
		}
		people := h.ids[maxConcurrency*reserved:][:n]
		for len(people) > 0 {
			part := people[:min(len(people), 1000)]
			people = people[len(part):]
			op := `{"op":"add","path":"members","value":[{"value":"` + strings.Join(part, `"},{"value":"`) + `"}]}`
			if _, err := w.want(204, "PATCH", "/scim/v2/Groups/"+made.ID, h.child.auth, patch(op)); err != nil {
				return nil, err
			}
		}
		ids = append(ids, made.ID)
	}
	return ids, nil
}
