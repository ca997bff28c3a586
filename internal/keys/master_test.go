package keys

import (
	"bytes"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func newMaster(t testing.TB, fill byte, older ...[]byte) *Master {
	t.Helper()
	m, err := NewMaster(bytes.Repeat([]byte{fill}, MasterBytes), older...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func seal(t testing.TB, m *Master, purpose, plain string) string {
	t.Helper()
	sealed, err := m.Seal(purpose, []byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestSealedSecret_OpensForItsPurposeAndUnderItsKeyOnly(t *testing.T) {
	m := newMaster(t, 1)
	sealed := seal(t, m, "here", "a secret")
	if strings.Contains(sealed, "secret") || seal(t, m, "here", "a secret") == sealed {
		t.Errorf("sealed = %q", sealed)
	}
	if plain, err := m.Open("here", sealed); err != nil || string(plain) != "a secret" {
		t.Errorf("Open = %q, %v", plain, err)
	}
	if _, err := m.Open("there", sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("for another purpose: %v", err)
	}
	if _, err := newMaster(t, 2).Open("here", sealed); !errors.Is(err, ErrOtherMaster) {
		t.Errorf("under another key: %v", err)
	}
	if plain, err := m.Open("here", seal(t, m, "here", "")); err != nil || len(plain) != 0 {
		t.Errorf("an empty secret: %q, %v", plain, err)
	}
}

func TestReplacedMasterKey_StillOpensWhatItSealed(t *testing.T) {
	old := newMaster(t, 1)
	now := newMaster(t, 2, bytes.Repeat([]byte{1}, MasterBytes))
	if plain, err := now.Open("p", seal(t, old, "p", "x")); err != nil || string(plain) != "x" {
		t.Errorf("Open = %q, %v", plain, err)
	}
	if _, err := old.Open("p", seal(t, now, "p", "x")); !errors.Is(err, ErrOtherMaster) {
		t.Errorf("what the new key sealed, under the old one: %v", err)
	}
}

func TestSealedSecret_WithOneCharacterChangedIsRefused(t *testing.T) {
	m := newMaster(t, 1)
	sealed := seal(t, m, "p", "some secret")
	for i := range sealed {
		for _, c := range []byte{'A', 'B', '.', '-'} {
			if sealed[i] == c {
				continue
			}
			changed := sealed[:i] + string(c) + sealed[i+1:]
			if plain, err := m.Open("p", changed); err == nil {
				t.Fatalf("character %d changed to %c opens %q", i, c, plain)
			}
		}
	}
	// The parts of two secrets of one purpose do not mix.
	a, b := strings.Split(sealed, "."), strings.Split(seal(t, m, "p", "another"), ".")
	if _, err := m.Open("p", strings.Join([]string{a[0], a[1], a[2], b[3]}, ".")); !errors.Is(err, ErrSealed) {
		t.Errorf("mixed: %v", err)
	}
}

func TestMasterKey_OfAnotherLengthIsRefused(t *testing.T) {
	for _, n := range []int{0, 16, 31, 33} {
		if _, err := NewMaster(make([]byte, n)); err == nil {
			t.Errorf("%d bytes are taken", n)
		}
	}
	var none Master
	if _, err := none.Seal("p", nil); err == nil {
		t.Error("the zero value seals")
	}
}

func TestMasterKeyFile_IsMadeOnceByManyAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if _, err := LoadMaster(path, false); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a file that is not there: %v", err)
	}
	ids := make([]string, 16)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			m, err := LoadMaster(path, true)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = m.ID()
		})
	}
	all.Wait()
	for _, id := range ids {
		if id == "" || id != ids[0] {
			t.Fatalf("ids = %q", ids)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestMasterKeyFile_FirstLineSealsAndAllOpen(t *testing.T) {
	line := func(fill byte) string {
		return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, MasterBytes))
	}
	path := filepath.Join(t.TempDir(), "master.key")
	write(t, path, "# of spring\n"+line(2)+"\n\n"+line(1)+"\n", 0o600)
	m, err := LoadMaster(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if m.ID() != newMaster(t, 2).ID() {
		t.Error("the first line does not seal")
	}
	if _, err := m.Open("p", seal(t, newMaster(t, 1), "p", "x")); err != nil {
		t.Errorf("the second line does not open: %v", err)
	}
}

func TestMasterKeyFile_ThatIsWrongIsRefusedInASentence(t *testing.T) {
	good := base64.StdEncoding.EncodeToString(make([]byte, MasterBytes))
	for name, c := range map[string]struct {
		text string
		mode os.FileMode
		want string
	}{
		"readable by the group":    {good, 0o640, "may be read by others"},
		"readable by the world":    {good, 0o604, "may be read by others"},
		"empty":                    {"", 0o600, "holds no key"},
		"comments only":            {"# none\n", 0o600, "holds no key"},
		"not base64":               {"correct horse battery staple", 0o600, "line 1: expected 32 bytes in base64"},
		"too short":                {"c2hvcnQ=", 0o600, "found 5 bytes"},
		"a second line that is no": {good + "\n" + good[1:], 0o600, "line 2"},
		"too large":                {strings.Repeat("#\n", maxMasterFile), 0o600, "too large"},
	} {
		path := filepath.Join(t.TempDir(), "master.key")
		write(t, path, c.text, c.mode)
		_, err := LoadMaster(path, true)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
		if err != nil && c.text != "" && strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: the error shows the key: %v", name, err)
		}
	}
	if _, err := LoadMaster(t.TempDir(), true); err == nil {
		t.Error("a folder is taken for a key file")
	}
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func FuzzOpen(f *testing.F) {
	m := newMaster(f, 1)
	f.Add(seal(f, m, "p", "x"))
	f.Add("v1." + m.ID() + "..")
	f.Fuzz(func(t *testing.T, sealed string) {
		if plain, err := m.Open("q", sealed); err == nil {
			t.Errorf("%q opens %q", sealed, plain)
		}
	})
}
