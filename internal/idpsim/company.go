package idpsim

import (
	"context"
	"fmt"
)

// Company describes the people and groups that Seed makes.
type Company struct {
	People     int      `json:"people"`      // default 25
	Groups     int      `json:"groups"`      // default 6
	Domain     string   `json:"domain"`      // of user names and addresses; default "acme.test"
	GroupNames []string `json:"group_names"` // the first names; others follow as "Team 7"
}

// roster is who works in every company: names as an IdP really holds them, with accents, other
// scripts, particles, apostrophes, and one single name.
var roster = []struct{ user, given, family, title, department string }{
	{"ann.lee", "Ann", "Lee", "Chief Executive", "Management"},
	{"zoe.mueller", "Zoë", "Müller", "Head of Support", "Support"},
	{"jose.garcia", "José", "García Márquez", "Support Supervisor", "Support"},
	{"lukasz.wojcik", "Łukasz", "Wójcik", "Support Supervisor", "Support"},
	{"hoa.nguyen", "Thị Hoa", "Nguyễn", "Agent", "Support"},
	{"li.xiaolong", "小龙", "李", "Agent", "Support"},
	{"taro.yamada", "太郎", "山田", "Agent", "Support"},
	{"soren.aero", "Søren", "Ærø", "Agent", "Support"},
	{"siobhan.obrien", "Siobhán", "O'Brien", "Agent", "Support"},
	{"jp.dupont", "Jean-Pierre", "Dupont", "Agent", "Support"},
	{"maria.delacruz", "María José", "de la Cruz", "Agent", "Support"},
	{"ioannis.p", "Ιωάννης", "Παπαδόπουλος", "Agent", "Support"},
	{"ivan.petrov", "Иван", "Петров", "Agent", "Support"},
	{"layla.haddad", "ليلى", "حداد", "Agent", "Support"},
	{"priya.r", "Priya", "Raghunathan", "Trainee", "Support"},
	{"bjork", "Björk", "", "Trainee", "Support"},
	{"ayse.yildiz", "Ayşe", "Yıldız", "Trainee", "Support"},
	{"minjun.kim", "민준", "김", "Engineer", "Engineering"},
	{"grace.okafor", "Grace", "Okafor", "Engineer", "Engineering"},
	{"hendrik.vdb", "Hendrik", "van den Berg", "Engineer", "R&D"},
	{"noa.levi", "נועה", "לוי", "Engineer", "R&D"},
	{"sam.smith", "Sam", "Smith", "Accountant", "Finance"},
	{"sam.smith2", "Sam", "Smith", "Controller", "Finance"},
	{"ines.araujo", "Inês", "Araújo", "Translator", "Übersetzung"},
	{"tomas.cerny", "Tomáš", "Černý", "Translator", "Übersetzung"},
}

// groupNames are the first groups of every company; the first four carry roles in the products'
// own guides.
var groupNames = []string{"Omniflow-Admins", "Omniflow-Supervisors", "Omniflow-Agents", "Omniflow-Trainees", "Engineering", "Übersetzung & Finance"}

// membersOf says whose title or department puts them into which of the first groups.
var membersOf = []map[string]bool{
	{"Chief Executive": true, "Head of Support": true}, {"Support Supervisor": true, "Head of Support": true},
	{"Agent": true, "Support Supervisor": true}, {"Trainee": true}, {"Engineering": true, "R&D": true}, {"Übersetzung": true, "Finance": true},
}

// Seed fills an IdP with a standard company: the same names and groups each time. Everybody but
// the first person has a manager. Nothing is assigned or sent.
func (p *IdP) Seed(ctx context.Context, c Company) error {
	return p.run(ctx, "Seed", func(context.Context) (string, error) {
		c = c.withDefaults()
		if c.People < 0 || c.People > 2_000_000 || c.Groups < 0 || c.Groups > 10_000 {
			return "", fmt.Errorf("%w: seed up to 2,000,000 people and 10,000 groups", ErrInvalid)
		}
		members := make([][]string, c.Groups)
		var chief string
		for i := range c.People {
			x, err := p.insertPerson(employee(i, c.Domain))
			if err != nil {
				return "", err
			}
			if chief == "" {
				chief = x.ID
			} else if _, err := p.changePerson(x.ID, func(x *Person) error { x.Manager = chief; return nil }); err != nil {
				return "", err
			}
			for g := range members {
				if belongs(x, i, g, c.Groups) {
					members[g] = append(members[g], x.ID)
				}
			}
		}
		for g, list := range members {
			if _, err := p.insertGroup("", c.groupName(g), list); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("%d people and %d groups were made.", c.People, c.Groups), nil
	})
}

func (c Company) withDefaults() Company {
	if c.People == 0 {
		c.People = 25
	}
	if c.Groups == 0 {
		c.Groups = 6
	}
	if c.Domain == "" {
		c.Domain = "acme.test"
	}
	return c
}

func (c Company) groupName(g int) string {
	switch {
	case g < len(c.GroupNames):
		return c.GroupNames[g]
	case g < len(groupNames) && len(c.GroupNames) == 0:
		return groupNames[g]
	}
	return fmt.Sprintf("Team %d", g+1)
}

// employee is the i-th person; beyond the roster its names come again with a number.
func employee(i int, domain string) Person {
	r := roster[i%len(roster)]
	user, family := r.user, r.family
	if round := i / len(roster); round > 0 {
		user = fmt.Sprintf("%s.%d", user, round+1)
		family = fmt.Sprintf("%s %d", family, round+1)
	}
	return Person{UserName: user + "@" + domain, GivenName: r.given, FamilyName: family, Title: r.title, Department: r.department}
}

// belongs puts people into the first six groups by title and department, into others by turns.
func belongs(x Person, i, g, groups int) bool {
	if g < len(membersOf) {
		return membersOf[g][x.Title] || membersOf[g][x.Department]
	}
	return i%(groups-len(membersOf)) == g-len(membersOf)
}
