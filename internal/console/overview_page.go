package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// overviewData is the first page: who has access and how, and what needs attention. It is read in few queries, none of
// which grows with the workspace beyond a bound.
type overviewData struct {
	common
	Preset      string
	Attention   []attention
	Enforced    string
	Connections []connectionLine
	Directories []overviewDirectory
	Members     []statusCount
	Seats       string
	Owners      []ownerLine
	MoreOwners  bool
	BreakGlass  string // who it is, "" for nobody
	Proven      *time.Time
	SignIns     []attemptLine
	Mappings    int
	RoleSource  directory.RoleSource
	Domains     []settings.DomainView
	Waiting     int
}

// attention is a sentence with where to go about it, "" for whoever may not go there.
type attention struct{ Kind, Text, URL string }

type overviewDirectory struct {
	directoryLine
	Report *settings.DirectoryReport
}

type statusCount struct {
	Status directory.Status
	N      string
}

type ownerLine struct {
	memberLine
	BreakGlass bool
}

const (
	// maxOverviewed is how many members are counted, and maxOverviewDirectories how many directories are asked about
	// what they heard last.
	maxOverviewed          = 100_000
	maxOverviewDirectories = 10
	overviewOwners         = 10
	overviewSignIns        = 8
)

func (d *Door) overviewPage(v *visit) error {
	data := overviewData{Enforced: enforced(v.setup.Enforcement), Mappings: len(v.setup.RoleMappings), RoleSource: v.setup.RoleSource}
	var owners []directory.Member
	var attempts []store.Attempt
	var counts map[directory.Status]int
	var cfg *directory.Config
	err := d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) (err error) {
		data.BreakGlass, data.Proven = "", nil
		if cfg, err = tx.Config(); err != nil {
			return err
		}
		if counts, err = tx.MembersByStatus(maxOverviewed); err != nil {
			return err
		}
		if owners, err = tx.MembersByRole(cfg.Roles.Owner().ID, overviewOwners+1); err != nil {
			return err
		}
		admin, err := tx.BreakGlass(cfg.Roles.Owner().ID)
		if err != nil {
			return err
		}
		if admin != nil {
			data.BreakGlass = nameOf(admin)
			_, proven, err := tx.Credential(admin.ID)
			if err != nil {
				return err
			}
			if !proven.IsZero() {
				data.Proven = &proven
			}
		}
		if data.Waiting, err = tx.AdoptionsWaiting(); err != nil {
			return err
		}
		attempts, _, err = tx.Attempts(store.AttemptQuery{Limit: overviewSignIns})
		return err
	})
	if err != nil {
		return err
	}
	if data.Domains, err = d.Settings.Domains(v.r.Context(), v.live.Slug); err != nil {
		return err
	}
	base := consoleURL(v.live.Slug)
	for i, dir := range v.setup.Directories {
		line := overviewDirectory{directoryLine: lineOf(dir, base)}
		if i < maxOverviewDirectories {
			if line.Report, err = d.Settings.DirectoryReport(v.r.Context(), v.live.Slug, dir.ID); err != nil {
				return err
			}
		}
		data.Directories = append(data.Directories, line)
	}
	letters, err := jobs.Outbox(v.r.Context(), d.DB, v.live.Workspace, "", lettersSeen)
	if err != nil {
		return err
	}
	return d.show(v, "overview", "Overview", "", told{}, func(c common) any {
		data.common, data.Preset = c, cfg.Workspace.Preset
		data.people(counts, owners, cfg)
		for _, con := range v.setup.Connections {
			line := connectionLine{ConnectionView: con, ProviderName: providerName(con.Provider), URL: c.Base + "/sso/connections/" + con.ID}
			for _, cert := range certificates(con, d.DB.Now()) {
				if cert.Warning != "" {
					line.Warning = cert.Warning
				}
			}
			data.Connections = append(data.Connections, line)
		}
		for _, a := range attempts {
			if !c.Can(directory.PermissionAuditRead) {
				break
			}
			data.SignIns = append(data.SignIns, d.lineOfAttempt(v, a, c.Base))
		}
		data.attend(cfg, owners, letters, d.DB.Now())
		return data
	})
}

// opens reports whether the visitor may see a page, by its path or that of a page below it.
func (o *overviewData) opens(path string) bool {
	for prefix, permission := range map[string]string{"/members": directory.PermissionMembersRead, "/mail": directory.PermissionMembersRead,
		"/sso/waiting": directory.PermissionMembersRead, "/sign-ins": directory.PermissionAuditRead, "/events": directory.PermissionAuditRead} {
		if strings.HasPrefix(path, prefix) && !o.Can(permission) {
			return false
		}
	}
	return true
}

// people counts members by status and lists owners.
func (o *overviewData) people(counts map[directory.Status]int, owners []directory.Member, cfg *directory.Config) {
	seats, all := counts[directory.StatusActive]+counts[directory.StatusInvited], 0
	for _, s := range []directory.Status{directory.StatusActive, directory.StatusInvited, directory.StatusPending, directory.StatusDeactivated, directory.StatusErased} {
		all += counts[s]
		if counts[s] > 0 || s == directory.StatusActive {
			o.Members = append(o.Members, statusCount{s, fmt.Sprint(counts[s])})
		}
	}
	o.Seats = fmt.Sprint(seats)
	if all >= maxOverviewed {
		o.Seats = "at least " + o.Seats
		for i := range o.Members {
			o.Members[i].N = "at least " + o.Members[i].N
		}
	}
	if o.MoreOwners = len(owners) > overviewOwners; o.MoreOwners {
		owners = owners[:overviewOwners]
	}
	for i := range owners {
		o.Owners = append(o.Owners, ownerLine{lineOfMember(&owners[i], cfg, o.Base), owners[i].BreakGlass})
	}
}

// attend says what needs attention, the most pressing first.
func (o *overviewData) attend(cfg *directory.Config, owners []directory.Member, letters []jobs.Outgoing, now time.Time) {
	add := func(kind, path, format string, args ...any) {
		a := attention{Kind: kind, Text: fmt.Sprintf(format, args...)}
		if o.opens(path) {
			a.URL = o.Base + path
		}
		o.Attention = append(o.Attention, a)
	}
	in := 0
	for i := range owners {
		if owners[i].Status() == directory.StatusActive {
			in++
		}
	}
	switch {
	case in == 0:
		add("bad", "/members", "Nobody who is in has the role %s.", cfg.Roles.Owner().Name)
	case in == 1:
		add("warn", "/members", "One person alone has the role %s. If they are away, nobody can decide what only they may.", cfg.Roles.Owner().Name)
	}
	switch {
	case o.BreakGlass == "" && o.Enforced != "":
		add("bad", "/emergency", "Single sign-on is required, and nobody is named who could sign in with a password while the identity provider is down.")
	case o.BreakGlass == "":
		add("info", "/emergency", "Nobody is named for emergency access. Single sign-on cannot be required before somebody is.")
	case o.Proven == nil:
		add("warn", "/emergency", "The password for emergency access, %s’s, was never tried. Sign in with it once.", o.BreakGlass)
	case now.Sub(*o.Proven) > directory.BreakGlassProof:
		add("warn", "/emergency", "The password for emergency access, %s’s, was last tried on %s.", o.BreakGlass, o.Proven.UTC().Format("2 January 2006"))
	}
	if !cfg.HasVerifiedConnection() {
		add("warn", "/sso", "No connection is active and verified: nobody signs in by single sign-on.")
	}
	for _, c := range o.Connections {
		if c.Unconfirmed {
			add("warn", "/sso/connections/"+c.ID, "The connection %s waits for an owner’s word.", c.Name)
		}
		if c.Warning != "" {
			add("warn", "/sso/connections/"+c.ID, "%s: %s", c.Name, c.Warning)
		}
	}
	for _, dir := range o.Directories {
		if dir.Report != nil && len(dir.Report.Findings) > 0 {
			add("warn", "/sso/directories/"+dir.ID, "%s: %s", dir.Name, dir.Report.Findings[0])
		}
	}
	if o.Waiting > 0 {
		add("warn", "/sso/waiting", "%d of a directory’s people are members already, and wait for a decision.", o.Waiting)
	}
	for _, domain := range o.Domains {
		if domain.MissingSince != nil || domain.State == settings.DomainLapsed {
			add("warn", "/domains", "The record of the domain %s is missing in DNS.", domain.Shown)
		}
	}
	given := 0
	for _, l := range letters {
		if l.State == jobs.LetterGivenUp {
			given++
		}
	}
	if given > 0 {
		add("warn", "/mail", "%d letters could not be sent.", given)
	}
	if o.RoleSource == directory.RoleSourceMapping && o.Mappings == 0 && len(o.Directories) > 0 {
		add("info", "/roles", "No group gives a role, so that everybody has the lowest one.")
	}
}
