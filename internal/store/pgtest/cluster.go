package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNotInstalled is returned, wrapped, by Start when this machine has no PostgreSQL server.
var ErrNotInstalled = errors.New("PostgreSQL is not installed; run make deps")

// startTimeout bounds initdb and each start. It is generous because recovery after Kill may have
// a benchmark's data to replay.
const startTimeout = 2 * time.Minute

// Options says how a private server differs from a quick, forgetful one.
type Options struct {
	// Fsync makes commits durable, as in production. The default is off, which is several times
	// faster and loses data only when the machine stops.
	Fsync bool
	// MaxConnections is the server's limit; the default is 200.
	MaxConnections int
	// Settings are further postgresql.conf parameters, such as "shared_buffers": "512MB".
	Settings map[string]string
}

// Cluster is a private PostgreSQL server. Its methods are for one goroutine at a time; the
// databases on it are for everybody.
type Cluster struct {
	dir      string // holds data, the socket and the log
	bin      string
	args     []string
	identity *syscall.Credential // nil unless we are root, which PostgreSQL refuses

	server *exec.Cmd     // nil while down
	exited chan struct{} // closed when server has been waited for
	leash  io.WriteCloser
	reaper *exec.Cmd
	stop   sync.Once
}

// Start makes a new cluster in a temporary folder and waits until it accepts connections. The
// error wraps ErrNotInstalled when there is no server to run.
func Start(o Options) (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	identity, err := unprivileged()
	if err != nil {
		return nil, err
	}
	place := ""
	if !o.Fsync {
		place = Memory()
	}
	dir, err := os.MkdirTemp(place, "gatehouse-pg-")
	if err != nil {
		return nil, fmt.Errorf("make folder for PostgreSQL: %w", err)
	}
	c := &Cluster{dir: dir, bin: bin, identity: identity, args: serverArgs(dir, o)}
	if err := c.prepare(); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	if err := c.boot(); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// serverArgs turns the options into the server's command line.
func serverArgs(dir string, o Options) []string {
	settings := map[string]string{
		"listen_addresses":        "",
		"unix_socket_directories": dir,
		"max_connections":         "200",
		"logging_collector":       "off",
		"lc_messages":             "C",
	}
	if o.MaxConnections > 0 {
		settings["max_connections"] = strconv.Itoa(o.MaxConnections)
	}
	if !o.Fsync {
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
		settings["max_wal_size"] = "128MB" // it is memory
	}
	maps.Copy(settings, o.Settings)
	args := []string{"-D", filepath.Join(dir, "data")}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// prepare hands the folder to the server's user, sets the reaper waiting and runs initdb.
func (c *Cluster) prepare() error {
	if c.identity != nil {
		if err := os.Chown(c.dir, int(c.identity.Uid), int(c.identity.Gid)); err != nil {
			return fmt.Errorf("hand the folder to PostgreSQL: %w", err)
		}
	}
	if err := c.startReaper(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	initdb := c.command(ctx, "initdb", "-D", filepath.Join(c.dir, "data"),
		"--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("run initdb: %w\n%s", err, out)
	}
	return nil
}

// command prepares a program of the PostgreSQL installation, in the cluster's folder, as the
// user that may run it, and out of reach of a Ctrl-C at our terminal.
func (c *Cluster) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, name), args...)
	c.confine(cmd)
	return cmd
}

func (c *Cluster) confine(cmd *exec.Cmd) {
	cmd.Dir = c.dir
	// PG* variables are for somebody's client and would change the server, the port above all.
	cmd.Env = slices.DeleteFunc(append(os.Environ(), "LC_ALL=C"), func(v string) bool {
		return strings.HasPrefix(v, "PG")
	})
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.identity}
}

// boot starts the server on the existing data and waits until it answers.
func (c *Cluster) boot() error {
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open PostgreSQL's log: %w", err)
	}
	defer log.Close()
	server := c.command(context.Background(), "postgres", c.args...)
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return fmt.Errorf("start PostgreSQL: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		_ = server.Wait() // how it ended is in its log
		close(exited)
		// The leash would be closed were the cluster collected while its server runs.
		runtime.KeepAlive(c)
	}()
	c.server, c.exited = server, exited
	return c.awaitReady()
}

// awaitReady tries to connect until the server answers or has ended.
func (c *Cluster) awaitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := pgx.Connect(ctx, c.DSN("postgres"))
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-again.C:
		case <-c.exited:
			return fmt.Errorf("start PostgreSQL: it ended at once:\n%s", c.logTail())
		case <-ctx.Done():
			return fmt.Errorf("start PostgreSQL: no answer within %s: %w\n%s", startTimeout, err, c.logTail())
		}
	}
}

func (c *Cluster) logTail() string {
	log, err := os.ReadFile(filepath.Join(c.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(log[max(0, len(log)-2000):])
}

// DSN returns the address of a database of this cluster, as a postgres:// URL. It stays the same
// over Kill and Restart.
func (c *Cluster) DSN(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/" + database}
	u.RawQuery = url.Values{"host": {c.dir}, "port": {"5432"}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// Kill ends the server and every process of it with SIGKILL, as a crash does. The data stays;
// Restart recovers it.
func (c *Cluster) Kill() error {
	if c.server == nil {
		return nil
	}
	pid := c.server.Process.Pid
	// Stopped first, so that it makes no child that is not in the list.
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	family := append(childrenOf(pid), pid)
	for _, p := range family {
		// A child may have ended by itself meanwhile, and then there is nothing to do.
		if err := syscall.Kill(p, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill PostgreSQL: %w", err)
		}
	}
	<-c.exited
	c.server = nil
	// Until the last one is gone, the memory that they share keeps the next server from starting.
	if err := awaitGone(family); err != nil {
		return err
	}
	// The reaper reads this file. A number in it that some other process gets later would be
	// signalled in the server's place.
	if err := os.Remove(filepath.Join(c.dir, "data", "postmaster.pid")); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("kill PostgreSQL: %w", err)
	}
	return nil
}

// awaitGone waits until none of the processes runs. One that nobody has waited for is as good as gone.
func awaitGone(pids []int) error {
	deadline := time.NewTimer(startTimeout)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for slices.ContainsFunc(pids, runs) {
		select {
		case <-again.C:
		case <-deadline.C:
			return errors.New("kill PostgreSQL: its processes do not end")
		}
	}
	return nil
}

// runs reports whether a process is there and not a zombie.
func runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	return !ok || !strings.HasPrefix(rest, "Z")
}

// Restart brings the server up again, shutting it down in good order first when it runs.
func (c *Cluster) Restart() error {
	c.shutdown()
	return c.boot()
}

// shutdown ends the server in good order, open connections notwithstanding (SIGINT is
// PostgreSQL's fast shutdown).
func (c *Cluster) shutdown() {
	if c.server == nil {
		return
	}
	_ = c.server.Process.Signal(syscall.SIGINT) // it may have ended by itself
	<-c.exited
	c.server = nil
}

// Stop ends the server and deletes its data. It may be called more than once.
func (c *Cluster) Stop() error {
	var err error
	c.stop.Do(func() {
		c.shutdown()
		if c.leash != nil {
			err = errors.Join(c.leash.Close(), c.reaper.Wait())
		}
		if gone := os.RemoveAll(c.dir); gone != nil {
			err = errors.Join(err, fmt.Errorf("delete PostgreSQL's folder: %w", gone))
		}
	})
	return err
}

// CreateDatabase makes an empty database and returns its DSN and what drops it again, ending
// connections that are still open.
func (c *Cluster) CreateDatabase(ctx context.Context) (dsn string, drop func() error, err error) {
	return createDatabase(ctx, c.DSN("postgres"), "")
}

// childrenOf lists the direct children of a process. Where there is no /proc it finds none, and
// PostgreSQL's processes then end by themselves when they notice that their parent is gone.
func childrenOf(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var children []int
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// "pid (name) state parent ..."; the name may hold spaces and brackets.
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			children = append(children, child)
		}
	}
	return children
}
