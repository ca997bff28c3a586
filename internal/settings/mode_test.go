package settings

import (
	"context"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

func TestApply_SetsTheModeOfADirectoryAndExportTellsIt(t *testing.T) {
	each(t, func(t *testing.T, s *Service) {
		file := func(mode string) string {
			return "workspace: acme\ndirectories: [{name: okta" + mode + "}, {name: entra}]\n"
		}
		for _, step := range []struct {
			said string
			want directory.Mode
		}{
			{"", directory.ModeLenient}, {", mode: strict", directory.ModeStrict}, {"", directory.ModeStrict}, {", mode: lenient", directory.ModeLenient},
		} {
			before := s.mode(t, "okta")
			r := s.mustApply(t, file(step.said), ApplyOptions{})
			if got := s.mode(t, "okta"); got != step.want || s.mode(t, "entra") != directory.ModeLenient {
				t.Fatalf("%q: okta is %s, want %s, entra %s", step.said, got, step.want, s.mode(t, "entra"))
			}
			if told := strings.Contains(strings.Join(r.Changes, "\n"), string(step.want)); before != "" && before != step.want && !told {
				t.Errorf("%q: the changes do not tell the mode: %q", step.said, r.Changes)
			}
			out, err := s.Export(context.Background(), "acme")
			if err != nil || !strings.Contains(string(out), "mode: "+string(step.want)) {
				t.Errorf("%q: %v, export\n%s", step.said, err, out)
			}
			if r := s.mustApply(t, string(out), ApplyOptions{Prune: true}); len(r.Changes) > 0 {
				t.Errorf("%q: applied back it changes %q", step.said, r.Changes)
			}
		}
	})
}

func TestParseFile_KnowsTwoModes(t *testing.T) {
	t.Parallel()
	wantMistake(t, "workspace: a\ndirectories: [{name: d, mode: loose}]\n", "line 2: directories[0].mode")
}

// mode is that of a directory of the workspace acme, "" where there is none.
func (s *Service) mode(t *testing.T, name string) directory.Mode {
	t.Helper()
	_, cfg, err := s.Workspace(context.Background(), "acme")
	if err != nil {
		return ""
	}
	for _, d := range cfg.Directories {
		if d.Name == name {
			return d.Mode
		}
	}
	return ""
}
