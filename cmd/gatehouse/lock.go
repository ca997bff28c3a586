package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/gatehouse-id/gatehouse/internal/config"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

const (
	// dirLock is the lock in the data dir, serveLock the one beside a SQLite database, which may be
	// in another folder.
	dirLock   = "gatehouse.lock"
	serveLock = ".serve.lock"
)

// lockHolder is what a lock file tells of the server that holds it.
type lockHolder struct {
	PID    int    `json:"pid"`
	Socket string `json:"socket"` // absolute path
}

// lockServer takes the locks of a server: one per data dir, and one per SQLite database, which has
// one process as its writer. The kernel lets go of them however the process ends.
func lockServer(cfg config.Config) (release func() error, err error) {
	socket, err := filepath.Abs(filepath.Join(cfg.DataDir, socketName))
	if err != nil {
		return nil, fmt.Errorf("find the data dir: %w", err)
	}
	paths := []string{filepath.Join(cfg.DataDir, dirLock)}
	if database, ok := sqlitePath(cfg); ok {
		paths = append(paths, database+serveLock)
	}
	var held []*os.File
	release = func() error {
		var all []error
		for _, f := range held {
			all = append(all, f.Truncate(0), f.Close())
		}
		return errors.Join(all...)
	}
	for _, path := range paths {
		f, err := lockFile(path, lockHolder{os.Getpid(), socket})
		if err != nil {
			return nil, errors.Join(err, release())
		}
		held = append(held, f)
	}
	return release, nil
}

func lockFile(path string, holder lockHolder) (*os.File, error) {
	// A link would have us empty the file that it leads to.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, errs.Invalid("data_dir_unusable", "The lock %s cannot be made: %s.", path, innermost(err)).With(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errs.Conflict("already_served", "Another gatehouse (process %d) is serving already: it holds %s. Stop it first, or use another --data-dir and --database.",
				readLock(path).PID, path)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	text, err := json.Marshal(holder)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(text, 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close())
	}
	return f, nil
}

// readLock tells who held the lock at path last; the zero holder where that is not known. What it
// says is a hint: a server that was killed leaves it behind.
func readLock(path string) lockHolder {
	var holder lockHolder
	f, err := os.Open(path)
	if err != nil {
		return holder
	}
	defer f.Close()
	if json.NewDecoder(io.LimitReader(f, 4096)).Decode(&holder) != nil {
		return lockHolder{}
	}
	return holder
}
