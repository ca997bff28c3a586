package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// Event is one line of the log.
type Event struct {
	Seq        int64          `json:"seq" doc:"Its number in the log, without gaps; 0 for the moment before it has one"`
	ID         string         `json:"id"`
	Time       time.Time      `json:"time"`
	Type       string         `json:"type" example:"member.deactivated"`
	Outcome    string         `json:"outcome" enum:"ok,refused"`
	Reason     string         `json:"reason"`
	Actor      audit.Party    `json:"actor"`
	Subject    audit.Party    `json:"subject"`
	Connection string         `json:"connection"`
	Directory  string         `json:"directory"`
	Changes    []audit.Change `json:"changes"`
	Payload    any            `json:"payload,omitempty" doc:"What the caller sent, redacted; of one event alone, and for as long as it is kept"`
}

func eventOf(e *audit.Event) Event {
	out := Event{Seq: e.Seq, ID: e.ID, Time: e.Time, Type: string(e.Type), Outcome: string(e.Outcome), Reason: e.Reason, Actor: e.Actor, Subject: e.Subject,
		Connection: e.Connection, Directory: e.Directory, Changes: append([]audit.Change{}, e.Changes...)}
	if len(e.Payload) > 0 {
		out.Payload = json.RawMessage(e.Payload)
	}
	return out
}

// EventPage is a page of the log.
type EventPage struct {
	Events []Event `json:"events"`
	Next   string  `json:"next,omitempty"`
}

type (
	eventPageAnswer struct{ Body EventPage }
	eventAnswer     struct{ Body Event }
)

const eventCursor cursorKind = "event"

func (d *Door) addEvents() {
	add(d, route{method: http.MethodGet, path: "/events", id: "list-events", tag: "Events", summary: "List the event log, the newest first", needs: directory.PermissionAuditRead,
		says: "To follow the log, ask with after: the oldest come first then, behind that number, and none is skipped. Go on behind the largest number that came."}, d.listEvents)
	add(d, route{method: http.MethodGet, path: "/events/{event}", id: "show-event", tag: "Events", summary: "Show an event with its payload", needs: directory.PermissionAuditRead},
		func(ctx context.Context, c *caller, in *struct {
			Event string `path:"event" maxLength:"100"`
		}) (*eventAnswer, error) {
			var out *eventAnswer
			err := d.DB.Read(ctx, c.Workspace, func(tx *store.Tx) error {
				e, err := tx.Event(in.Event)
				out = &eventAnswer{eventOf(&e)}
				return err
			})
			return out, err
		})
}

type listEventsInput struct {
	Limit   int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
	Cursor  string `query:"cursor" maxLength:"600" doc:"next of the page before"`
	Type    string `query:"type" maxLength:"100"`
	Outcome string `query:"outcome" enum:"ok,refused"`
	Subject string `query:"subject" maxLength:"100" doc:"Id of whom or what they are about"`
	After   int64  `query:"after" minimum:"-1" default:"-1" doc:"Follow the log behind this number, 0 for its beginning; alone, with limit"`
}

func (d *Door) listEvents(ctx context.Context, c *caller, in *listEventsInput) (*eventPageAnswer, error) {
	before, err := number(eventCursor, in.Cursor)
	if err != nil {
		return nil, err
	}
	if in.After >= 0 && (in.Cursor != "" || in.Type != "" || in.Outcome != "" || in.Subject != "") {
		return nil, errs.Invalid("after_stands_alone", "after follows the whole log: it goes with limit alone.")
	}
	var out *eventPageAnswer
	err = d.DB.Read(ctx, c.Workspace, func(tx *store.Tx) error {
		out = &eventPageAnswer{EventPage{Events: []Event{}}}
		var page []audit.Event
		var older int64
		var err error
		if in.After >= 0 {
			page, err = tx.EventsAfter(in.After, min(in.Limit, 100))
		} else {
			q := store.EventQuery{Before: before, Outcome: audit.Outcome(in.Outcome), Type: audit.Type(in.Type), Limit: in.Limit}
			if in.Subject != "" {
				q.Subjects = []string{in.Subject}
			}
			page, older, err = tx.EventPage(q)
		}
		for i := range page {
			page[i].Payload = nil
			out.Body.Events = append(out.Body.Events, eventOf(&page[i]))
		}
		if older > 0 {
			out.Body.Next = cursor(eventCursor, strconv.FormatInt(older, 10))
		}
		return err
	})
	return out, err
}
