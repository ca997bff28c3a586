package settings

import (
	"context"
	"errors"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// ApplyOptions say how a file is applied.
type ApplyOptions struct {
	// DryRun computes everything, refusals too, and keeps nothing.
	DryRun bool
	// Prune removes connections and directories that a list in the file does not name.
	Prune bool
	// Force overwrites what was changed elsewhere since the last apply.
	Force bool
	// Word, where it is given, is Result.Word of a dry run: anything but exactly that is a conflict,
	// changed_meanwhile.
	Word string
	// Page is whom of the people Result.Affects shows.
	Page  Page
	Actor audit.Party
}

// Result is what an apply did. The ids of things that a dry run would make are empty.
type Result struct {
	Workspace    WorkspaceRef      `json:"workspace"`
	Connections  []ConnectionView  `json:"connections"`
	Directories  []DirectoryView   `json:"directories"`
	Applications []ApplicationView `json:"applications"`
	// Changes are what is different now, in the order of the file; empty when nothing is.
	Changes []string `json:"changes"`
	// Notes are what the operator should know and what did not change.
	Notes []string `json:"notes,omitempty"`
	// Affects is whom among the people of a workspace that was there the changes change.
	Affects *Effect `json:"affects,omitempty"`
	// Later says what is decided from then on and changes nobody by itself.
	Later []string `json:"later,omitempty"`
	// Word names these changes to what is there, and everybody whom they change (ApplyOptions.Word).
	Word string `json:"word,omitempty"`
}

// WorkspaceRef names a workspace.
type WorkspaceRef struct {
	ID   string `json:"id"`
	Slug string `json:"slug"`
}

// DirectoryView is a directory with the address that its IdP is given.
type DirectoryView struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	BaseURL string `json:"base_url"`
}

// ApplicationView is a host application with what it signs in with at the OIDC provider.
type ApplicationView struct {
	ClientID string `json:"client_id"`
	// ClientSecret is shown once, when it is made, and stored nowhere.
	ClientSecret string `json:"client_secret,omitempty"`
	Name         string `json:"name"`
}

var (
	// errDryRun ends the transaction of a dry run: nothing of it is kept.
	errDryRun = errors.New("dry run")
	// errStale says that the transaction found other people than were looked at before it.
	errStale = errors.New("changed meanwhile")
)

// maxApplies is how often an apply starts over because another one came between.
const maxApplies = 5

// Apply makes the workspace that f names match f, in one transaction; a workspace that does not
// exist is made. What f does not have stays. Applying the same file again changes and records
// nothing. Refusals: invalid for mistakes in the file, conflict for changes made elsewhere,
// forbidden where somebody would be locked out.
func (s *Service) Apply(ctx context.Context, f *File, o ApplyOptions) (Result, error) {
	var idps identities
	var secrets clientSecrets
	made := map[string]*spKey{}
	for try := range maxApplies {
		id, err := s.DB.System().WorkspaceBySlug(ctx, f.Workspace)
		fresh := errs.Is(err, errs.KindNotFound)
		if err != nil && !fresh {
			return Result{}, err
		}
		if fresh {
			id = keys.ID("ws_", s.DB.Now())
		}
		var wrong mistakes
		if try == 0 {
			idps = s.metadata(f, &wrong)
			if secrets, err = s.clientSecrets(ctx, f, &wrong); err != nil {
				return Result{}, err
			}
		}
		people, err := s.owners(ctx, id, fresh, f, o.DryRun, wrong)
		if err == nil && try == 0 {
			err = s.fetchMetadata(ctx, f, idps)
			s.completeIssuers(ctx, f)
		}
		if err != nil {
			return Result{}, err
		}
		if err := s.spKeys(ctx, id, fresh, f, made); err != nil {
			return Result{}, err
		}
		var result Result
		err = s.DB.Write(ctx, id, func(tx *store.Tx) error {
			a := &apply{Service: s, tx: tx, options: o, people: people, idps: idps, clients: secrets, made: made}
			if err := a.run(f, id, fresh); err != nil {
				return err
			}
			result = a.result()
			if o.DryRun {
				return errDryRun
			}
			return nil
		})
		switch {
		case errors.Is(err, errDryRun):
			return result, nil
		case errors.Is(err, errStale), fresh && errs.CodeOf(err) == "slug_taken":
			continue
		default:
			return result, err
		}
	}
	return Result{}, errs.Unavailable("busy", "The workspace is being changed by many at once. Nothing was changed; try again.")
}

// apply is one file on its way through one transaction.
type apply struct {
	*Service
	tx      *store.Tx
	options ApplyOptions
	people  []preparedOwner
	idps    identities
	clients clientSecrets     // of connections
	made    map[string]*spKey // for connections, by folded name
	secrets map[string]string // of applications, by id, as they are shown once

	*plan
	diffs   []difference
	tally   *tally
	effect  Effect
	word    string
	changes []string // of people, behind those of diffs

	keeper bool     // some owner could sign in with no IdP before
	shut   []Person // whom enforcement that begins or widens leaves without a way in
	ended  int      // sessions by password that it ended
}

func (a *apply) run(f *File, id string, fresh bool) error {
	if err := a.tx.LockPolicy(); err != nil {
		return err
	}
	before, err := a.load(fresh)
	if err != nil {
		return err
	}
	p := &plan{file: f, before: before, prune: a.options.Prune, now: a.tx.Now(), idps: a.idps, secrets: a.clients, spKeys: a.made, allowPrivate: a.AllowPrivate}
	if a.plan, err = newPlan(p, id); err != nil {
		return err
	}
	now, wanted := stateOf(a.before), stateOf(a.after)
	a.diffs = now.to(wanted)
	left, err := a.tx.Applied()
	if err != nil {
		return err
	}
	if !a.options.Force {
		last, err := decodeState(left)
		if err != nil {
			return err
		}
		if err := checkDrift(last, now, wanted); err != nil {
			return err
		}
	}
	a.tally = newTally(a.before, a.after, a.options.Page)
	if err := a.carryOut(); err != nil {
		return err
	}
	a.effect = a.tally.done()
	a.word = a.tally.word(wordOfDiffs(a.diffs))
	if a.options.Word != "" && a.options.Word != a.word {
		return errs.Conflict("changed_meanwhile", "The file would change something else by now than was shown: somebody changed the workspace or people in it, or an identity provider its metadata. Look with --dry-run.")
	}
	if text := wanted.encode(); text != left {
		a.tx.SetApplied(text)
	}
	// Statements that are still queued run before the answer is made, in a dry run too.
	_, err = a.tx.Config()
	return err
}

func (a *apply) load(fresh bool) (*directory.Config, error) {
	if fresh {
		return nil, nil
	}
	return a.tx.Config()
}

// carryOut writes configuration first, then people, who are decided by it, and asks at the end
// whether law 7 still holds: all in the one transaction.
func (a *apply) carryOut() error {
	steps := []func() error{a.noteKeepers, a.checkRoles, a.forgetDirectories, a.settleDirectories, a.write, a.endConnectionSessions, a.shortenSessions, a.ensureOwners, a.remap, a.renewSessions, a.reread,
		a.settleEnforcement, a.checkKeepers, a.record}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (a *apply) result() Result {
	r := Result{Connections: []ConnectionView{}, Directories: []DirectoryView{}, Applications: []ApplicationView{}, Notes: a.notes, Word: a.word,
		Workspace: WorkspaceRef{ID: a.after.Workspace.ID, Slug: a.after.Workspace.Slug}}
	if a.before != nil {
		r.Affects, r.Later = &a.effect, laterOf(a.diffs)
	}
	if a.before == nil {
		r.Changes = append(r.Changes, "workspace: created with the preset "+a.after.Workspace.Preset)
	}
	r.Changes = append(r.Changes, linesOf(a.diffs, a.before == nil)...)
	r.Changes = append(r.Changes, a.changes...)
	if r.Changes == nil {
		r.Changes = []string{}
	}
	for _, c := range a.after.Connections {
		if a.options.DryRun && isNew(a.before, c.ID) {
			c.ID = ""
		}
		r.Connections = append(r.Connections, a.view(a.after, c))
	}
	for _, d := range a.after.Directories {
		if a.options.DryRun && isNew(a.before, d.ID) {
			d.ID = ""
		}
		r.Directories = append(r.Directories, a.viewDirectory(d))
	}
	for _, app := range a.after.Applications {
		v := ApplicationView{ClientID: app.ID, Name: app.Name, ClientSecret: a.secrets[app.ID]}
		if a.options.DryRun {
			v.ClientSecret = ""
			if _, there := a.had().Application(app.ID); !there {
				v.ClientID = ""
			}
		}
		r.Applications = append(r.Applications, v)
	}
	if a.options.DryRun && a.before == nil {
		r.Workspace.ID = ""
	}
	return r
}

func isNew(before *directory.Config, id string) bool {
	if before == nil {
		return true
	}
	_, con := before.Connection(id)
	_, dir := before.Directory(id)
	return !con && !dir
}
