package postgres

import (
	"bytes"
	"io"
	"io/fs"
)

// bytewise serves migrations in which every TEXT column has COLLATE "C". SQLite compares bytes
// by itself and knows no such collation, so the one SQL text cannot say it.
type bytewise struct{ fs.FS }

func (b bytewise) Open(name string) (fs.File, error) {
	f, err := b.FS.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return f, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	text = bytes.ReplaceAll(text, []byte(" TEXT"), []byte(` TEXT COLLATE "C"`))
	return &memFile{File: f, Reader: bytes.NewReader(text)}, nil
}

// memFile is a file whose content was changed on reading.
type memFile struct {
	fs.File
	*bytes.Reader
}

func (m *memFile) Read(p []byte) (int, error) { return m.Reader.Read(p) }
