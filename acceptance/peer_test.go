//go:build accept

package acceptance

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// deviations are the checks of scim2-tester that Gatehouse answers otherwise on purpose.
var deviations = []struct{ reason, why string }{
	{"manager: expected the id of a user of this directory", "the tester names a manager who does not exist; ids of nobody are refused"},
	{"Attribute 'members' was not", "the tester wants members back without the display name that the server fills in"},
}

// TestPeer_scim2_tester lets a conformance suite written by others speak to the server.
func TestPeer_scim2_tester(t *testing.T) {
	python := peerPython(t)
	story(t, func(t *testing.T, w *world) {
		// Its people have random values: no address is required of them.
		w.mustApply(workspace("acme", "default", "required_attributes: [], invite_on_create: no"))
		base, token := w.token("acme")
		out, err := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "peer", "tester.py"), base, token).CombinedOutput()
		if err != nil {
			t.Fatalf("scim2-tester: %v\n%s", err, out)
		}
		passed := 0
		for line := range strings.Lines(string(out)) {
			var check struct{ Status, Title, Reason string }
			if err := json.Unmarshal([]byte(line), &check); err != nil {
				t.Fatalf("scim2-tester printed %q", line)
			}
			switch {
			case check.Status == "SUCCESS" || check.Status == "SKIPPED" && strings.Contains(check.Reason, "not supported by the server"):
				passed++
			case !deviates(check.Reason):
				t.Errorf("%s: %s: %s", check.Status, check.Title, check.Reason)
			}
		}
		if passed < 80 {
			t.Errorf("only %d checks passed, want 80 at least", passed)
		}
		t.Logf("%d checks passed", passed)
	}, "--scim-rate", "none")
}

func deviates(reason string) bool {
	for _, d := range deviations {
		if strings.Contains(reason, d.reason) {
			return true
		}
	}
	return false
}

// peerPython makes a Python environment with the pinned peer and returns its interpreter.
func peerPython(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "python")
	for _, args := range [][]string{
		{"python3", "-m", "venv", dir},
		{filepath.Join(dir, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "-r", filepath.Join("testdata", "peer", "requirements.txt")},
	} {
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = os.Environ()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	return filepath.Join(dir, "bin", "python")
}
