package main

import (
	"fmt"
	"io"
	"os"

	"github.com/gatehouse-id/gatehouse/internal/settings"
)

// secrets are the values that an apply file names and does not hold: passwords, and the metadata of
// IdPs, which is none. They are read where the command runs, and travel on the local socket at the
// most.
type secrets struct {
	Env   map[string]string     `json:"env,omitempty"`
	Files map[string]secretFile `json:"files,omitempty"` // by absolute path
}

type secretFile struct {
	Text  []byte `json:"text,omitempty"`
	Error string `json:"error,omitempty"`
}

// maxSecret bounds a file that an apply file names, in bytes.
const maxSecret = settings.MaxMetadataBytes

func readSecrets(environ []string, wanted applied) secrets {
	s := secrets{Env: map[string]string{}, Files: map[string]secretFile{}}
	for _, name := range wanted.NeedsEnv {
		s.Env[name] = lookup(environ, name)
	}
	for _, path := range wanted.NeedsFiles {
		text, err := readSecret(path)
		if err != nil {
			s.Files[path] = secretFile{Error: err.Error()}
			continue
		}
		s.Files[path] = secretFile{Text: text}
	}
	return s
}

func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(text) > maxSecret {
		err = fmt.Errorf("read %s: more than %d bytes", path, maxSecret)
	}
	return text, err
}
