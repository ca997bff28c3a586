package console

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/settings"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// eventsData is one page of the log.
type eventsData struct {
	common
	Events  []eventLine
	Outcome string
	Type    string
	Who     string
	Member  string // whom Who was understood as, or ""
	ByName  string // address of the page that takes Who as a name
	Types   []choice
	Older   string // address, or ""
	Newest  string // address, "" on the newest page
	Sought  bool   // something was asked for
}

type eventLine struct {
	audit.Event
	Label, Who, By string
	URL            string
}

// eventsPerPage is how many events a page shows.
const eventsPerPage = 50

func (d *Door) eventsPage(v *visit) error {
	q := v.r.URL.Query()
	who := strings.TrimSpace(q.Get("who"))
	if strings.HasPrefix(who, "evt_") {
		return v.to("/events/" + url.PathEscape(who))
	}
	data := eventsData{Outcome: q.Get("outcome"), Type: q.Get("type"), Who: who}
	data.Sought = data.Outcome != "" || data.Type != "" || who != ""
	before, err := strconv.ParseInt(q.Get("before"), 10, 64)
	if err != nil || before < 0 {
		before = 0 // an address that was tampered with begins at the newest
	}
	var list []audit.Event
	var older int64
	err = d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) (err error) {
		ask := store.EventQuery{Before: before, Outcome: audit.Outcome(data.Outcome), Type: audit.Type(data.Type), Limit: eventsPerPage}
		data.Member = ""
		if who != "" {
			ask.Name = directory.Fold(who)
			if q.Get("by") != "name" {
				if ask.Subjects, data.Member, err = person(tx, who); err != nil {
					return err
				}
			}
		}
		list, older, err = tx.EventPage(ask)
		return err
	})
	if err != nil {
		return err
	}
	return d.show(v, "events", "Event log", "/events", told{}, func(c common) any {
		data.common, data.Types = c, eventTypes
		for _, e := range list {
			data.Events = append(data.Events, lineOfEvent(e, c.Base))
		}
		page := func(set ...string) string {
			next := url.Values{}
			for _, key := range []string{"outcome", "type", "who", "by"} {
				if q.Get(key) != "" {
					next.Set(key, q.Get(key))
				}
			}
			for i := 0; i+1 < len(set); i += 2 {
				next.Set(set[i], set[i+1])
			}
			return strings.TrimSuffix(c.Base+"/events?"+next.Encode(), "?")
		}
		if older > 0 {
			data.Older = page("before", strconv.FormatInt(older, 10))
		}
		if before > 0 {
			data.Newest = page()
		}
		if data.Member != "" {
			data.ByName = page("by", "name")
		}
		return data
	})
}

// person returns the ids under which events know a person: the member's, and those of the SCIM
// resources that point at the member. Whom nobody knows has none.
func person(tx *store.Tx, who string) (ids []string, name string, err error) {
	m, err := tx.Member(who)
	if errs.Is(err, errs.KindNotFound) {
		m, err = tx.MemberByEmail(who)
	}
	if errs.Is(err, errs.KindNotFound) {
		return resourcesOf(tx, who)
	} else if err != nil {
		return nil, "", err
	}
	ids = []string{m.ID}
	resources, err := tx.SCIMUsersOfMember(m.ID)
	for _, u := range resources {
		ids = append(ids, u.ID)
	}
	return ids, nameOf(m), err
}

// resourcesOf finds somebody whom a directory knows by another name than their address: by SCIM id, userName or
// externalId, and those who are staged, who are no members.
func resourcesOf(tx *store.Tx, who string) (ids []string, name string, err error) {
	cfg, err := tx.Config()
	if err != nil {
		return nil, "", err
	}
	for _, dir := range cfg.Directories {
		found, err := settings.ResourcesOf(tx, dir.ID, who)
		if err != nil {
			return nil, "", err
		}
		for _, u := range found {
			ids, name = append(ids, u.ID), u.UserName
			if u.Member != "" {
				ids = append(ids, u.Member)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), name, nil
}

func lineOfEvent(e audit.Event, base string) eventLine {
	return eventLine{Event: e, Label: eventLabel(e.Type), Who: partyName(e.Subject), By: partyName(e.Actor), URL: base + "/events/" + url.PathEscape(e.ID)}
}

func partyName(p audit.Party) string {
	switch {
	case p.Name != "":
		return p.Name
	case p.ID != "":
		return p.ID
	}
	return strings.ReplaceAll(p.Kind, "_", " ")
}

// eventData is the page of one event.
type eventData struct {
	common
	eventLine
	ConnectionName, ConnectionURL string
	DirectoryName, DirectoryURL   string
	Detail                        string // a sentence on what was wrong, or ""
	Payload                       string // indented JSON, "" where none is kept
	XML                           string // the message inside the payload, as it was read
	PersonURL                     string // other events about the same one
	SignIn                        bool   // an attempt tells more
}

func (d *Door) eventPage(v *visit) error {
	var e audit.Event
	err := d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) (err error) {
		e, err = tx.Event(v.r.PathValue("event"))
		return err
	})
	if err != nil {
		return err
	}
	return d.show(v, "event", eventLabel(e.Type), "/events", told{}, func(c common) any {
		data := eventData{common: c, eventLine: lineOfEvent(e, c.Base)}
		data.Payload, data.XML = payloadTexts(e.Payload)
		data.Detail = detailOf(e.Payload)
		data.SignIn = e.Type == audit.SignInSucceeded || e.Type == audit.SignInRefused || e.Type == audit.ConnectionTested
		if con, err := v.connection(e.Connection); err == nil {
			data.ConnectionName, data.ConnectionURL = con.Name, c.Base+"/sso/connections/"+con.ID
		}
		if dir, err := v.directory(e.Directory); err == nil {
			data.DirectoryName, data.DirectoryURL = dir.Name, c.Base+"/sso/directories/"+dir.ID
		}
		switch {
		case e.Subject.Kind == "member" && e.Subject.ID != "":
			data.PersonURL = c.Base + "/events?" + url.Values{"who": {e.Subject.ID}}.Encode()
		case e.Subject.Name != "":
			data.PersonURL = c.Base + "/events?" + url.Values{"who": {e.Subject.Name}}.Encode()
		}
		return data
	})
}

// payloadTexts makes a payload readable: the XML of a sign-in, which JSON holds as one long string,
// stands by itself. Both are text; the template escapes them.
func payloadTexts(payload json.RawMessage) (shown, xml string) {
	if len(payload) == 0 {
		return "", ""
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(payload, &fields) == nil && json.Unmarshal(fields["xml"], &xml) == nil && xml != "" {
		payload = bytes.Replace(payload, fields["xml"], []byte(`"shown below"`), 1)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, payload, "", "  "); err != nil {
		return string(payload), xml
	}
	return b.String(), xml
}

// detailOf is the sentence that a refused sign-in left in its payload.
func detailOf(payload json.RawMessage) string {
	var p struct {
		Refusal struct {
			Detail string `json:"detail"`
		} `json:"refusal"`
	}
	if json.Unmarshal(payload, &p) != nil { // others have other fields there
		return ""
	}
	return p.Refusal.Detail
}
