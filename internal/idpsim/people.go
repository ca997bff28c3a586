package idpsim

import (
	"maps"
	"slices"
	"time"
)

// Person is somebody in the IdP, and what this IdP knows of them in the application.
type Person struct {
	ID          string            `json:"id"` // Okta's "00u..", Entra's object id and so on; sent as externalId
	UserName    string            `json:"userName"`
	GivenName   string            `json:"givenName"`
	FamilyName  string            `json:"familyName"`
	DisplayName string            `json:"displayName"`
	Email       string            `json:"email"`
	Title       string            `json:"title,omitempty"`
	Department  string            `json:"department,omitempty"`
	Phone       string            `json:"phone,omitempty"` // mobile
	PostalCode  string            `json:"postalCode,omitempty"`
	Manager     string            `json:"manager,omitempty"` // id of another person of this IdP
	Roles       []AppRole         `json:"roles,omitempty"`   // Entra app roles
	Custom      map[string]string `json:"custom,omitempty"`  // attributes of the connection's extension
	Active      bool              `json:"active"`            // may sign in at the IdP
	Assigned    bool              `json:"assigned"`          // assigned to the application
	Deleted     bool              `json:"deleted,omitempty"` // deleted here, which is still to be sent
	App         AppUser           `json:"app"`
}

// AppRole is an Entra app role that somebody holds.
type AppRole struct {
	ID          string `json:"id"`
	Value       string `json:"value"`
	DisplayName string `json:"displayName"`
}

// AppUser is the application's side of a person.
type AppUser struct {
	RemoteID    string `json:"remoteId,omitempty"` // the SCIM id
	Active      bool   `json:"active"`             // the state that the application acknowledged last
	Error       string `json:"error,omitempty"`    // why the last attempt failed
	Attempts    int    `json:"attempts,omitempty"` // failed attempts in a row
	RetryCycle  int    `json:"retryCycle,omitempty"`
	sent        *profile
	inDoubt     bool // a change got no answer, so what the application holds is not known
	reassertion bool // Entra, after a restart: say active=true again
}

// State says in one word where the person stands in the application.
func (p Person) State() string {
	switch {
	case p.App.Error != "":
		return "failed"
	case p.App.RemoteID == "" && p.Assigned:
		return "pending"
	case p.App.RemoteID == "":
		return "not assigned"
	case p.App.Active:
		return "provisioned"
	}
	return "deprovisioned"
}

// inScope says whether the application should know this person as active.
func (p Person) inScope() bool { return p.Assigned && p.Active && !p.Deleted }

func (p Person) clone() Person {
	p.Roles = slices.Clone(p.Roles)
	p.Custom = maps.Clone(p.Custom)
	return p
}

// Group is a group in the IdP, and what this IdP knows of it in the application.
type Group struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Members []string `json:"members"` // ids of people, in the order in which they joined
	Pushed  bool     `json:"pushed"`  // Entra: in scope
	Deleted bool     `json:"deleted,omitempty"`
	App     AppGroup `json:"app"`
}

// AppGroup is the application's side of a group.
type AppGroup struct {
	RemoteID   string   `json:"remoteId,omitempty"`
	Linked     bool     `json:"linked,omitempty"` // it was there before and was taken over
	Name       string   `json:"name,omitempty"`   // the name that the application acknowledged last
	Members    []string `json:"members"`          // ids of people acknowledged as members
	Error      string   `json:"error,omitempty"`
	Attempts   int      `json:"attempts,omitempty"`
	RetryCycle int      `json:"retryCycle,omitempty"`
	Doubtful   []string `json:"doubtful,omitempty"` // ids of people whose last change got no answer
}

// State says in one word where the group stands in the application.
func (g Group) State() string {
	switch {
	case g.App.Error != "":
		return "failed"
	case g.App.RemoteID == "" && g.Pushed:
		return "pending"
	case g.App.RemoteID == "":
		return "not pushed"
	case g.App.Linked:
		return "linked"
	}
	return "pushed"
}

// leavers are members in the application whose removal is still to be sent. They are what must
// not be forgotten when all others are to be added anew.
func (g Group) leavers() []string {
	has := setOf(g.Members)
	return slices.DeleteFunc(slices.Clone(g.App.Members), func(id string) bool { return has[id] })
}

func (g Group) clone() Group {
	g.Members = slices.Clone(g.Members)
	g.App.Members = slices.Clone(g.App.Members)
	g.App.Doubtful = slices.Clone(g.App.Doubtful)
	return g
}

// profile is what the application should hold of a person: the outcome of attribute mapping.
// manager is a SCIM id.
type profile struct {
	externalID, userName, givenName, familyName, displayName, email string
	title, department, phone, postalCode, manager, managerName      string
	active                                                          bool
	roles                                                           []AppRole
	custom                                                          map[string]string
}

func (p profile) formatted() string {
	switch {
	case p.givenName == "":
		return p.familyName
	case p.familyName == "":
		return p.givenName
	}
	return p.givenName + " " + p.familyName
}

// Quarantine is Entra's answer to a job whose calls mostly fail: cycles slow down to one a day,
// and after four weeks the job is disabled until it is restarted.
type Quarantine struct {
	Since  time.Time `json:"since"`
	Reason string    `json:"reason"`
	Next   time.Time `json:"next"` // no cycle runs before this instant
}

// Quarantine limits, as Entra documents them.
const (
	quarantineCycle    = 24 * time.Hour
	quarantineDisabled = 28 * 24 * time.Hour
)

// Outcome is what the last operation came to, for the page and for scripts.
type Outcome struct {
	Time      time.Time `json:"time"`
	Operation string    `json:"operation"`
	OK        bool      `json:"ok"`
	Message   string    `json:"message"`
}

// State is a copy of everything that one IdP knows.
type State struct {
	Kind       Kind        `json:"kind"`
	Title      string      `json:"title"`
	Connection Summary     `json:"connection"`
	Cycle      int         `json:"cycle"`
	Quarantine *Quarantine `json:"quarantine,omitempty"`
	Last       *Outcome    `json:"last,omitempty"`
	People     []Person    `json:"people"`
	Groups     []Group     `json:"groups"`
}

// Summary is a connection without its secret.
type Summary struct {
	Connected bool      `json:"connected"`
	BaseURL   string    `json:"base_url,omitempty"`
	TokenHint string    `json:"token_hint,omitempty"` // the last four characters
	Tested    time.Time `json:"tested,omitzero"`
	TestError string    `json:"test_error,omitempty"`
	Matching  string    `json:"matching,omitempty"`
	Parallel  int       `json:"parallel,omitempty"`
}
