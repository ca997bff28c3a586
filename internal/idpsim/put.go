package idpsim

import (
	"context"
	"fmt"
	"net/http"
)

// This file is what the clients have in common that write a person as a complete document: looked
// for before the first POST, then PUT. How each looks is in its vendor's file.

func (p *IdP) putTest(ctx context.Context) error {
	if _, err := p.settings(); err != nil {
		return err
	}
	return vendorOf(p.kind).test(ctx, p)
}

// probe sends the requests of a connection test; each must be answered with what it asks for.
func (p *IdP) probe(ctx context.Context, probes ...request) error {
	for _, r := range probes {
		r.method = http.MethodGet
		got, err := p.send(ctx, r)
		if err != nil {
			return err
		}
		if got.body == nil {
			return p.unusable(r, got, "the answer has no body")
		}
		if r.path == "/Users" || r.path == "/Groups" {
			if got.body.get("totalResults") == nil {
				return p.unusable(r, got, "the answer is not a ListResponse")
			}
		}
	}
	return nil
}

// putSend brings one person's state in the application up to date.
func (p *IdP) putSend(ctx context.Context, x Person, _ string) error {
	conn, err := p.settings()
	if err != nil {
		return err
	}
	v := vendorOf(p.kind)
	action := conn.wanted(v, x)
	if action == actionNothing {
		return nil
	}
	if action == actionKeep && (x.App.RemoteID == "" || x.App.inDoubt) {
		return p.putProvision(ctx, conn, v, x)
	}
	if x.App.RemoteID == "" {
		return p.putWithdraw(ctx, conn, v, x)
	}
	switch {
	case action == actionDelete:
		return p.putDelete(ctx, x)
	case action == actionSuspend && !x.App.Active && !x.App.inDoubt:
		return nil // their attributes are no longer followed
	}
	return p.putDocument(ctx, conn, v, x)
}

// putProvision looks for the person, then creates them, or links to what was found and writes the
// document.
func (p *IdP) putProvision(ctx context.Context, conn Connection, v vendor, x Person) error {
	found, err := p.putFind(ctx, conn, v, x)
	if err != nil {
		return err
	}
	if found == nil {
		return p.putCreate(ctx, conn, v, x)
	}
	return p.putDocument(ctx, conn, v, p.link(x, found))
}

// putWithdraw puts somebody out whose create got no answer and who has left meanwhile. PingOne also
// makes somebody who is assigned and inactive, if its connection says so.
func (p *IdP) putWithdraw(ctx context.Context, conn Connection, v vendor, x Person) error {
	early := conn.CreateInactive && x.Assigned && !x.Deleted
	if !x.App.inDoubt && !early {
		return nil
	}
	found, err := p.putFind(ctx, conn, v, x)
	switch {
	case err != nil:
		return err
	case found == nil && early:
		return p.putCreate(ctx, conn, v, x)
	case found == nil:
		return nil
	}
	x = p.link(x, found)
	if conn.wanted(v, x) == actionDelete {
		return p.putDelete(ctx, x)
	}
	return p.putDocument(ctx, conn, v, x)
}

func (p *IdP) link(x Person, found object) Person {
	x.App.RemoteID = found.text("id")
	p.noteApp(x.ID, func(a *AppUser) { a.RemoteID, a.Active = x.App.RemoteID, truthy(found.get("active")) })
	return x
}

// putFind is the pre-check. Two people that match are an error.
func (p *IdP) putFind(ctx context.Context, conn Connection, v vendor, x Person) (object, error) {
	filter := v.filter(conn, p.profileOf(x))
	r := request{step: p.step("pre-check", 2), method: http.MethodGet, path: "/Users", query: p.filterQuery(filter) + v.more}
	got, err := p.send(ctx, r)
	if err != nil {
		return nil, err
	}
	found := got.resources()
	if len(found) > 1 {
		return nil, p.unusable(r, got, fmt.Sprintf("%d people match %s", len(found), filter))
	}
	for _, o := range found {
		return o, p.usable(v, r, got, o)
	}
	return nil, nil
}

// usable is an error when an answer's person cannot be worked with.
func (p *IdP) usable(v vendor, r request, got answer, read object) error {
	if read.text("id") == "" {
		return p.unusable(r, got, "the person has no id")
	}
	if v.usable == nil {
		return nil
	}
	if reason := v.usable(read); reason != "" {
		return p.unusable(r, got, reason)
	}
	return nil
}

func (p *IdP) putCreate(ctx context.Context, conn Connection, v vendor, x Person) error {
	f := p.profileOf(x)
	body, err := v.document(ctx, p, conn, f, true)
	if err != nil {
		return err
	}
	r := request{step: p.step("create user", 3), method: http.MethodPost, path: "/Users", body: body}
	got, err := p.send(ctx, r)
	if err != nil {
		return err
	}
	if err := p.usable(v, r, got, got.body); err != nil {
		return err
	}
	p.noteApp(x.ID, func(a *AppUser) { a.RemoteID, a.Active = got.body.text("id"), f.active })
	return nil
}

// putDocument writes the complete document of somebody whom the application knows. An application
// that answers with another state than the one asked for has not followed.
func (p *IdP) putDocument(ctx context.Context, conn Connection, v vendor, x Person) error {
	f, path := p.profileOf(x), "/Users/"+x.App.RemoteID
	body, err := v.document(ctx, p, conn, f, false)
	if err != nil {
		return err
	}
	if v.readsFirst {
		if _, err := p.send(ctx, request{step: p.step("read user", 4), method: http.MethodGet, path: path}); err != nil {
			return p.putGone(x, err)
		}
	}
	what := p.step("update user", 4)
	switch {
	case !f.active:
		what = p.step("suspend user", 5)
	case !x.App.Active:
		what = p.step("restore user", 5)
	}
	r := request{step: what, method: http.MethodPut, path: path, body: body}
	got, err := p.send(ctx, r)
	if err != nil {
		return p.putGone(x, err)
	}
	if told := got.body.get("active"); told != nil && truthy(told) != f.active {
		return p.unusable(r, got, fmt.Sprintf("active is %v, want %v", told, f.active))
	}
	p.noteApp(x.ID, func(a *AppUser) { a.Active = f.active })
	return nil
}

// putGone forgets somebody whom the application no longer knows, so that a retry looks for them
// and creates them again.
func (p *IdP) putGone(x Person, cause error) error {
	if statusOf(cause) == http.StatusNotFound {
		p.forgetApp(x.ID)
	}
	return cause
}

// putDelete deletes somebody in the application. One who is gone already is as good.
func (p *IdP) putDelete(ctx context.Context, x Person) error {
	_, err := p.send(ctx, request{step: p.step("delete user", 6), method: http.MethodDelete, path: "/Users/" + x.App.RemoteID})
	if err != nil && statusOf(err) != http.StatusNotFound {
		return err
	}
	p.forgetApp(x.ID)
	return nil
}

// putImport reads what this client imports; one that imports nothing sends what is due.
func (p *IdP) putImport(ctx context.Context) (Report, error) {
	v, report := vendorOf(p.kind), Report{IdP: p.kind}
	if !v.importsUsers && !v.importsGroups {
		return p.sendAll(ctx, false)
	}
	if v.importsUsers {
		users, err := p.readPages(ctx, p.step("import users", 7), "/Users", false)
		if err != nil {
			return report, err
		}
		report.ImportedUsers = importedUsers(users)
	}
	if !v.importsGroups {
		return report, nil
	}
	groups, err := p.readPages(ctx, p.step("import groups", 7), "/Groups", false)
	report.ImportedGroups = importedGroups(groups)
	return report, err
}
