package directory

import (
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/errs"
)

func TestCheckStatus_KeepsWhatTheStatesPromise(t *testing.T) {
	t.Parallel()
	nobody, staged := DirectoryPeople{}, DirectoryPeople{Staged: 2}
	pilot, members := DirectoryPeople{Staged: 1, Live: 1}, DirectoryPeople{Live: 3, Outside: 3}
	for _, c := range []struct {
		from, to DirectoryStatus
		people   DirectoryPeople
		code     string
	}{
		{DirectoryDraft, DirectoryTesting, nobody, ""},
		{DirectoryDraft, DirectoryEnabled, nobody, ""},
		{DirectoryDraft, DirectoryPaused, nobody, ""},
		{DirectoryTesting, DirectoryTesting, pilot, ""},
		{DirectoryTesting, DirectoryEnabled, nobody, ""},
		{DirectoryTesting, DirectoryEnabled, staged, "directory_staged"},
		{DirectoryTesting, DirectoryPaused, staged, "directory_staged"},
		{DirectoryTesting, DirectoryDraft, nobody, ""},
		{DirectoryTesting, DirectoryDraft, staged, "directory_has_people"},
		{DirectoryTesting, DirectoryDraft, DirectoryPeople{Live: 1}, "directory_has_people"},
		{DirectoryEnabled, DirectoryTesting, members, "directory_has_people"},
		{DirectoryPaused, DirectoryTesting, members, "directory_has_people"},
		{DirectoryPaused, DirectoryTesting, pilot, ""},
		{DirectoryEnabled, DirectoryPaused, DirectoryPeople{Live: 9, Outside: 9, Staged: 1}, ""},
		{DirectoryPaused, DirectoryEnabled, DirectoryPeople{Live: 9, Outside: 9, Staged: 1}, ""},
		{DirectoryEnabled, DirectoryDraft, members, "directory_has_people"},
		{DirectoryEnabled, "gone", nobody, "status_unknown"},
	} {
		if err := CheckStatus(c.from, c.to, c.people); errs.CodeOf(err) != c.code && !(err == nil && c.code == "") {
			t.Errorf("%s to %s with %+v: %v, want %q", c.from, c.to, c.people, err, c.code)
		}
	}
	for _, s := range DirectoryStatuses() {
		if (s.Refusal() == nil) != s.Serves() {
			t.Errorf("%s serves %v and refuses with %v", s, s.Serves(), s.Refusal())
		}
	}
}

func TestAPilotList_NamesPeopleAsLawSixCompares(t *testing.T) {
	t.Parallel()
	d := Directory{Status: DirectoryTesting, Pilot: []string{"Kim@acme.test", "00u1", ""}}
	for _, c := range []struct {
		userName, externalID, address string
		on                            bool
	}{
		{"KIM@ACME.test", "x", "", true},
		{"k", "x", "kim@acme.test", true},
		{"k", "00u1", "", true},
		{"k", "00U1", "", false},               // external ids are compared byte for byte
		{"\u212Aim@acme.test", "x", "", false}, // the Kelvin sign is no k
		{"", "", "", false},
	} {
		if on := d.Pilots(c.userName, c.externalID, c.address); on != c.on || d.Stages(c.userName, c.externalID, c.address) == on {
			t.Errorf("%+v is on the list: %v", c, on)
		}
	}
	d.Status = DirectoryEnabled
	if d.Stages("anybody", "", "") {
		t.Error("an enabled directory stages somebody")
	}
}
