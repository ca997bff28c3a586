package scimtest

import "context"

// T is what Test needs of a *testing.T. It is named here so that a program which uses Probe alone does not carry
// the testing package.
type T[Self any] interface {
	Helper()
	Context() context.Context
	Cleanup(func())
	Run(name string, fn func(Self)) bool
	Skip(args ...any)
	Fatal(args ...any)
	Errorf(format string, args ...any)
}

// Test runs every case as a subtest of t, a *testing.T. What the server does not offer is skipped, with what would
// offer it.
func Test[Self T[Self]](t Self, p Probe) {
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
		t.Run(c.ID, func(t Self) {
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
