package console

import (
	"net/url"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/signin"
)

// sessionLine is one session of a member as administrators see it.
type sessionLine struct {
	ID, Method, Browser, Address string
	Connection                   string // its name, or ""
	CreatedAt, LastUsedAt        time.Time
	BreakGlass                   bool
}

func sessionLines(cfg *directory.Config, live []session.Session) (lines []sessionLine) {
	for _, s := range live {
		c, _ := cfg.Connection(s.Connection)
		lines = append(lines, sessionLine{ID: s.ID, Method: signin.MethodName(s.Method), Browser: signin.BrowserName(s.UserAgent), Address: s.Address,
			Connection: c.Name, CreatedAt: s.CreatedAt, LastUsedAt: s.LastUsedAt, BreakGlass: s.BreakGlass})
	}
	return lines
}

// endSessions ends one session of a member, or all where the path names none.
func (d *Door) endSessions(v *visit) error {
	member, id := v.r.PathValue("member"), v.r.PathValue("session")
	done := "session-ended"
	if id == "" {
		done = "sessions-ended"
	}
	_, err := d.SignIn.EndSessionsFor(v.r.Context(), v.acts(), member, id)
	if errs.CodeOf(err) == "session_unknown" {
		err = errs.Conflict("session_over", "That session is over already.")
	}
	if forTheForm(err) {
		return d.showMember(v, told{field: "sessions", err: err})
	}
	if err != nil {
		return err
	}
	return v.to("/members/" + url.PathEscape(member) + "?done=" + done)
}
