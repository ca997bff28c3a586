package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// MasterBytes is the length of a master key.
const MasterBytes = 32

// Errors of sealed secrets, returned wrapped.
var (
	// ErrOtherMaster is a secret that was sealed under a master key which is not at hand.
	ErrOtherMaster = errors.New("sealed with another master key")
	// ErrSealed is a sealed secret that is damaged or was sealed for another purpose.
	ErrSealed = errors.New("unreadable sealed secret")
)

// Master seals secrets that must be read again. Each gets a data key of its own, which is sealed
// under the master key (envelope encryption), both with AES-256-GCM. The zero value opens nothing;
// make it with NewMaster or LoadMaster. It is safe for concurrent use.
type Master struct {
	seal kek
	open map[string]kek // by id
}

// kek is one master key: what seals data keys.
type kek struct {
	id   string
	aead cipher.AEAD
}

// NewMaster returns a Master that seals under secret and opens what was sealed under secret or any of older,
// each of MasterBytes bytes.
func NewMaster(secret []byte, older ...[]byte) (*Master, error) {
	m := &Master{open: map[string]kek{}}
	for i, s := range append([][]byte{secret}, older...) {
		if len(s) != MasterBytes {
			return nil, fmt.Errorf("master key: expected %d bytes, found %d", MasterBytes, len(s))
		}
		aead, err := gcm(s)
		if err != nil {
			return nil, fmt.Errorf("master key: %w", err)
		}
		k := kek{id: masterID(s), aead: aead}
		m.open[k.id] = k
		if i == 0 {
			m.seal = k
		}
	}
	return m, nil
}

// masterID tells master keys apart and tells nothing about them.
func masterID(secret []byte) string {
	sum := sha256.Sum256(append([]byte("gatehouse master key id\x00"), secret...))
	return hex.EncodeToString(sum[:4])
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// ID names the master key that seals, in 8 hexadecimal digits that may be shown.
func (m *Master) ID() string { return m.seal.id }

// sealedVersion begins every sealed secret: version, id of the master key, sealed data key, sealed
// secret, with dots between and the latter two in base64url, each behind its nonce.
const sealedVersion = "v1"

// Seal returns plain encrypted, as text. Only Open with the same purpose gives it back: purpose names
// the place where the secret is kept ("signing key sig_..."), so that a text that was moved to
// another place opens nothing there.
func (m *Master) Seal(purpose string, plain []byte) (string, error) {
	if m.seal.aead == nil {
		return "", errors.New("seal: there is no master key")
	}
	data := make([]byte, MasterBytes)
	rand.Read(data)
	aead, err := gcm(data)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	b64 := base64.RawURLEncoding
	return strings.Join([]string{sealedVersion, m.seal.id,
		b64.EncodeToString(sealBytes(m.seal.aead, data, bound("data key", m.seal.id, purpose))),
		b64.EncodeToString(sealBytes(aead, plain, bound("secret", m.seal.id, purpose)))}, "."), nil
}

// Open returns what Seal was given. The error wraps ErrOtherMaster or ErrSealed.
func (m *Master) Open(purpose, sealed string) ([]byte, error) {
	parts := strings.Split(sealed, ".")
	if len(parts) != 4 || parts[0] != sealedVersion {
		return nil, fmt.Errorf("open: %w", ErrSealed)
	}
	k, known := m.open[parts[1]]
	if !known {
		return nil, fmt.Errorf("open: %w", ErrOtherMaster)
	}
	data, err := openBytes(k.aead, parts[2], bound("data key", k.id, purpose))
	if err != nil {
		return nil, err
	}
	aead, err := gcm(data)
	if err != nil {
		return nil, fmt.Errorf("open: %w", ErrSealed)
	}
	return openBytes(aead, parts[3], bound("secret", k.id, purpose))
}

// bound is the additional data of one layer: what it is, under which key, and for what.
func bound(layer, id, purpose string) []byte {
	return []byte(sealedVersion + "\x00" + layer + "\x00" + id + "\x00" + purpose)
}

// sealBytes encrypts under a random nonce, which is safe here: a data key seals one secret, and a
// master key far fewer than 2^32 data keys (NIST SP 800-38D section 8.3).
func sealBytes(aead cipher.AEAD, plain, bound []byte) []byte {
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	rand.Read(nonce)
	return aead.Seal(nonce, nonce, plain, bound)
}

func openBytes(aead cipher.AEAD, text string, bound []byte) ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) < aead.NonceSize() {
		return nil, fmt.Errorf("open: %w", ErrSealed)
	}
	plain, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], bound)
	if err != nil {
		return nil, fmt.Errorf("open: %w", ErrSealed)
	}
	return plain, nil
}

// LoadMaster reads the master key file: one key a line, 32 bytes in base64, empty lines and lines that begin
// with # left out. The first key seals, all open, so that a key is replaced by putting a new line
// before it. With create, a file that is not there is made with one random key; of several
// processes that do so at once one makes it and the others read it.
//
// A file that others than its owner may read is refused.
func LoadMaster(path string, create bool) (*Master, error) {
	text, err := readMaster(path)
	if create && errors.Is(err, fs.ErrNotExist) {
		if err := makeMaster(path); err != nil {
			return nil, fmt.Errorf("make master key file: %w", err)
		}
		text, err = readMaster(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no master key file %s: %w", path, err)
	}
	if err != nil {
		return nil, err
	}
	return parseMaster(path, text)
}

// maxMasterFile bounds what is read of a file that was named by mistake.
const maxMasterFile = 64 << 10

func readMaster(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read master key file: %w", err)
	}
	defer f.Close()
	// Asked of the open file: what is behind the path may be replaced in between.
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fmt.Errorf("read master key file: %w", err)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("the master key file %s is not a regular file", path)
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("the master key file %s may be read by others than its owner (mode %04o): run chmod 600 on it", path, info.Mode().Perm())
	case info.Size() > maxMasterFile:
		return "", fmt.Errorf("the master key file %s is too large: it holds one key of %d bytes in base64 a line", path, MasterBytes)
	}
	raw := make([]byte, info.Size())
	n, err := f.Read(raw)
	if err != nil && info.Size() > 0 {
		return "", fmt.Errorf("read master key file: %w", err)
	}
	return string(raw[:n]), nil
}

func parseMaster(path, text string) (*Master, error) {
	var secrets [][]byte
	for number, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		secret, err := base64.StdEncoding.Strict().DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("the master key file %s, line %d: expected %d bytes in base64, found something else", path, number+1, MasterBytes)
		}
		if len(secret) != MasterBytes {
			return nil, fmt.Errorf("the master key file %s, line %d: expected %d bytes in base64, found %d bytes", path, number+1, MasterBytes, len(secret))
		}
		secrets = append(secrets, secret)
	}
	if len(secrets) == 0 {
		return nil, fmt.Errorf("the master key file %s holds no key: expected %d bytes in base64", path, MasterBytes)
	}
	return NewMaster(secrets[0], secrets[1:]...)
}

// makeMaster makes the file whole or not at all: it is written beside its place and then linked to it, which
// fails where another process was first.
func makeMaster(path string) error {
	secret := make([]byte, MasterBytes)
	rand.Read(secret)
	suffix := make([]byte, 8)
	rand.Read(suffix)
	draft := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"."+hex.EncodeToString(suffix))
	f, err := os.OpenFile(draft, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(draft)
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(secret) + "\n")
	// What is sealed under a key that is lost in a power cut is lost as well.
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(draft, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
