package acceptance

import (
	"encoding/json"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// demo is "gatehouse demo" as a process of its own, with the addresses that it prints.
type demo struct {
	*world    // speaks to its server by the verbs
	Gatehouse string
	IdPs      string
	Product   string
	Mail      string
	Start     string
	Member    string
	DataDir   string `json:"data_dir"`
}

func startDemo(t *testing.T) *demo {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "demo", "--listen", "127.0.0.1:0", "--output", "json")
	cmd.Env = cleanEnv()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	log := &lockedBuffer{}
	cmd.Stderr = log
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	d := &demo{}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT) // it may have ended by itself
		late := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Logf("the demonstration ended with %v and said:\n%s", err, log.tail(4000))
		}
		if strings.Contains(log.String(), "DATA RACE") {
			t.Errorf("data race in the demonstration:\n%s", log.tail(6000))
		}
	})
	if err := json.NewDecoder(stdout).Decode(d); err != nil {
		t.Fatalf("the demonstration printed no JSON: %v\n%s", err, log.tail(4000))
	}
	d.world = &world{t: t, binary: path, dir: d.DataDir, base: d.Gatehouse, log: log}
	return d
}
