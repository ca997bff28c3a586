package storetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// rename gives one name to every part of a workspace's configuration.
func rename(tx *store.Tx, h house, name string) error {
	if err := tx.UpdateWorkspace(directory.Workspace{Name: name}); err != nil {
		return err
	}
	tx.SaveRole(directory.Role{ID: h.Owner, Name: name}, false)
	tx.SaveConnection(directory.Connection{ID: h.Connection, Name: name}, false)
	tx.SaveDirectory(directory.Directory{ID: h.Directory, Name: name}, false)
	return nil
}

// nameOf returns the one name of a configuration, or an error when its parts have several.
func nameOf(cfg *directory.Config) (string, error) {
	name := cfg.Workspace.Name
	if cfg.Roles[0].Name != name || cfg.Connections[0].Name != name || cfg.Directories[0].Name != name {
		return "", fmt.Errorf("a mix of versions: workspace %s, role %s, connection %s, directory %s",
			name, cfg.Roles[0].Name, cfg.Connections[0].Name, cfg.Directories[0].Name)
	}
	return name, nil
}

func configName(tx *store.Tx) (string, int64, error) {
	cfg, err := tx.Config()
	if err != nil {
		return "", 0, err
	}
	name, err := nameOf(cfg)
	return name, cfg.Workspace.Version, err
}

func testConfig(t *testing.T, open func(t testing.TB) store.Driver) {
	t.Run("one that was rolled back is never served", func(t *testing.T) {
		t.Parallel()
		c := newClock() // it stands still, so that versions cannot differ by their instant
		db := Open(t, open(t), c.now)
		h := furnish(t, db, "a")
		change(t, db, h.Workspace, func(tx *store.Tx) error { return rename(tx, h, "before") })
		for _, when := range []time.Duration{0, time.Hour, -2 * time.Hour} {
			c.pass(when)
			err := changed(db, h.Workspace, func(tx *store.Tx) error {
				if err := rename(tx, h, "lost"); err != nil {
					return err
				}
				name, _, err := configName(tx)
				if err != nil || name != "lost" {
					return fmt.Errorf("the transaction does not see its own change: %q, %w", name, err)
				}
				return errOwn
			})
			if err != errOwn {
				t.Fatal(err)
			}
			kept := fmt.Sprint("kept", when)
			change(t, db, h.Workspace, func(tx *store.Tx) error { return rename(tx, h, kept) })
			read(t, db, h.Workspace, func(tx *store.Tx) error {
				name, _, err := configName(tx)
				same(t, "the name", name, kept)
				return err
			})
		}
	})
	t.Run("its version grows though the clock stands still or goes back", func(t *testing.T) {
		t.Parallel()
		c := newClock()
		db := Open(t, open(t), c.now)
		h := furnish(t, db, "a")
		last := int64(0)
		for i := range 12 {
			c.pass(time.Duration(i%3-1) * time.Minute)
			change(t, db, h.Workspace, func(tx *store.Tx) error {
				switch i % 4 {
				case 0:
					return rename(tx, h, fmt.Sprint(i))
				case 1:
					tx.InsertDomain(fmt.Sprint(i, ".test"))
				case 2:
					tx.InsertMapping(directory.RoleMapping{ID: fmt.Sprint("map", i), Role: h.Lowest})
				default:
					tx.DeleteDomain("1.test")
				}
				return nil
			})
			read(t, db, h.Workspace, func(tx *store.Tx) error {
				cfg, err := tx.Config()
				if err == nil && cfg.Workspace.Version <= last {
					t.Errorf("version %d after %d", cfg.Workspace.Version, last)
				}
				last = cfg.Workspace.Version
				return err
			})
		}
	})
	t.Run("readers never see two versions mixed", func(t *testing.T) {
		t.Parallel()
		testNoMix(t, open)
	})
}

// testNoMix changes a configuration again and again while others read it, in reading and in
// writing transactions.
func testNoMix(t *testing.T, open func(t testing.TB) store.Driver) {
	ctx := context.Background()
	db := fresh(t, open)
	h := furnish(t, db, "a")
	change(t, db, h.Workspace, func(tx *store.Tx) error { return rename(tx, h, "0") })
	var committed atomic.Int64
	stop := make(chan struct{})
	errs := make(chan []error, 1)
	go func() {
		errs <- atOnce(6, func(i int) error {
			look := db.Read
			if i%2 == 0 {
				look = db.Write
			}
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				least := committed.Load()
				var name string
				if err := look(ctx, h.Workspace, func(tx *store.Tx) (err error) {
					name, _, err = configName(tx)
					return err
				}); err != nil {
					return err
				}
				var n int64
				if _, err := fmt.Sscan(name, &n); err != nil || n < least {
					return fmt.Errorf("saw %q after %d was committed", name, least)
				}
			}
		})
	}()
	for i := range int64(100) {
		err := changed(db, h.Workspace, func(tx *store.Tx) error { return rename(tx, h, fmt.Sprint(i+1)) })
		if err != nil {
			t.Error(err)
		}
		committed.Store(i + 1)
	}
	close(stop)
	for _, err := range <-errs {
		must(t, err)
	}
}

func testConfigTogether(t *testing.T, open func(t testing.TB) (one, other store.Driver)) {
	d1, d2 := open(t)
	one := Open(t, d1, nil)
	other := Open(t, d2, nil)
	h := furnish(t, one, "a")
	for i := range 10 {
		writer, reader := one, other
		if i%2 == 0 {
			writer, reader = other, one
		}
		want := fmt.Sprint("name ", i)
		change(t, writer, h.Workspace, func(tx *store.Tx) error { return rename(tx, h, want) })
		read(t, reader, h.Workspace, func(tx *store.Tx) error {
			name, _, err := configName(tx)
			same(t, "the name", name, want)
			return err
		})
	}
}
