package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server that was started and has said that it is ready.
type process struct {
	cmd     *exec.Cmd
	stdin   io.Closer
	address string        // host:port
	took    time.Duration // from the start to the word that it is ready
}

var readyLine = regexp.MustCompile(`ready on http://(\S+)`)

// startTimeout bounds how long a start is waited for.
const startTimeout = 2 * time.Minute

// logFile is where the server's log goes: nowhere, unless GATEHOUSE_BENCH_LOG names a file.
func logFile() string { return cmp.Or(os.Getenv("GATEHOUSE_BENCH_LOG"), os.DevNull) }

// start runs a program and waits for the line that says where it listens. Its log is written as
// in production.
func start(ctx context.Context, name string, args ...string) (*process, error) {
	log, err := os.OpenFile(logFile(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.CommandContext(ctx, name, args...)
	var complaint strings.Builder
	cmd.Stderr = log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(name), err)
	}
	overdue := time.AfterFunc(startTimeout, func() { _ = cmd.Process.Kill() })
	defer overdue.Stop()
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if m := readyLine.FindStringSubmatch(lines.Text()); m != nil {
			p := &process{cmd: cmd, stdin: stdin, address: m[1], took: time.Since(began)}
			go func() { _, _ = io.Copy(io.Discard, stdout) }()
			return p, nil
		}
		complaint.WriteString(lines.Text() + "\n")
	}
	err = errors.Join(fmt.Errorf("start %s: it ended before it was ready: %s", filepath.Base(name), complaint.String()), cmd.Wait())
	return nil, err
}

// stop ends the server in good order.
func (p *process) stop() error {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
	overdue := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer overdue.Stop()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	return nil
}

// masterName is the file of the master key in the work folder, where the product looks for it too.
const masterName = "master.key"

// startChild starts this program again as the server of a database, which serves rate requests a second of each directory.
func startChild(ctx context.Context, database, dir string, rate int) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, self, "-serve", database, "-master", filepath.Join(dir, masterName), "-rate", strconv.Itoa(rate))
	if err != nil {
		return nil, err
	}
	control, err := dial(ctx, p.address)
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	return &child{process: p, address: p.address, control: control}, nil
}

func (c *child) stop() error {
	c.control.close()
	return c.process.stop()
}

// buildProduct builds the stripped binary and returns its path, "" where it does not build.
func buildProduct(ctx context.Context, dir string) (path string, size int64, err error) {
	path = filepath.Join(dir, "gatehouse")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", path, "github.com/gatehouse-id/gatehouse/cmd/gatehouse")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", 0, fmt.Errorf("build gatehouse: %w\n%s", err, out)
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, err
	}
	return path, info.Size(), nil
}
