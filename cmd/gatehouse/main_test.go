package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store/pgtest"
)

// The test binary is the real command when it is run under that name.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gatehouse": main})
}

// unwatched is the command built without the race detector. A watched process takes most of a second to begin, and
// scripts run hundreds of verbs: servers are watched in every script, verbs in the one that does most.
func unwatched(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	// Without the commit, so that it is of the same version as the test binary.
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", dir, ".").CombinedOutput(); err != nil {
		t.Fatalf("build gatehouse: %v\n%s", err, out)
	}
	return dir
}

// fast has the verbs of a script run unwatched.
func fast(e *testscript.Env, dir string) {
	e.Setenv("PATH", dir+string(filepath.ListSeparator)+e.Getenv("PATH"))
}

// publicURL is printed where no server is running; a server prints its own.
const publicURL = "http://127.0.0.1:8080"

// Verbs give the same answers with and without a server, on both databases.
func TestVerbs_AnswerTheSame(t *testing.T) {
	verbs := unwatched(t)
	t.Run("on the database itself", func(t *testing.T) {
		runStories(t, "testdata/verbs", func(e *testscript.Env) {
			if filepath.Base(e.WorkDir) != "script-apply" {
				fast(e, verbs)
			}
			e.Setenv("GATEHOUSE_PUBLIC_URL", publicURL)
		})
	})
	t.Run("through a server", func(t *testing.T) {
		runStories(t, "testdata/verbs", func(e *testscript.Env) {
			fast(e, verbs)
			e.Setenv("SERVED", "1")
		})
	})
	t.Run("on PostgreSQL itself", func(t *testing.T) {
		runStories(t, "testdata/verbs", func(e *testscript.Env) {
			fast(e, verbs)
			e.Setenv("GATEHOUSE_PUBLIC_URL", publicURL)
			e.Setenv("GATEHOUSE_DATABASE", postgresFor(e))
		})
	})
	t.Run("through a server on PostgreSQL", func(t *testing.T) {
		runStories(t, "testdata/verbs", func(e *testscript.Env) {
			fast(e, verbs)
			e.Setenv("SERVED", "1")
			e.Setenv("GATEHOUSE_DATABASE", postgresFor(e))
		})
	})
}

func TestCommandLine(t *testing.T) {
	verbs := unwatched(t)
	runStories(t, "testdata", func(e *testscript.Env) { fast(e, verbs) })
}

// postgresFor gives one story an empty database.
func postgresFor(e *testscript.Env) string { return pgtest.DSN(e.T().(testing.TB)) }

func runStories(t *testing.T, dir string, setup func(*testscript.Env)) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		Deadline:            time.Now().Add(6 * patience), // a server that should be refused would run for ever
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("GATEHOUSE_DATA_DIR", filepath.Join(e.WorkDir, "data"))
			e.Setenv("GATEHOUSE_LISTEN", "127.0.0.1:0")
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("GORACE", "atexit_sleep_ms=0") // else every watched verb waits a second for late races
			e.Values[processKey{}] = &processes{running: map[string]*process{}}
			if setup != nil {
				setup(e)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start":     startProcess,
			"stop":      stopProcess,
			"crash":     crashProcess,
			"line":      nextLine,
			"maybe":     maybeServe,
			"field":     fieldOfStdout,
			"http":      doHTTP,
			"session":   sessionCookie,
			"noneofit":  noneOfIt,
			"exitcode":  exitCode,
			"listening": listening,
		},
	})
}

type processKey struct{}

// processes are what a story runs in the background, by name.
type processes struct {
	mu      sync.Mutex
	running map[string]*process
	jar     http.CookieJar
}

type process struct {
	cmd    *exec.Cmd
	lines  *bufio.Reader // of standard output
	stderr *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func processesOf(ts *testscript.TestScript) *processes { return ts.Value(processKey{}).(*processes) }

// start NAME VERB..: run gatehouse in the background and wait for its first line, which goes to
// stdout. "start NAME - VERB.." waits for its first line on standard error instead.
func startProcess(ts *testscript.TestScript, neg bool, args []string) {
	name, args := args[0], args[1:]
	onErr := args[0] == "-"
	if onErr {
		args = args[1:]
	}
	path, err := exec.LookPath("gatehouse") // the test binary: what a script has first in its PATH may be unwatched
	ts.Check(err)
	p := &process{cmd: exec.Command(path, args...), stderr: &lockedBuffer{}}
	p.cmd.Dir = ts.MkAbs(".")
	for _, key := range []string{"PATH", "HOME", "TMPDIR", "GATEHOUSE_DATA_DIR", "GATEHOUSE_LISTEN", "GATEHOUSE_DATABASE", "GATEHOUSE_PUBLIC_URL", "GOCOVERDIR"} {
		if v := ts.Getenv(key); v != "" {
			p.cmd.Env = append(p.cmd.Env, key+"="+v)
		}
	}
	out, err := p.cmd.StdoutPipe()
	ts.Check(err)
	p.lines = bufio.NewReader(out)
	var first *bufio.Reader
	if onErr {
		errs, err := p.cmd.StderrPipe()
		ts.Check(err)
		first = bufio.NewReader(errs)
	} else {
		p.cmd.Stderr = p.stderr
		first = p.lines
	}
	ts.Check(p.cmd.Start())
	ps := processesOf(ts)
	ps.mu.Lock()
	ps.running[name] = p
	ps.mu.Unlock()
	ts.Defer(func() { end(ps, name, syscall.SIGKILL) })
	line, err := first.ReadString('\n')
	if err != nil {
		ts.Fatalf("%s ended before it was ready: %v\n%s", name, err, p.stderr)
	}
	if onErr {
		go io.Copy(p.stderr, first) // until the process ends
	}
	fmt.Fprint(ts.Stdout(), line)
}

// end signals a process, takes it out of the list and waits for it.
func end(ps *processes, name string, signal syscall.Signal) (*process, error) {
	ps.mu.Lock()
	p := ps.running[name]
	delete(ps.running, name)
	ps.mu.Unlock()
	if p == nil {
		return nil, nil
	}
	_ = p.cmd.Process.Signal(signal) // it may have ended by itself
	rest, _ := io.ReadAll(p.lines)
	err := p.cmd.Wait()
	p.lines = bufio.NewReader(bytes.NewReader(rest))
	return p, err
}

// stop NAME: interrupt the process, which must end in order. What it had still printed is stdout.
func stopProcess(ts *testscript.TestScript, neg bool, args []string) {
	p, err := end(processesOf(ts), args[0], syscall.SIGTERM)
	if p == nil {
		ts.Fatalf("%s does not run", args[0])
	}
	rest, _ := io.ReadAll(p.lines)
	fmt.Fprint(ts.Stdout(), string(rest))
	fmt.Fprint(ts.Stderr(), p.stderr.String())
	if (err != nil) != neg {
		ts.Fatalf("%s ended with %v\n%s", args[0], err, p.stderr)
	}
}

// crash NAME: kill -9.
func crashProcess(ts *testscript.TestScript, _ bool, args []string) {
	if p, _ := end(processesOf(ts), args[0], syscall.SIGKILL); p == nil {
		ts.Fatalf("%s does not run", args[0])
	}
}

// line NAME: the next line that the process prints goes to stdout.
func nextLine(ts *testscript.TestScript, _ bool, args []string) {
	ps := processesOf(ts)
	ps.mu.Lock()
	p := ps.running[args[0]]
	ps.mu.Unlock()
	line, err := p.lines.ReadString('\n')
	ts.Check(err)
	fmt.Fprint(ts.Stdout(), line)
}

// maybe: start a server when this run of the stories wants one.
func maybeServe(ts *testscript.TestScript, _ bool, _ []string) {
	if ts.Getenv("SERVED") != "" {
		startProcess(ts, false, []string{"server", "serve"})
	}
}

// field VAR KEY..: set VAR to a value of the JSON document in stdout; a number is an index.
func fieldOfStdout(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	for _, key := range args[1:] {
		switch at := v.(type) {
		case map[string]any:
			v = at[key]
		case []any:
			var i int
			if _, err := fmt.Sscan(key, &i); err != nil || i >= len(at) {
				ts.Fatalf("no element %s of %v", key, at)
			}
			v = at[i]
		default:
			ts.Fatalf("no %s in %v", key, v)
		}
	}
	if v == nil {
		ts.Fatalf("no %s in %s", strings.Join(args[1:], "."), ts.ReadFile("stdout"))
	}
	ts.Setenv(args[0], fmt.Sprint(v))
}

// http METHOD URL [TOKEN|-] [BODY]: status and body go to stdout. Cookies are kept through a story;
// with - a browser's own form post is sent.
func doHTTP(ts *testscript.TestScript, _ bool, args []string) {
	body := ""
	if len(args) > 3 {
		body = args[3]
	}
	r, err := http.NewRequest(args[0], args[1], strings.NewReader(body))
	ts.Check(err)
	if len(args) > 2 && args[2] != "-" {
		r.Header.Set("Authorization", "Bearer "+args[2])
		r.Header.Set("Content-Type", "application/scim+json")
	} else {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	ps := processesOf(ts)
	if ps.jar == nil {
		ps.jar, err = cookiejar.New(nil)
		ts.Check(err)
	}
	client := &http.Client{Jar: ps.jar, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	ts.Check(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d\n%s\n", resp.StatusCode, text)
}

// session VAR URL: set VAR to the session token that the story's browser now holds for URL.
func sessionCookie(ts *testscript.TestScript, _ bool, args []string) {
	u, err := url.Parse(args[1])
	ts.Check(err)
	if jar := processesOf(ts).jar; jar != nil {
		for _, c := range jar.Cookies(u) {
			if strings.HasPrefix(c.Value, session.TokenPrefix) {
				ts.Setenv(args[0], c.Value)
				return
			}
		}
	}
	ts.Fatalf("no session for %s", args[1])
}

// noneofit DIR TEXT..: no file below DIR holds any of the texts.
func noneOfIt(ts *testscript.TestScript, _ bool, args []string) {
	looked := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		body, err := os.ReadFile(path)
		looked += len(body)
		for _, text := range args[1:] {
			if bytes.Contains(body, []byte(text)) {
				ts.Fatalf("%s is in %s", text, path)
			}
		}
		return err
	}))
	if looked == 0 {
		ts.Fatalf("there is nothing in %s", args[0])
	}
}

// exitcode N VERB..: run gatehouse, which must end with that code.
func exitCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec("gatehouse", args[1:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// listening VAR: set VAR to the address in stdout that a server just said it is ready on.
func listening(ts *testscript.TestScript, _ bool, args []string) {
	_, rest, ok := strings.Cut(ts.ReadFile("stdout"), "ready on ")
	if !ok {
		ts.Fatalf("no address in %q", ts.ReadFile("stdout"))
	}
	ts.Setenv(args[0], strings.TrimSpace(strings.SplitN(rest, " ", 2)[0]))
}
