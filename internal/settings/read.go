package settings

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// Limits of an apply file.
const (
	// MaxFileBytes is how long an apply file may be.
	MaxFileBytes = 1 << 20
	// MaxMappings is how many role mappings a workspace may have.
	MaxMappings = 10_000
	// maxItems bounds every other list.
	maxItems = 1000
	// maxText bounds a single value, in bytes.
	maxText = 1024
	// maxMistakes is how many mistakes are spelled out; more help nobody.
	maxMistakes = 100
)

// mistakes gathers what is wrong with a file, so that all of it is told at once.
type mistakes struct{ list []mistake }

type mistake struct {
	line int // 0 where no line is to blame
	text string
}

func (m *mistakes) add(line int, format string, args ...any) {
	m.list = append(m.list, mistake{line, fmt.Sprintf(format, args...)})
}

// err returns one error with a sentence a line, in the order of the file, or nil.
func (m *mistakes) err() error {
	if len(m.list) == 0 {
		return nil
	}
	slices.SortStableFunc(m.list, func(a, b mistake) int { return cmp.Compare(a.line, b.line) })
	lines := make([]string, 0, min(len(m.list), maxMistakes+1))
	for i, one := range m.list {
		if i == maxMistakes {
			lines = append(lines, fmt.Sprintf("and %d more", len(m.list)-i))
			break
		}
		if one.line > 0 {
			one.text = fmt.Sprintf("line %d: %s", one.line, one.text)
		}
		lines = append(lines, one.text)
	}
	return errs.Invalid("apply_file_invalid", "%s", strings.Join(lines, "\n"))
}

// reader takes a YAML tree apart and notes every mistake with its line and path.
type reader struct{ mistakes }

// parseYAML returns the root of the one document in text. The decoder is not ours: should it ever
// panic on some input, that input is refused like any other that it cannot read.
func parseYAML(text []byte) (root *yaml.Node, err error) {
	defer func() {
		if recover() != nil {
			root, err = nil, errs.Invalid("apply_file_invalid", "The file is not readable as YAML.")
		}
	}()
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	var document, second yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, errs.Invalid("apply_file_invalid", "workspace: expected the name of a workspace, the file is empty")
	case err != nil:
		return nil, errs.Invalid("apply_file_invalid", "%s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if !errors.Is(decoder.Decode(&second), io.EOF) {
		return nil, errs.Invalid("apply_file_invalid", "expected one YAML document, received several; apply them as files of their own")
	}
	if document.Kind != yaml.DocumentNode || len(document.Content) == 0 {
		return nil, errs.Invalid("apply_file_invalid", "expected keys and values such as \"workspace: acme\"")
	}
	return document.Content[0], nil
}

// plain reports, and notes otherwise, that n is written out: no anchor, no alias, no tag.
func (r *reader) plain(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.add(n.Line, "%s: YAML anchors and aliases are not accepted; write the value out", path)
	case n.Style&yaml.TaggedStyle != 0:
		r.add(n.Line, "%s: YAML tags are not accepted, received %s", path, quote(n.Tag))
	default:
		return true
	}
	return false
}

// object returns the values of a mapping by key. Unknown, repeated and empty keys are noted and left out.
func (r *reader) object(n *yaml.Node, path string, known []string) (map[string]*yaml.Node, bool) {
	if !r.plain(n, orFile(path)) {
		return nil, false
	}
	if n.Kind != yaml.MappingNode {
		r.add(n.Line, "%s: expected keys and values, received %s", orFile(path), describe(n))
		return nil, false
	}
	out, lines := map[string]*yaml.Node{}, map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := join(path, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || key.Anchor != "":
			r.add(key.Line, "%s: expected a plain key", orFile(path))
		case lines[key.Value] > 0:
			r.add(key.Line, "%s: the key is given twice, first in line %d", at, lines[key.Value])
		case !slices.Contains(known, key.Value):
			r.add(key.Line, "%s: unknown key%s", clip(at), didYouMean(key.Value, known))
		case !r.plain(value, at):
		case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
			r.add(key.Line, "%s: expected a value, received nothing; leave the key out to keep what is there", at)
		default:
			out[key.Value] = value
		}
		if lines[key.Value] == 0 {
			lines[key.Value] = key.Line
		}
	}
	return out, true
}

// list returns the elements of a sequence.
func (r *reader) list(n *yaml.Node, path string, most int) ([]*yaml.Node, bool) {
	if n.Kind != yaml.SequenceNode {
		r.add(n.Line, "%s: expected a list, received %s", path, describe(n))
		return nil, false
	}
	if len(n.Content) > most {
		r.add(n.Line, "%s: expected at most %d entries, received %d", path, most, len(n.Content))
		return nil, false
	}
	return n.Content, true
}

// text returns a value that is text: not empty, not a number, no control characters.
func (r *reader) text(n *yaml.Node, path string) (string, bool) {
	if !r.plain(n, path) {
		return "", false
	}
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		hint := ""
		if n.Kind == yaml.ScalarNode {
			hint = "; put it in quotes if it is meant as text"
		}
		r.add(n.Line, "%s: expected text, received %s%s", path, describe(n), hint)
		return "", false
	}
	switch {
	case strings.TrimSpace(n.Value) == "":
		r.add(n.Line, "%s: expected text, received nothing", path)
	case len(n.Value) > maxText:
		r.add(n.Line, "%s: expected at most %d bytes, received %d", path, maxText, len(n.Value))
	case !utf8.ValidString(n.Value) || strings.ContainsFunc(n.Value, unicode.IsControl):
		r.add(n.Line, "%s: expected text without control characters", path)
	default:
		return n.Value, true
	}
	return "", false
}

// texts returns a list of texts with the line of each. Two that are equal without regard to letter
// case are a mistake.
func (r *reader) texts(n *yaml.Node, path string) ([]line, bool) {
	nodes, ok := r.list(n, path, maxItems)
	if !ok {
		return nil, false
	}
	out, first := make([]line, 0, len(nodes)), map[string]int{}
	for i, item := range nodes {
		at := fmt.Sprintf("%s[%d]", path, i)
		value, ok := r.text(item, at)
		if !ok {
			continue
		}
		if before := first[directory.Fold(value)]; before > 0 {
			r.add(item.Line, "%s: %s is listed twice, first in line %d", at, quote(value), before)
			continue
		}
		first[directory.Fold(value)] = item.Line
		out = append(out, line{value, item.Line})
	}
	return out, true
}

// line is a text and where it stands.
type line struct {
	text string
	at   int
}

// word returns a value that is one of words.
func (r *reader) word(n *yaml.Node, path string, words []string) (string, bool) {
	if !r.plain(n, path) {
		return "", false
	}
	if n.Kind == yaml.ScalarNode && slices.Contains(words, n.Value) {
		return n.Value, true
	}
	hint := ""
	if n.Kind == yaml.ScalarNode {
		hint = didYouMean(n.Value, words)
	}
	r.add(n.Line, "%s: expected one of %s, received %s%s", path, strings.Join(words, ", "), describe(n), hint)
	return "", false
}

// boolean returns yes or no. YAML 1.2 reads only true and false as such; people write all four.
func (r *reader) boolean(n *yaml.Node, path string) (value, ok bool) {
	if !r.plain(n, path) {
		return false, false
	}
	if n.Kind == yaml.ScalarNode {
		switch n.Value {
		case "yes", "true":
			return true, true
		case "no", "false":
			return false, true
		}
	}
	r.add(n.Line, "%s: expected yes or no, received %s", path, describe(n))
	return false, false
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return "nothing"
		}
		return quote(n.Value)
	default:
		return "an alias"
	}
}

// quote shows a value of the file in an error, cut where it is long.
func quote(s string) string { return fmt.Sprintf("%q", clip(s)) }

func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "..."
}

func didYouMean(word string, known []string) string {
	if name := directory.Nearest(word, known); name != "" {
		return fmt.Sprintf("; did you mean %q?", name)
	}
	return ""
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func orFile(path string) string {
	if path == "" {
		return "the file"
	}
	return path
}
