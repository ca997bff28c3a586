package directory_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

var allSources = []directory.Source{directory.SourceIdP, directory.SourceGroupLoss, directory.SourceOwner, directory.SourceSafetyNet}

func TestSources_AddUpAndEachIsLiftedAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var set directory.Sources
		want := map[directory.Source]bool{}
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			s := rapid.SampledFrom(allSources).Draw(t, "source")
			if rapid.Bool().Draw(t, "joins") {
				set, want[s] = set.With(s), true
			} else {
				set = set.Without(s)
				delete(want, s)
			}
		}
		for _, s := range allSources {
			if set.Has(s) != want[s] {
				t.Fatalf("Has(%d) is %v of %q", s, set.Has(s), set)
			}
		}
		if len(set.Names()) != len(want) || (set == 0) != (len(want) == 0) {
			t.Fatalf("%q should hold %d sources", set, len(want))
		}
	})
}

func TestSources_AreNamedInAFixedOrder(t *testing.T) {
	all := directory.Sources(0)
	for _, s := range slices.Backward(allSources) {
		all = all.With(s)
	}
	if got := all.String(); got != "idp,group_loss,owner,safety_net" {
		t.Errorf("all sources read %q", got)
	}
	// The values are stored: a change of one would move people between sources.
	if all != 0b1111 || directory.SourceIdP != 1 || directory.SourceGroupLoss != 2 || directory.SourceOwner != 4 || directory.SourceSafetyNet != 8 {
		t.Error("the stored values of sources have changed")
	}
	if got := directory.Sources(0).Names(); got == nil || len(got) != 0 {
		t.Errorf("nobody's sources are %#v, want an empty list", got)
	}
}

func TestMember_IsInOnlyWithoutAnySource(t *testing.T) {
	stages := map[directory.Stage]struct {
		status directory.Status
		in     bool
	}{
		directory.StagePending: {"pending", false},
		directory.StageInvited: {"invited", true},
		directory.StageActive:  {"active", true},
		directory.StageErased:  {"erased", false},
	}
	for stage, want := range stages {
		m := directory.Member{Stage: stage}
		if m.Status() != want.status || m.In() != want.in || m.TakesSeat() != want.in {
			t.Errorf("%s: status %s, in %v, seat %v", stage, m.Status(), m.In(), m.TakesSeat())
		}
		for sources := directory.Sources(1); sources < 16; sources++ {
			m.Sources = sources
			status := directory.StatusDeactivated
			if stage == directory.StageErased {
				status = directory.StatusErased
			}
			if m.Status() != status || m.In() || m.TakesSeat() {
				t.Errorf("%s out by %s: status %s, in %v, seat %v", stage, sources, m.Status(), m.In(), m.TakesSeat())
			}
			if m.OutSentence() == "" {
				t.Errorf("nobody is told why they are out by %s", sources)
			}
			if m.AgainstDirectory(false) {
				t.Errorf("%s out by %s counts as restored", stage, sources)
			}
		}
	}
	back := directory.Member{Stage: directory.StageActive}
	if !back.AgainstDirectory(false) || back.AgainstDirectory(true) {
		t.Error("against the directory is who is in while the directory says inactive")
	}
}
