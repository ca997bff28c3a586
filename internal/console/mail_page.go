package console

import (
	"context"
	"net/url"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/jobs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// mailData is the page of letters that were not sent yet.
type mailData struct {
	common
	Letters []letterLine
	Next    string // address of the next page, or ""
	Mail    bool
}

type letterLine struct {
	jobs.Outgoing
	Label, URL, MemberURL string
}

// letterLabels are the kinds of letters in words.
var letterLabels = map[string]string{
	"invitation": "Invitation", "welcome": "You have access", "password": "New password", "link": "Sign-in link", "notice": "Notice", "expiry": "Certificate ends",
}

const lettersPerPage = 50

func (d *Door) mailPage(v *visit) error { return d.showMail(v, told{}) }

func (d *Door) showMail(v *visit, t told) error {
	list, err := jobs.Outbox(v.r.Context(), d.DB, v.live.Workspace, v.r.URL.Query().Get("before"), lettersPerPage+1)
	if err != nil {
		return err
	}
	return d.show(v, "mail", "Letters", "/members", t, func(c common) any {
		data := mailData{common: c, Mail: d.Provision.Mail}
		if len(list) > lettersPerPage {
			list = list[:lettersPerPage]
			data.Next = c.Base + "/mail?" + url.Values{"before": {list[lettersPerPage-1].ID}}.Encode()
		}
		for _, l := range list {
			line := letterLine{Outgoing: l, Label: letterLabels[l.Letter], URL: c.Base + "/mail/" + url.PathEscape(l.ID)}
			if line.Label == "" {
				line.Label = l.Letter
			}
			if l.To != "" {
				line.MemberURL = c.Base + "/members/" + url.PathEscape(l.Member)
			}
			data.Letters = append(data.Letters, line)
		}
		return data
	})
}

// onLetter is an act on the letter of the path.
func (d *Door) onLetter(done string, act func(context.Context, *store.DB, string, string, audit.Party) error) handler {
	return func(v *visit) error {
		err := act(v.r.Context(), d.DB, v.live.Workspace, v.r.PathValue("letter"), v.actor)
		if errs.CodeOf(err) == "letter_unknown" || errs.Is(err, errs.KindForbidden) {
			return d.showMail(v, told{field: "letters", err: err})
		}
		if err != nil {
			return err
		}
		return v.to("/mail?done=" + done)
	}
}
