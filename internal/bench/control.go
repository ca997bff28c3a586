package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/scimserver"
	"github.com/gatehouse-id/gatehouse/internal/session"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/saml"
)

// controls are what the load asks of the child beside the product: a workspace, a crowd, sessions,
// and what all of it has cost.
type controls struct {
	db        *store.DB
	driver    store.Driver
	master    *keys.Master
	bulk      int // people brought in past everything
	workspace string
	directory string
	lowest    string

	mass        massControl
	massCookies []string
}

func (c *controls) mount(mux *http.ServeMux) {
	mux.HandleFunc("POST /control/workspace", answered(c.makeWorkspace))
	mux.HandleFunc("POST /control/crowd", answered(c.makeCrowd))
	mux.HandleFunc("POST /control/bulk", answered(c.makeBulk))
	mux.HandleFunc("POST /control/session", answered(c.makeSession))
	mux.HandleFunc("POST /control/usage", answered(c.usage))
	mux.HandleFunc("POST /control/cores", answered(cores))
	mux.HandleFunc("POST /control/neighbour", answered(c.makeNeighbour))
	c.mountMass(mux)
}

func answered(fn func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		out, err := fn(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		body, err := json.Marshal(out)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	}
}

// cores sets how many processors the server's code may use at once, 0 for as many as at its start,
// and answers how many those are.
func cores(r *http.Request) (any, error) {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil || n < 0 {
		return nil, fmt.Errorf("n is a number of cores")
	}
	if n == 0 {
		n = runtime.NumCPU()
	}
	runtime.GOMAXPROCS(n)
	return n, nil
}

// tenant is the measured workspace as the load knows it.
type tenant struct {
	Token string `json:"token"`
}

// outsiders are the IdP and the application of the workspace, both of which the load plays.
type outsiders struct {
	EntityID    string `json:"entity_id"`
	SSO         string `json:"sso"`
	Certificate []byte `json:"certificate"`
	Logout      string `json:"logout"` // where the application wants to be told of ends
	Issuer      string `json:"issuer"` // of the IdP of OpenID Connect
}

// What the load names in addresses.
const (
	connection = "con_bench"
	openIDID   = "con_openid"
	client     = "app_bench"
	secret     = "gcs_bench"
	callback   = "http://127.0.0.1/callback"
)

// connection is how an administrator sets up single sign-on with the IdP.
func (o outsiders) connection(now time.Time) directory.Connection {
	known := directory.DefaultSAML("generic")
	known.EntityID, known.Certificates = o.EntityID, [][]byte{o.Certificate}
	known.SSO = []directory.Endpoint{{Binding: saml.BindingRedirect, Location: o.SSO}}
	return directory.Connection{ID: connection, Name: "okta", Provider: "okta", Protocol: directory.ProtocolSAML,
		Status: directory.ConnectionActive, VerifiedAt: now, SAML: &known}
}

// mappedGroup is the display name of the group that gives a role.
const mappedGroup = "Omniflow-Agents"

func (c *controls) makeWorkspace(r *http.Request) (any, error) {
	var outside outsiders
	if err := json.NewDecoder(r.Body).Decode(&outside); err != nil {
		return nil, err
	}
	preset, ok := directory.FindPreset("omniflow")
	if !ok {
		return nil, fmt.Errorf("no preset omniflow")
	}
	sealed, err := c.master.Seal(directory.SecretPurpose(openIDID), []byte(secret))
	if err != nil {
		return nil, err
	}
	now := c.db.Now()
	c.workspace, c.directory = keys.ID("ws_", now), keys.ID("dir_", now)
	token, hash := keys.NewToken(scimserver.TokenPrefix)
	err = c.db.Write(r.Context(), c.workspace, func(tx *store.Tx) error {
		if err := tx.InsertWorkspace(directory.Workspace{Slug: "bench", Name: "Bench", Preset: "omniflow", Policy: preset.Policy}); err != nil {
			return err
		}
		for rank, name := range preset.Roles {
			role := directory.Role{ID: keys.ID("rol_", tx.Now()), Name: name, Rank: rank}
			c.lowest = role.ID
			tx.SaveRole(role, true)
			if rank > 0 {
				tx.InsertMapping(directory.RoleMapping{ID: keys.ID("map_", tx.Now()), Match: "Omniflow-" + name + "s", Role: role.ID})
			}
		}
		tx.SaveConnection(outside.connection(tx.Now()), true)
		tx.SaveConnection(outside.openIDConnection(tx.Now(), sealed), true)
		tx.SaveDirectory(directory.Directory{ID: c.directory, Name: "okta", Connection: connection, Status: directory.DirectoryEnabled, Mode: directory.ModeLenient}, true)
		tx.InsertApplication(directory.Application{ID: client, Name: "Bench", RedirectURIs: []string{callback}, BackchannelLogoutURI: outside.Logout}, keys.HashToken(secret))
		tx.InsertToken(store.Token{ID: keys.ID("tok_", tx.Now()), Directory: c.directory, Name: "okta", Hint: keys.Hint(token)}, hash)
		return tx.Record(audit.Event{Type: audit.WorkspaceCreated})
	})
	return tenant{token}, err
}

// crowdBatch is how many people one transaction brings in, crowdAtOnce how many transactions there are at a time.
const (
	crowdBatch  = 500
	crowdAtOnce = 4
)

// makeCrowd adds the people with numbers from up to to (not included), past SCIM, and returns
// their SCIM ids.
func (c *controls) makeCrowd(r *http.Request) (any, error) {
	from, errFrom := strconv.Atoi(r.URL.Query().Get("from"))
	to, errTo := strconv.Atoi(r.URL.Query().Get("to"))
	if errFrom != nil || errTo != nil {
		return nil, fmt.Errorf("from and to are numbers")
	}
	ids := make([]string, max(to-from, 0))
	var next atomic.Int64
	next.Store(int64(from))
	failures := make([]error, crowdAtOnce)
	var wg sync.WaitGroup
	for i := range crowdAtOnce {
		wg.Go(func() {
			for failures[i] == nil {
				begin := int(next.Add(crowdBatch)) - crowdBatch
				if begin >= to {
					return
				}
				failures[i] = c.db.Write(r.Context(), c.workspace, func(tx *store.Tx) error {
					for n := begin; n < min(begin+crowdBatch, to); n++ {
						ids[n-from] = c.bring(tx, n)
					}
					return tx.Record(audit.Event{Type: audit.MemberCreated, Reason: "bench"})
				})
			}
		})
	}
	wg.Wait()
	return ids, errors.Join(failures...)
}

func (c *controls) bring(tx *store.Tx, n int) string {
	name := userName("crowd", n)
	member := keys.ID("mem_", tx.Now())
	tx.InsertMember(&directory.Member{ID: member, Email: name, Name: "Crowd Person", GivenName: "Crowd", FamilyName: "Person",
		Stage: directory.StageActive, WasIn: true, Role: c.lowest, RoleReason: directory.RoleReason{Source: directory.RoleByDefault, At: tx.Now()},
		Directory: c.directory, CreatedAt: tx.Now(), UpdatedAt: tx.Now()})
	u := &store.SCIMUser{ID: keys.UUID(), Directory: c.directory, Member: member, UserName: name, ExternalID: "ext-" + name, Active: true,
		Document: `{"displayName":"Crowd Person","emails":[{"primary":true,"type":"work","value":"` + name + `"}],"locale":"en-US","name":{"familyName":"Person","givenName":"Crowd"}}`,
		Emails:   []store.EmailKey{{Value: name, Type: "work"}}}
	tx.InsertSCIMUser(u)
	return u.ID
}

// makeSession opens a session for the member with an address, as a sign-in does, and returns the
// token of its cookie.
func (c *controls) makeSession(r *http.Request) (any, error) {
	token, hash := keys.NewToken(session.TokenPrefix)
	err := c.db.Write(r.Context(), c.workspace, func(tx *store.Tx) error {
		m, err := tx.MemberByEmail(r.URL.Query().Get("email"))
		if err != nil {
			return err
		}
		tx.InsertSession(&session.Session{ID: keys.ID("ses_", tx.Now()), Workspace: c.workspace, Member: m.ID, Method: directory.MethodLink,
			ExpiresAt: tx.Now().Add(session.Absolute), Address: "192.0.2.1", UserAgent: "bench"}, hash)
		return tx.Record(audit.Event{Type: audit.SignInSucceeded, Subject: audit.Party{Kind: "member", ID: m.ID}})
	})
	return tenant{token}, err
}

// usage is what the child has cost so far.
type usage struct {
	CPU time.Duration `json:"cpu"` // user and system
	RSS int64         `json:"rss"` // bytes, 0 where the system does not tell
	// Peak is the most that RSS was since it was last asked for with ?peak=reset.
	Peak int64 `json:"peak"`
}

// usage answers; with ?settle=1 garbage is collected first, as it is in an idle server by itself. ?peak=reset gives the
// memory back that is free and begins the peak anew.
func (c *controls) usage(r *http.Request) (any, error) {
	if r.URL.Query().Has("settle") {
		runtime.GC()
	}
	if r.URL.Query().Has("peak") {
		debug.FreeOSMemory()
		_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // proc(5); where it cannot be reset the peak is of the whole run
	}
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return nil, err
	}
	return usage{CPU: time.Duration(ru.Utime.Nano() + ru.Stime.Nano()), RSS: residentSize(os.Getpid()), Peak: memoryOf(os.Getpid(), "VmHWM:")}, nil
}

// residentSize reads a process's memory from /proc, 0 where there is none.
func residentSize(pid int) int64 { return memoryOf(pid, "VmRSS:") }

func memoryOf(pid int, what string) int64 {
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(status), what)
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kib, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// child is the server as the load sees it.
type child struct {
	process *process
	address string
	control *wire
	auth    string // header line
}

// makeNeighbour makes a workspace that nobody signs in to, beside others, and answers with its token.
func (c *controls) makeNeighbour(r *http.Request) (any, error) {
	preset, ok := directory.FindPreset("omniflow")
	if !ok {
		return nil, fmt.Errorf("no preset omniflow")
	}
	slug := r.URL.Query().Get("slug")
	now := c.db.Now()
	workspace, dir := keys.ID("ws_", now), keys.ID("dir_", now)
	token, hash := keys.NewToken(scimserver.TokenPrefix)
	err := c.db.Write(r.Context(), workspace, func(tx *store.Tx) error {
		policy := preset.Policy
		policy.SCIMAllowed = true
		if err := tx.InsertWorkspace(directory.Workspace{Slug: slug, Name: slug, Preset: "omniflow", Policy: policy}); err != nil {
			return err
		}
		for rank, name := range preset.Roles {
			tx.SaveRole(directory.Role{ID: keys.ID("rol_", tx.Now()), Name: name, Rank: rank}, true)
		}
		tx.SaveDirectory(directory.Directory{ID: dir, Name: "okta", Status: directory.DirectoryEnabled, Mode: directory.ModeLenient}, true)
		tx.InsertToken(store.Token{ID: keys.ID("tok_", tx.Now()), Directory: dir, Name: "okta", Hint: keys.Hint(token)}, hash)
		return tx.Record(audit.Event{Type: audit.WorkspaceCreated})
	})
	return tenant{token}, err
}

// redial makes the line of control anew: the server closes one that was silent for long.
func (c *child) redial(ctx context.Context) error {
	w, err := dial(ctx, c.address)
	if err != nil {
		return err
	}
	c.control.close()
	c.control = w
	return nil
}

func (c *child) used(ctx context.Context) (u usage, err error) {
	err = c.control.ask(&u, "POST", "/control/usage", "", "")
	return u, err
}

func userName(kind string, n int) string { return fmt.Sprintf("%s.%07d@bench.test", kind, n) }
