package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// demo runs the command line and returns its exit code and what it printed.
func demo(t *testing.T, ctx context.Context, args ...string) (code int, out, err string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(ctx, append([]string{"demo"}, args...), streams{in: strings.NewReader(""), out: &stdout, err: &stderr}, nil)
	return code, stdout.String(), stderr.String()
}

func TestTheScriptPlaysTheWholeStory(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	code, out, complaints := demo(t, t.Context(), "--script", "--output", "json")
	if code != 0 || complaints != "" {
		t.Errorf("exit code %d: %s", code, complaints)
	}
	played := map[string]int{}
	for line := range strings.Lines(out) {
		var r stepResult
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if !r.OK {
			t.Errorf("%s", line)
		}
		played[r.Chapter]++
	}
	for chapter, steps := range map[string]int{"okta": 8, "okta-custom": 8, "entra": 7, "entra-flag": 7, "okta sign-in": 23, "entra sign-in": 25, "neighbour": 2, "event log": 2} {
		if played[chapter] != steps {
			t.Errorf("%s: %d steps were played, want %d", chapter, played[chapter], steps)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("the throw-away folder is still there: %v %v", left, err)
	}
}

func TestTheDemonstrationIsForThisMachineAlone(t *testing.T) {
	for name, args := range map[string][]string{
		"every address":           {"--listen", "0.0.0.0:8080"},
		"every address, unnamed":  {"--listen", ":8080"},
		"an address of a network": {"--listen", "192.0.2.1:8080"},
		"the site of the IdPs":    {"--listen", "localhost:8080"},
		"no port":                 {"--listen", "127.0.0.1"},
		"a real data dir":         {"--data-dir", t.TempDir()},
		"a real database":         {"--database", "sqlite:" + t.TempDir() + "/x.db"},
	} {
		t.Run(name, func(t *testing.T) {
			if code, _, complaints := demo(t, t.Context(), args...); code != 2 || !strings.HasPrefix(complaints, "gatehouse: demo: ") {
				t.Errorf("exit code %d: %s", code, complaints)
			}
		})
	}
}

// firstLine cancels once something was printed.
type firstLine struct {
	bytes.Buffer
	cancel context.CancelFunc
}

func (w *firstLine) Write(p []byte) (int, error) {
	defer w.cancel()
	return w.Buffer.Write(p)
}

func TestTheWelcomeNamesEveryDoorAndAnInterruptionEndsAllOfIt(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	for _, output := range []string{"text", "json"} {
		t.Run(output, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			out, complaints := &firstLine{cancel: cancel}, &bytes.Buffer{}
			code := run(ctx, []string{"demo", "--listen", "127.0.0.1:0", "--output", output}, streams{in: strings.NewReader(""), out: out, err: complaints}, nil)
			if code != 0 || complaints.Len() > 0 {
				t.Errorf("exit code %d: %s", code, complaints)
			}
			if n := strings.Count(out.String(), "/signin/link/glink_"); n != 5 {
				t.Errorf("%d sign-in links, want one for each owner:\n%s", n, out)
			}
			for _, kind := range []string{"/okta", "/okta-custom", "/entra", "/entra-flag"} {
				if !strings.Contains(out.String(), kind) || !strings.Contains(out.String(), "http://localhost:") {
					t.Errorf("no address of the page %s:\n%s", kind, out)
				}
			}
			if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
				t.Errorf("the throw-away folder is still there: %v %v", left, err)
			}
		})
	}
}

func TestAServerHasNothingOfTheDemonstration(t *testing.T) {
	s := serve(t, map[string]string{})
	for _, path := range []string{"/feed", "/sync", "/fire", "/rehire", "/owner", "/start.js", "/start.css", mailBase + "/", "/okta", "/api/okta", "/callback", "/events"} {
		if status := s.status(path); status != http.StatusNotFound {
			t.Errorf("%s is answered %d", path, status)
		}
	}
}
