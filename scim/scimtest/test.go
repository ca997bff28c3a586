package scimtest

import "testing"

// Test runs every case as a subtest. What the server does not offer is skipped, with what would offer it.
func Test(t *testing.T, p Probe) {
	t.Helper()
	r, err := p.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // also after a subtest that ended the test
		if left := r.finish().Left; len(left) > 0 {
			t.Errorf("could not be removed: %v", left)
		}
	})
	for _, c := range p.chosen() {
		t.Run(c.ID, func(t *testing.T) {
			result := r.perform(c)
			if p.Each != nil {
				p.Each(result)
			}
			switch result.Outcome {
			case Failed:
				t.Errorf("%s (%s)\nexpected %s\ngot      %s", c.Title, c.Section, result.Expected, result.Got)
			case NotRun:
				t.Errorf("not run: %s", result.Got)
			case NotOffered:
				t.Skip("not offered: " + result.Expected)
			}
		})
	}
}
