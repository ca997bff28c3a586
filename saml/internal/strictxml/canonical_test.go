package strictxml

import "testing"

// parse is Parse for documents that are right.
func parse(t *testing.T, doc string) *Element {
	t.Helper()
	root, err := Parse([]byte(doc), Limits{})
	if err != nil {
		t.Fatalf("%s: %v", doc, err)
	}
	return root
}

func TestSmoke(t *testing.T) {
	r := parse(t, `<?xml version="1.0"?> <a:b xmlns:a="urn:a" xmlns='urn:d' q="1" p='x"&lt;
y' a:z="2"><c>t&amp;&#13;x</c> tail <d xmlns=""/></a:b >`)
	t.Log(string(AppendCanonical(nil, r, nil, nil)))
	t.Log(string(AppendCanonical(nil, r.First(), nil, nil)))
	t.Log(string(AppendCanonical(nil, r.First(), []string{"a"}, nil)))
	t.Log(string(AppendCanonical(nil, r, []string{""}, nil)))
}
