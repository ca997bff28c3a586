package console

import (
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/internal/web"
)

// sessionsData is the page of how long sessions live.
type sessionsData struct {
	common
	Idle, Life   string
	Idles, Lives []string
	Unnoticed    []string // names of active connections where nobody notices who leaves
}

func (d *Door) sessionsPage(v *visit) error { return d.showSessions(v, told{}) }

func (d *Door) showSessions(v *visit, t told) error {
	var data sessionsData
	err := d.DB.Read(v.r.Context(), v.live.Workspace, func(tx *store.Tx) error {
		cfg, err := tx.Config()
		if err != nil {
			return err
		}
		data = sessionsData{Idles: directory.SessionIdles(), Lives: directory.SessionLives()}
		data.Idle, data.Life = cfg.Workspace.Policy.SessionWords()
		for _, c := range cfg.Connections {
			if c.Status == directory.ConnectionActive && !cfg.NoticesLeavers(c.ID) {
				data.Unnoticed = append(data.Unnoticed, c.Name)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.show(v, "sessions", "Sessions", "/sessions", t, func(c common) any {
		data.common = c
		return data
	})
}

func (d *Door) setSessions(v *visit) error {
	form, err := web.Form(v.r)
	if err != nil {
		return err
	}
	err = d.Settings.SetSessionTimes(v.r.Context(), v.live.Slug, form.Get("idle"), form.Get("life"), v.actor)
	if forTheForm(err) {
		return d.showSessions(v, told{field: "session-times", err: err})
	}
	if err != nil {
		return err
	}
	http.Redirect(v.w, v.r, v.url("/sessions?done=session-times"), http.StatusSeeOther)
	return nil
}
