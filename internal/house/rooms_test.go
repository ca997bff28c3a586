package house

import (
	"maps"
	"slices"
	"strings"
)

// module is the path that every package of ours begins with.
const module = "github.com/gatehouse-id/gatehouse"

// room is one line of the table in ARCHITECTURE.md. Packages below a room belong to it unless
// they have a line of their own.
type room struct {
	imports  []string // rooms that it may import
	testOnly bool     // only tests and other such rooms import it
	stdOnly  bool     // nothing from outside the standard library
	anything bool     // may import every room of ours
}

var (
	// leaves know nothing of each other. config is one as well, and only cmd may import it.
	leaves = []string{"internal/errs", "internal/keys", "scim", "saml"}
	// pure rooms hold nouns and rules and do no I/O.
	pure = []string{"internal/directory", "internal/audit", "internal/session", "internal/reason"}
	// guides are what administrators of IdPs are told.
	guides = []string{"internal/guide"}
	// knowing is everything that a room with transactions stands on.
	knowing = slices.Concat(leaves, pure, []string{"internal/store"})
	// rules are the rooms that open write transactions, without the one that draws pages.
	rules = []string{"internal/settings", "internal/grants", "internal/provision", "internal/jobs", "internal/roster"}
	// below is what every door may call.
	below = slices.Concat(knowing, rules, guides, []string{"internal/signin", "internal/web"})
)

// rooms is the whole table, bottom up.
var rooms = map[string]room{
	// Layer 0: leaves.
	"internal/errs":   {stdOnly: true},
	"internal/keys":   {},
	"internal/config": {},
	"scim":            {stdOnly: true},
	"saml":            {stdOnly: true},
	// Our side of OpenID Connect towards IdPs, and an IdP for tests below it.
	"internal/relyingparty": {},
	// What people are sent by e-mail.
	"internal/letter": {stdOnly: true},
	// Lists of people, as spreadsheets write them.
	"internal/roster": {stdOnly: true},
	// The client of outgoing calls is handed to rooms as an *http.Client.
	"internal/outbound": {stdOnly: true},

	// Layer 1: pure. Sessions and events are about what directory names.
	"internal/directory": {imports: leaves},
	"internal/audit":     {imports: append([]string{"internal/directory"}, leaves...)},
	"internal/session":   {imports: append([]string{"internal/directory"}, leaves...)},
	"internal/guide":     {imports: append([]string{"internal/directory"}, leaves...)},
	// Why sign-ins fail, as data.
	"internal/reason": {stdOnly: true},

	// Layer 2: I/O. Drivers are handed to store as values.
	"internal/store":          {imports: slices.Concat(leaves, pure)},
	"internal/store/sqlite":   {imports: []string{"internal/store", "internal/errs"}},
	"internal/store/postgres": {imports: []string{"internal/store", "internal/errs"}},

	// Layer 3: rules that need a transaction, left to right; settings and grants not each other.
	"internal/jobs":      {imports: append([]string{"internal/letter"}, knowing...)},
	"internal/provision": {imports: append([]string{"internal/jobs", "internal/letter", "internal/roster"}, knowing...)},
	"internal/grants":    {imports: append([]string{"internal/provision", "internal/jobs"}, knowing...)},
	"internal/settings":  {imports: slices.Concat(knowing, guides, []string{"internal/provision", "internal/jobs", "internal/letter", "internal/relyingparty"})},
	"internal/signin":    {imports: slices.Concat(knowing, rules, []string{"internal/letter", "internal/relyingparty", "internal/web"})},

	// Layer 4: doors, and the kit beside them.
	"internal/web":           {imports: []string{"internal/errs", "internal/directory"}},
	"internal/web/routetest": {testOnly: true, stdOnly: true},
	"internal/scimserver":    {imports: below},
	"internal/provider":      {imports: below},
	"internal/api":           {imports: below},
	"internal/console":       {imports: below},

	// The simulated IdPs stand outside: sharing code with us, they would share our mistakes.
	"internal/idpsim": {},
	// What else stands outside in a demonstration: a product behind us, and a mail server.
	"internal/hostapp":  {},
	"internal/mailsink": {},

	// Layer 5.
	"cmd/gatehouse": {anything: true},

	// For tests and measurements only.
	"internal/house":            {testOnly: true},
	"internal/outbound/dnstest": {testOnly: true},
	"internal/store/pgtest":     {testOnly: true},
	"internal/store/storetest":  {testOnly: true, anything: true},
	"internal/bench":            {testOnly: true, anything: true},
	"acceptance":                {testOnly: true, anything: true},
	"internal/jobs/mtatest":     {testOnly: true},
}

// drivers are the packages that speak SQL. They may appear below internal/store and nowhere else.
var drivers = []string{"database/sql", "github.com/jackc/pgx", "modernc.org/sqlite", "github.com/pressly/goose"}

// reserved are rooms that only cmd and test-only rooms may import, whatever the table says.
var reserved = []string{"internal/config", "internal/store/sqlite", "internal/store/postgres"}

// roomOf returns the room that a package of ours belongs to, or "".
func roomOf(path string) string {
	rest, ours := strings.CutPrefix(path, module+"/")
	if !ours {
		return ""
	}
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(rooms))) { // longest first among nested ones
		if within(rest, name) {
			return name
		}
	}
	return ""
}

// within reports whether path is root or below it.
func within(path, root string) bool {
	return path == root || strings.HasPrefix(path, root+"/")
}
