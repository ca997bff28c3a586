package pgtest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// binaries finds the folder of the newest PostgreSQL server on this machine. Debian keeps each
// major version in a folder of its own and off the PATH.
func binaries() (string, error) {
	found, newest := "", 0
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	for _, path := range versions {
		bin := filepath.Dir(path)
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(bin)))
		if err == nil && version > newest {
			found, newest = bin, version
		}
	}
	if found != "" {
		return found, nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", ErrNotInstalled
}

// Memory is a folder in the machine's memory, or "" where there is none with room. Data that need not
// outlive the test is made there many times faster: every new database is hundreds of files.
func Memory() string {
	const folder, room = "/dev/shm", 2 << 30 // bytes
	const tmpfs = 0x01021994
	var fs syscall.Statfs_t
	if err := syscall.Statfs(folder, &fs); err != nil || fs.Type != tmpfs || fs.Bavail*uint64(fs.Bsize) < room {
		return ""
	}
	return folder
}

// unprivileged returns the user to run the server as: nil for ourselves, or the user "postgres"
// when we are root, whom PostgreSQL refuses to run for.
func unprivileged() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("find a user for PostgreSQL, which does not run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the user id of postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("read the group id of postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

// reap waits for the end of its input, ends the server whose folder is $1 at once, waits until it
// is gone and deletes the folder.
const reap = `cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
	kill -QUIT "$pid" 2>/dev/null
	n=0
	while kill -0 "$pid" 2>/dev/null && [ $n -lt 200 ]; do sleep 0.05; n=$((n+1)); done
fi
cd / && rm -rf "$1"`

// startReaper starts the shell that cleans up after us. Only this process holds the writing end
// of its input, so that input ends when Stop closes it or when this process ends, even by SIGKILL.
func (c *Cluster) startReaper() error {
	reaper := exec.Command("/bin/sh", "-c", reap, "reap", c.dir)
	c.confine(reaper)
	leash, err := reaper.StdinPipe()
	if err != nil {
		return fmt.Errorf("start the reaper: %w", err)
	}
	if err := reaper.Start(); err != nil {
		return fmt.Errorf("start the reaper: %w", err)
	}
	c.reaper, c.leash = reaper, leash
	return nil
}
