package directory

import (
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// DirectoryStatus is where a directory stands in its life.
type DirectoryStatus string

const (
	// DirectoryDraft is being set up: SCIM is refused.
	DirectoryDraft DirectoryStatus = "draft"
	// DirectoryTesting answers SCIM in full and stages what it is told: people get their ids and are
	// no members, but for those of the pilot.
	DirectoryTesting DirectoryStatus = "testing"
	// DirectoryEnabled provisions.
	DirectoryEnabled DirectoryStatus = "enabled"
	// DirectoryPaused had provisioned: SCIM is refused, its people stay as they are.
	DirectoryPaused DirectoryStatus = "paused"
)

// DirectoryStatuses are all of them, in the order of a directory's life.
func DirectoryStatuses() []DirectoryStatus {
	return []DirectoryStatus{DirectoryDraft, DirectoryTesting, DirectoryEnabled, DirectoryPaused}
}

// Serves reports whether SCIM is answered at all.
func (s DirectoryStatus) Serves() bool { return s == DirectoryTesting || s == DirectoryEnabled }

// Refusal is the answer to SCIM in a status that does not serve (law 3); nil in one that does.
func (s DirectoryStatus) Refusal() error {
	switch s {
	case DirectoryTesting, DirectoryEnabled:
		return nil
	case DirectoryPaused:
		return errs.Forbidden("directory_paused", "This directory is paused in Gatehouse: nothing was changed. Resume it to provision again.")
	default:
		return errs.Forbidden("directory_draft", "This directory is a draft in Gatehouse: nothing was changed. Start a test sync or enable it to provision.")
	}
}

// Pilots reports whether somebody is on the directory's pilot list: by userName or primary address,
// without regard to letter case, or by exactly their externalId.
func (d Directory) Pilots(userName, externalID, address string) bool {
	return slices.ContainsFunc(d.Pilot, func(name string) bool {
		return name != "" && (SameName(name, userName) || SameName(name, address) || name == externalID)
	})
}

// Stages reports whether what the directory says of somebody is kept without effect.
func (d Directory) Stages(userName, externalID, address string) bool {
	return d.Status == DirectoryTesting && !d.Pilots(userName, externalID, address)
}

// DirectoryPeople are how many people a directory has, for CheckStatus.
type DirectoryPeople struct {
	Staged int
	Live   int
	// Outside are the live ones who are not on the pilot list.
	Outside int
}

// CheckStatus says why a directory cannot go from one status to another; nil when it can. Whoever turns
// staged people into members, or discards them, has done so before it is asked. The rules:
//
//   - draft is where nobody is, neither staged nor live: what has let people in is paused instead, so that
//     "draft" always means that nothing hangs on it;
//   - testing is entered where nobody is live but the pilot, so that nobody who is a member already
//     meets a directory that "only tests";
//   - testing is left for enabled or paused when nobody is staged: staged people become members by the plan
//     that was shown, or are discarded, never by a mere switch;
//   - enabled and paused go into each other whoever is there, so that a pause always can be had.
func CheckStatus(from, to DirectoryStatus, people DirectoryPeople) error {
	if from == to {
		return nil
	}
	switch to {
	case DirectoryTesting:
		if people.Outside > 0 {
			return errs.Conflict("directory_has_people",
				"A test sync can be started while the directory has nobody in but its pilot; %d people of it are members already and not on the pilot list. Make a second directory to test with, or put them on the list.", people.Outside)
		}
	case DirectoryEnabled, DirectoryPaused:
		if from == DirectoryTesting && people.Staged > 0 {
			return errs.Conflict("directory_staged",
				"%d people of this directory are staged. Look at the plan, then enable the directory with it, or discard them.", people.Staged)
		}
	case DirectoryDraft:
		if people.Staged+people.Live > 0 {
			return errs.Conflict("directory_has_people",
				"The directory has %d people (%d of them staged), so that it is no draft any more. Discard who is staged, or pause the directory.", people.Staged+people.Live, people.Staged)
		}
	default:
		return errs.Invalid("status_unknown", "status: expected draft, testing, enabled or paused, received %q", string(to))
	}
	return nil
}
