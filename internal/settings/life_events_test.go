package settings

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/provision"
)

const listeningFile = lifeFile + "applications: [{name: app, redirect_uris: ['https://app.test/'], scim_events_uri: 'https://app.test/events'}]\n"

// createGroup is okta's POST of a group.
func (s *Service) createGroup(t *testing.T, name string, members ...string) string {
	t.Helper()
	cfg := s.mustConfig(t, "acme")
	d, _ := findDirectory(cfg, "okta")
	scope := provision.Scope{Workspace: cfg.Workspace.ID, Directory: d.ID, Actor: audit.Party{Kind: "directory", ID: d.ID}}
	g, err := (&provision.Service{DB: s.DB}).CreateGroup(context.Background(), scope, provision.GroupForm{DisplayName: name, Document: "{}"}, members)
	if err != nil {
		t.Fatal(err)
	}
	return g.ID
}

// tellings are the events of SCIM resources that wait, as "path event", sorted; they are taken away.
func (s *Service) tellings(t *testing.T) (out []string) {
	t.Helper()
	ctx := context.Background()
	for {
		list, err := s.DB.System().ClaimJobs(ctx, "test", time.Hour, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			slices.Sort(out)
			return out
		}
		for _, j := range list {
			if j.Kind == provision.JobSCIMEvent {
				var e provision.SCIMEvent
				if err := json.Unmarshal([]byte(j.Body), &e); err != nil {
					t.Fatal(err)
				}
				out = append(out, e.Path+" "+e.Event[strings.LastIndex(e.Event, "prov:")+len("prov:"):])
			}
			if err := s.DB.System().FinishJob(ctx, j, "test"); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Groups of a test sync stand in the directory whatever it becomes: by each way out of testing it is told of them, once.
func TestGroupsOfATestSync_AreToldOnceByEveryWayOutOfIt(t *testing.T) {
	ctx := context.Background()
	ways := map[string]func(t *testing.T, s *Service){
		"enabled by the plan": func(t *testing.T, s *Service) {
			s.mustCreate(t, "ada")
			plan, err := s.DirectoryPlan(ctx, "acme", "okta", provision.PlanPage{})
			if err == nil {
				_, err = s.EnableDirectory(ctx, "acme", "okta", plan.Word, administrator)
			}
			if err != nil {
				t.Fatal(err)
			}
		},
		"enabled, nobody being staged": func(t *testing.T, s *Service) {
			if _, err := s.EnableDirectory(ctx, "acme", "okta", "", administrator); err != nil {
				t.Fatal(err)
			}
		},
		"enabled by a file": func(t *testing.T, s *Service) {
			file := strings.Replace(listeningFile, "status: testing", "status: enabled", 1)
			s.mustApply(t, file, ApplyOptions{DryRun: true})
			s.mustApply(t, file, ApplyOptions{})
		},
		"paused, then enabled": func(t *testing.T, s *Service) {
			if _, err := s.PauseDirectory(ctx, "acme", "okta", administrator); err != nil {
				t.Fatal(err)
			}
			if _, err := s.EnableDirectory(ctx, "acme", "okta", "", administrator); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, leave := range ways {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *Service) {
				s.mustApply(t, listeningFile, ApplyOptions{})
				g := s.createGroup(t, "Admins")
				if got := s.tellings(t); len(got) > 0 {
					t.Errorf("while it tests it was told %q", got)
				}
				leave(t, s)
				got := slices.DeleteFunc(s.tellings(t), func(line string) bool { return strings.HasPrefix(line, "/Users/") })
				if want := "/Groups/" + g + " create:notice"; strings.Join(got, "|") != want {
					t.Errorf("told %q, want %q", got, want)
				}
			})
		})
	}
}

// What a discarded test sync leaves to the pilot stands on, and is told of; what it throws away is not.
func TestDiscarding_TellsOfTheGroupsThatStay(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		s.mustApply(t, strings.Replace(listeningFile, "status: testing", "status: testing, pilot: [pia@acme.test]", 1), ApplyOptions{})
		pia, ada := s.mustCreate(t, "pia"), s.mustCreate(t, "ada")
		stays := s.createGroup(t, "Admins", pia.ID, ada.ID)
		s.createGroup(t, "Others", ada.ID)
		if got := s.tellings(t); strings.Join(got, "|") != "/Users/"+pia.ID+" create:notice" {
			t.Errorf("while it tests it was told %q", got)
		}
		if _, err := s.DiscardDirectory(context.Background(), "acme", "okta", administrator); err != nil {
			t.Fatal(err)
		}
		if got := s.tellings(t); strings.Join(got, "|") != "/Groups/"+stays+" create:notice" {
			t.Errorf("told %q", got)
		}
	})
}
