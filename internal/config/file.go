package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFileBytes bounds the configuration file, which has a dozen lines.
const maxFileBytes = 1 << 20

// readFile takes the settings of a YAML file: one mapping of setting names to values. A list is
// accepted where a value has commas. What is wrong inside the file is a mistake; an error means
// that there is no such file to read.
func (l *loader) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > maxFileBytes {
		return fmt.Errorf("read configuration: %s is longer than %d bytes", path, maxFileBytes)
	}
	l.readYAML(path, string(text))
	return nil
}

func (l *loader) readYAML(path, text string) {
	decoder := yaml.NewDecoder(strings.NewReader(text))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return // an empty file sets nothing
	case err != nil:
		l.mistake("file %s: %v", path, err)
		return
	}
	if !errors.Is(decoder.Decode(&second), io.EOF) {
		l.mistake("file %s: expected one document", path)
		return
	}
	root := document.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return // comments only
	}
	if root.Kind != yaml.MappingNode {
		l.mistake("file %s: expected lines such as \"listen: 127.0.0.1:8080\"", path)
		return
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		source := fmt.Sprintf("file %s line %d", path, key.Line)
		if first := lines[key.Value]; first > 0 {
			l.mistake("%s: key %q is given twice, first in line %d", source, key.Value, first)
			continue
		}
		lines[key.Value] = key.Line
		l.setFromFile(key.Value, value, source)
	}
}

func (l *loader) setFromFile(name string, value *yaml.Node, source string) {
	if fieldNamed(name) == nil {
		l.mistake("%s: unknown key %q%s", source, name, DidYouMean(name, Names()))
		return
	}
	text, ok := plainValue(value)
	if !ok {
		l.mistake("%s: %s: expected a single value", source, name)
		return
	}
	l.set(name, text, source)
}

// plainValue returns the text of a scalar as it stands in the file, or of a list of scalars with
// commas. Anchors and nulls are neither.
func plainValue(n *yaml.Node) (string, bool) {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value, n.Tag != "!!null"
	case yaml.SequenceNode:
		var words []string
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return "", false
			}
			words = append(words, item.Value)
		}
		return strings.Join(words, ","), true
	}
	return "", false
}
