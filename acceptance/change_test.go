package acceptance

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// dryRun is what apply --dry-run prints of people.
type dryRun struct {
	Word    string
	Affects struct {
		Members int
		Changes []struct {
			Member, Email, Why string
			Was, Becomes       struct{ Role, Status string }
		}
	}
	Later []string
}

// TestStory_a_change_says_first_whom_it_changes: a mapping on a living workspace, from a file: whom it would change, all
// of them in a list, exactly those and nobody else afterwards, and nothing where somebody was changed meanwhile.
func TestStory_a_change_says_first_whom_it_changes(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "F27", "F28", "F36")
		w.mustApply(workspace("acme", "omniflow", ""))
		p := w.seeded(idpsim.Okta, "acme")
		before := map[string]string{}
		for _, m := range w.people("acme") {
			before[m.ID] = m.Role + " " + m.Status
		}
		file := filepath.Join(t.TempDir(), "acme.yaml")
		text := strings.Replace(workspace("acme", "omniflow", ""), "{directory: idp, group: Omniflow-Agents, role: Agent}", "{directory: idp, group: Omniflow-Agents, role: Supervisor}", 1)
		w.must(os.WriteFile(file, []byte(text), 0o600))
		list := filepath.Join(t.TempDir(), "people.csv")
		env := []string{"ROOT_PASSWORD=correct horse battery"}
		apply := func(into any, args ...string) (string, int) {
			t.Helper()
			out, said, code := w.run(env, append([]string{"apply", "-f", file, "--output", "json"}, args...)...)
			if code == 0 && into != nil {
				w.must(json.Unmarshal([]byte(out), into))
			}
			return said, code
		}
		var shown dryRun
		if said, code := apply(&shown, "--dry-run", "--people", list); code != 0 || shown.Affects.Members == 0 || shown.Word == "" {
			t.Fatalf("%d %s %+v", code, said, shown)
		}
		f, err := os.Open(list)
		w.must(err)
		rows, err := csv.NewReader(f).ReadAll()
		w.must(err)
		w.must(f.Close())
		if len(rows) != shown.Affects.Members+1 || len(shown.Affects.Changes) != shown.Affects.Members {
			t.Errorf("%d rows of %d people", len(rows)-1, shown.Affects.Members)
		}
		human, _, _ := w.run(env, "apply", "-f", file, "--dry-run")
		if !strings.Contains(human, fmt.Sprintf("people: %d members would change", shown.Affects.Members)) || !strings.Contains(human, "Agent -> Supervisor") || !strings.Contains(human, "--plan "+shown.Word) {
			t.Errorf("the text:\n%s", human)
		}
		for _, m := range w.people("acme") {
			if before[m.ID] != m.Role+" "+m.Status {
				t.Fatalf("the dry run changed %s", m.Email)
			}
		}

		// One of them leaves their group meanwhile.
		one := w.somebodyIn(p, "Omniflow-Agents").UserName
		w.must(p.RemoveMembers(w.ctx(), "Omniflow-Agents", one))
		if said, code := apply(nil, "--plan", shown.Word); code == 0 || !strings.Contains(said, "changed") {
			t.Errorf("the plan of before: %d %s", code, said)
		}
		was := map[string]string{}
		for _, m := range w.people("acme") {
			was[m.ID] = m.Role + " " + m.Status
		}
		var now dryRun
		if said, code := apply(&now, "--dry-run"); code != 0 || now.Affects.Members != shown.Affects.Members-1 {
			t.Fatalf("%d %s: %d people", code, said, now.Affects.Members)
		}
		if said, code := apply(nil, "--plan", now.Word); code != 0 {
			t.Fatalf("%d %s", code, said)
		}
		named := map[string]string{}
		for _, c := range now.Affects.Changes {
			named[c.Member] = c.Becomes.Role + " " + c.Becomes.Status
		}
		changed := 0
		for _, m := range w.people("acme") {
			is := m.Role + " " + m.Status
			if is != was[m.ID] {
				changed++
			}
			if want := named[m.ID]; want != "" && want != is || want == "" && is != was[m.ID] {
				t.Errorf("%s was %s and is %s, named as %q", m.Email, was[m.ID], is, want)
			}
		}
		if changed != now.Affects.Members {
			t.Errorf("%d people changed, %d were named", changed, now.Affects.Members)
		}
	})
}

// TestStory_one_place_to_manage_access opens the overview and follows each of its links.
func TestStory_one_place_to_manage_access(t *testing.T) {
	story(t, func(t *testing.T, w *world) {
		shows(t, "F41", "V5")
		w.mustApply(workspace("acme", "omniflow", ""))
		w.seeded(idpsim.Okta, "acme")
		b := w.signIn("acme", "root@acme.test")
		p := b.open("/console/acme")
		for _, words := range []string{"What needs attention", "Last sign-ins", "26</b> take a seat", "root@acme.test", "by password", ">idp</a>", "Single sign-on is <b>not required</b>"} {
			if !strings.Contains(p.text, words) {
				t.Errorf("the overview does not say %q:\n%s", words, p.text)
			}
		}
		links := 0
		for _, link := range strings.Split(p.text, `href="`)[1:] {
			address, _, _ := strings.Cut(link, `"`)
			if !strings.HasPrefix(address, "/console/acme") {
				continue
			}
			links++
			if got := b.open(strings.ReplaceAll(address, "&amp;", "&")); got.status != 200 {
				t.Errorf("%s: %d", address, got.status)
			}
		}
		if links < 20 {
			t.Errorf("%d links", links)
		}
	})
}
