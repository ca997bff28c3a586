package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestSocket_OfAnotherUserIsNotAsked(t *testing.T) {
	const root, ann, eve = 0, 1000, 1001
	for name, c := range map[string]struct {
		owner, we, dir int
		want           bool
	}{
		"our own":                             {ann, ann, ann, true},
		"root's":                              {root, ann, root, true},
		"a stranger's in a folder for all":    {eve, ann, root, false},
		"a stranger's in our folder":          {eve, ann, ann, false},
		"a stranger's in a stranger's":        {eve, ann, eve, false},
		"the data dir's owner's, as root":     {ann, root, ann, true},
		"a stranger's in a folder, as root":   {eve, root, root, false},
		"what cannot be told, as an ordinary": {-1, ann, -1, false},
	} {
		if got := trustedOwner(c.owner, c.we, c.dir); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if !trustedSocket(path, dir) {
		t.Error("our own socket is not trusted")
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if trustedSocket(link, dir) {
		t.Error("a link to a socket is trusted")
	}
	if os.Geteuid() == 0 {
		if err := os.Lchown(path, eve, eve); err != nil {
			t.Fatal(err)
		}
		if trustedSocket(path, dir) {
			t.Error("a stranger's socket is trusted")
		}
	}
}

func TestLock_DoesNotEmptyWhatALinkLeadsTo(t *testing.T) {
	dir := t.TempDir()
	precious, link := filepath.Join(dir, "precious"), filepath.Join(dir, "link")
	if err := os.WriteFile(precious, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(precious, link); err != nil {
		t.Fatal(err)
	}
	if f, err := lockFile(link, lockHolder{}); err == nil {
		f.Close()
		t.Error("a lock was taken through a link")
	}
	if text, _ := os.ReadFile(precious); string(text) != "data" {
		t.Errorf("the file holds %q", text)
	}
}

func TestTable_ShowsNoControlCharacters(t *testing.T) {
	got := cells("a\x1b]0;owned\a", "b\nforged\tline", "\u202eevil", "\u009b2J", "Zoë 李")
	if want := "a\ufffd]0;owned\ufffd\tb\ufffdforged\ufffdline\t\ufffdevil\t\ufffd2J\tZoë 李\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
