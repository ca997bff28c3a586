package console

import (
	"fmt"

	"github.com/gatehouse-id/gatehouse/internal/guide"
	"github.com/gatehouse-id/gatehouse/internal/settings"
)

// guideData is a guide as pages show it: its fields as rows to copy or to choose from.
type guideData struct {
	guide.Guide
	Them  string // the IdP within a sentence
	Steps []guideStep
}

type guideStep struct {
	Do   string
	Rows []copyRow
}

// copyRow is one line of the IdP's console, in its words: a value to paste, a choice to make, or neither.
type copyRow struct {
	ID, Word, Value, Choice, Hint string
}

// idsOfPlaces are the ids of the fields with values of ours. Each stands on a page once.
var idsOfPlaces = map[string]string{"metadata_url": "metadata-url-value", "acs_url": "acs-url", "entity_id": "entity-id", "callback_url": "callback-url",
	"initiate_url": "initiate-url", "post_logout_url": "post-logout-url", "backchannel_url": "backchannel-url", "frontchannel_url": "frontchannel-url", "logout_url": "logout-url"}

// guideOf makes the rows of a guide. given are the ids that the page has.
func guideOf(g guide.Guide, them string, given map[string]bool) guideData {
	out := guideData{Guide: g, Them: them}
	for n, s := range g.Steps {
		step := guideStep{Do: s.Do}
		for i, f := range s.Fields {
			row := copyRow{ID: fmt.Sprintf("value-%s-%d-%d", g.Protocol, n+1, i+1), Word: f.Name, Hint: f.Note}
			if id := idsOfPlaces[f.Place]; id != "" && !given[id] {
				row.ID, given[id] = id, true
			}
			switch {
			case f.Choose:
				row.Choice = f.Value
			case f.Value == "":
				row.Choice = "leave it empty"
			default:
				row.Value = f.Value
			}
			step.Rows = append(step.Rows, row)
		}
		out.Steps = append(out.Steps, step)
	}
	return out
}

// addresses are all of ours of a connection that its guide does not ask for.
func addresses(con settings.ConnectionView, given map[string]bool) (rows []copyRow) {
	add := func(place, word, value, hint string) {
		if id := idsOfPlaces[place]; value != "" && !given[id] {
			rows = append(rows, copyRow{ID: id, Word: word, Value: value, Hint: hint})
		}
	}
	add("metadata_url", "Metadata URL", con.MetadataURL, "For identity providers and tools that read a service provider's metadata; it fills in the addresses.")
	add("entity_id", "Entity ID", con.EntityID, "")
	add("acs_url", "ACS URL", con.ACSURL, "")
	add("logout_url", "Single logout URL", con.LogoutURL, "Where the identity provider offers single logout. Its messages have to be signed.")
	add("callback_url", "Redirect URI", con.CallbackURL, "")
	if o := con.OIDC; o != nil {
		add("post_logout_url", "Sign-out redirect URI", o.PostLogoutURL, "Needed only where people are signed out there as well.")
		add("initiate_url", "Initiate login URI", o.InitiateURL, "For a tile, where sign-in from it is allowed below.")
		add("backchannel_url", "Back-channel logout URI", o.BackchannelLogoutURL, "Where the identity provider offers it: sessions here end when those there do.")
		add("frontchannel_url", "Front-channel logout URI", o.FrontchannelLogoutURL, "Only where it offers no back-channel logout. It has to send iss and sid.")
	}
	return rows
}
