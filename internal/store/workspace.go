package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

const insertWorkspace = `
	INSERT INTO workspace (id, slug, name, preset, policy, enforcement, version, applied, created_at, updated_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, '', $7, $7)`

const insertWorkspaceHandle = `INSERT INTO workspace_handle (slug, workspace_id) VALUES ($1, $2)`

// InsertWorkspace makes the workspace that the transaction is bound to. A slug that is taken is a
// conflict.
func (tx *Tx) InsertWorkspace(w directory.Workspace) error {
	tx.change("workspace")
	tx.unique("workspace_handle", "workspace_handle.slug",
		errs.Conflict("slug_taken", "The workspace name %q is taken.", w.Slug))
	tx.later(insertWorkspaceHandle, w.Slug, tx.workspace)
	tx.later(insertWorkspace, tx.workspace, w.Slug, w.Name, w.Preset, toJSON(w.Policy), toJSON(w.Enforcement), micros(tx.now))
	return nil
}

// The version is the instant of the change, or one more than before where the clock stood still or
// went back. A version of a transaction that was lost is therefore never given again to another
// content, and the cache of configurations may trust it.
const updateWorkspace = `
	UPDATE workspace SET name = $2, preset = $3, policy = $4, enforcement = $5, updated_at = $6,
		version = CASE WHEN version >= $6 THEN version + 1 ELSE $6 END
	WHERE  id = $1`

// UpdateWorkspace saves name, preset, policy and enforcement. The slug never changes.
func (tx *Tx) UpdateWorkspace(w directory.Workspace) error {
	tx.change("workspace")
	tx.later(updateWorkspace, tx.workspace, w.Name, w.Preset, toJSON(w.Policy), toJSON(w.Enforcement), micros(tx.now))
	return nil
}

const bumpWorkspace = `
	UPDATE workspace SET updated_at = $2, version = CASE WHEN version >= $2 THEN version + 1 ELSE $2 END
	WHERE  id = $1`

// configuration notes a change of configuration: the version grows, so that no cache serves the
// old one.
func (tx *Tx) configuration(what string) {
	tx.change(what)
	tx.later(bumpWorkspace, tx.workspace, micros(tx.now))
}

const workspaceVersion = `SELECT version FROM workspace WHERE id = $1`

// Config returns the workspace's configuration as of this transaction. It may be shared with
// others: it is never changed in place.
func (tx *Tx) Config() (*directory.Config, error) {
	version, err := tx.configVersion()
	if err != nil {
		return nil, err
	}
	if cfg := tx.db.configs.get(tx.workspace, version); cfg != nil {
		return cfg, nil
	}
	cfg, err := tx.loadConfig()
	if err != nil {
		return nil, fmt.Errorf("load configuration: %w", err)
	}
	// Others get it after the commit: on SQLite it may hold what a neighbour of the
	// same common transaction has not committed yet.
	if !tx.wroteConfiguration() {
		tx.config = cfg
	}
	return cfg, nil
}

func (tx *Tx) configVersion() (version int64, err error) {
	found, err := tx.one([]any{&version}, workspaceVersion, tx.workspace)
	if err == nil && !found {
		err = errs.NotFound("workspace_unknown", "There is no such workspace.")
	}
	return version, err
}

// wroteConfiguration reports whether this transaction may have changed what it now reads: such a
// configuration is not committed yet and must not be seen by others.
func (tx *Tx) wroteConfiguration() bool { return tx.changed != "" }

// The parts of a configuration, in the order in which they are read.
const (
	partWorkspace = iota + 1
	partRole
	partMapping
	partConnection
	partDirectory
	partApplication
	partDomain
	partSchema
	partAttribute
	partAttributeMap
)

// configOf reads all parts in one statement: under read committed only that sees them all as of one
// moment. Every part fills the columns that it needs, place orders its rows.
const configOf = `
	SELECT part, place, a, b, c, d, e, f, n, m FROM (
		SELECT 1 AS part, version AS place, id AS a, slug AS b, name AS c, preset AS d, policy AS e, enforcement AS f, created_at AS n, updated_at AS m
		FROM   workspace WHERE id = $1
		UNION ALL SELECT 2, rank, id, name, permissions, '', '', '', CASE WHEN named THEN 1 ELSE 0 END, 0 FROM role WHERE workspace_id = $1
		UNION ALL SELECT 3, 0, id, directory_id, connection_id, pattern, role_id, '', 0, 0 FROM role_mapping WHERE workspace_id = $1
		UNION ALL SELECT 4, created_at, id, name, provider, protocol, status || CASE WHEN sessions_run THEN ' 1 ' ELSE ' 0 ' END || domains, CASE WHEN protocol = 'oidc' THEN oidc ELSE saml || ' ' || watch END, verified_at, 0
		FROM   connection WHERE workspace_id = $1
		UNION ALL SELECT 5, created_at, id, name, connection_id, mode, override, status || ' ' || pilot, CASE WHEN enabled THEN 1 ELSE 0 END, 0
		FROM   directory WHERE workspace_id = $1
		UNION ALL SELECT 6, created_at, id, name, settings, '', '', '', 0, 0 FROM application WHERE workspace_id = $1
		UNION ALL SELECT 7, 0, domain, '', '', '', '', '', 0, 0 FROM domain_handle WHERE workspace_id = $1
		UNION ALL SELECT 8, 0, urn, definition, '', '', '', '', 0, 0 FROM scim_schema WHERE workspace_id = $1
		UNION ALL SELECT 9, 0, name, definition, '', '', '', '', 0, 0 FROM attribute WHERE workspace_id = $1
		UNION ALL SELECT 10, 0, source_id, sources, '', '', '', '', 0, 0 FROM attribute_map WHERE workspace_id = $1
	) AS parts ORDER BY part, place, a`

func (tx *Tx) loadConfig() (*directory.Config, error) {
	cfg := &directory.Config{}
	err := tx.each(func(r Rows) error {
		var p configPart
		if err := r.Scan(&p.part, &p.place, &p.a, &p.b, &p.c, &p.d, &p.e, &p.f, &p.n, &p.m); err != nil {
			return err
		}
		return p.addTo(cfg)
	}, configOf, tx.workspace)
	return cfg, err
}

// configPart is a row of configOf.
type configPart struct {
	part, place      int64
	a, b, c, d, e, f string
	n                *int64
	m                int64
}

// addTo reads the row as the part that it is.
func (p configPart) addTo(cfg *directory.Config) error {
	at := instant(p.place)
	switch p.part {
	case partWorkspace:
		w := &cfg.Workspace
		w.ID, w.Slug, w.Name, w.Preset, w.Version = p.a, p.b, p.c, p.d, p.place
		w.CreatedAt, w.UpdatedAt = instant(*p.n), instant(p.m)
		return errors.Join(parse("policy", p.e, &w.Policy), parse("enforcement", p.f, &w.Enforcement))
	case partRole:
		role := directory.Role{ID: p.a, Name: p.b, Rank: int(p.place)}
		err := parse("permissions of role "+p.a, p.c, &role.Permissions)
		// Written before permissions had names, when this one was the whole console.
		if *p.n == 0 && slices.Contains(role.Permissions, directory.PermissionSettings) {
			role.Permissions = directory.AdministratorPermissions()
		}
		cfg.Roles = append(cfg.Roles, role)
		return err
	case partMapping:
		cfg.Mappings = append(cfg.Mappings, directory.RoleMapping{ID: p.a, Directory: p.b, Connection: p.c, Match: p.d, Role: p.e})
	case partConnection:
		c := directory.Connection{ID: p.a, Name: p.b, Provider: p.c, Protocol: directory.Protocol(p.d), VerifiedAt: maybeInstant(p.n), CreatedAt: at}
		status, reach, _ := strings.Cut(p.e, " ")
		run, domains, _ := strings.Cut(reach, " ")
		c.Status, c.SessionsRun = directory.ConnectionStatus(status), run == "1"
		if domains != "" {
			c.Domains = strings.Split(domains, ",")
		}
		var err error
		switch c.Protocol {
		case directory.ProtocolSAML:
			err = readSAML(&c, p.f)
		case directory.ProtocolOIDC:
			err = readOIDC(&c, p.f)
		}
		cfg.Connections = append(cfg.Connections, c)
		return err
	case partDirectory:
		status, pilot, _ := strings.Cut(p.f, " ")
		d := directory.Directory{ID: p.a, Name: p.b, Connection: p.c, Status: directoryStatus(*p.n != 0, status), Mode: directory.Mode(p.d), CreatedAt: at}
		err := parse("policy of directory "+p.a, p.e, &d.Override)
		if pilot != "" {
			err = errors.Join(err, parse("pilot of directory "+p.a, pilot, &d.Pilot))
		}
		cfg.Directories = append(cfg.Directories, d)
		return err
	case partApplication:
		app := directory.Application{ID: p.a, Name: p.b}
		err := parse("application "+p.a, p.c, &app)
		app.CreatedAt = at
		cfg.Applications = append(cfg.Applications, app)
		return err
	case partDomain:
		cfg.Domains = append(cfg.Domains, p.a)
	case partSchema:
		schema := directory.Schema{URN: p.a}
		err := parse("schema "+p.a, p.b, &schema)
		cfg.Schemas = append(cfg.Schemas, schema)
		return err
	case partAttribute:
		a := directory.Attribute{Name: p.a}
		err := parse("attribute "+p.a, p.b, &a)
		cfg.Attributes = append(cfg.Attributes, a)
		return err
	case partAttributeMap:
		return addMap(cfg, p.a, p.b)
	}
	return nil
}

func parse(what, text string, into any) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

const appliedState = `SELECT applied FROM workspace WHERE id = $1`

// Applied returns what the last apply left, as the caller encoded it, or "".
func (tx *Tx) Applied() (string, error) {
	var s string
	_, err := tx.one([]any{&s}, appliedState, tx.workspace)
	return s, err
}

const setAppliedState = `UPDATE workspace SET applied = $2 WHERE id = $1`

// SetApplied remembers what an apply left.
func (tx *Tx) SetApplied(state string) { tx.later(setAppliedState, tx.workspace, state) }

const insertRole = `
	INSERT INTO role (workspace_id, id, name, name_folded, rank, permissions, named) VALUES ($1, $2, $3, $4, $5, $6, TRUE)`

const updateRole = `
	UPDATE role SET name = $3, name_folded = $4, rank = $5, permissions = $6, named = TRUE WHERE workspace_id = $1 AND id = $2`

const deleteRole = `DELETE FROM role WHERE workspace_id = $1 AND id = $2`

// SaveRole makes (fresh) or changes a role.
func (tx *Tx) SaveRole(r directory.Role, fresh bool) {
	tx.configuration("role")
	statement := updateRole
	if fresh {
		statement = insertRole
	}
	permissions := r.Permissions
	if permissions == nil {
		permissions = []string{}
	}
	tx.later(statement, tx.workspace, r.ID, r.Name, directory.Fold(r.Name), r.Rank, toJSON(permissions))
}

// DeleteRole removes a role that nobody has.
func (tx *Tx) DeleteRole(id string) {
	tx.configuration("role")
	tx.later(deleteRole, tx.workspace, id)
}

const insertMapping = `
	INSERT INTO role_mapping (workspace_id, id, directory_id, connection_id, pattern, role_id) VALUES ($1, $2, $3, $4, $5, $6)`

const deleteMapping = `DELETE FROM role_mapping WHERE workspace_id = $1 AND id = $2`

// InsertMapping adds a role mapping.
func (tx *Tx) InsertMapping(m directory.RoleMapping) {
	tx.configuration("role mapping")
	tx.later(insertMapping, tx.workspace, m.ID, m.Directory, m.Connection, m.Match, m.Role)
}

// DeleteMapping removes a role mapping.
func (tx *Tx) DeleteMapping(id string) {
	tx.configuration("role mapping")
	tx.later(deleteMapping, tx.workspace, id)
}

// readSAML reads the columns saml and watch, one behind the other. A connection from before there were any has its
// provider's defaults.
func readSAML(c *directory.Connection, columns string) error {
	defaults := directory.DefaultSAML(c.Provider)
	c.SAML = &defaults
	if strings.HasPrefix(columns, " ") || columns == "" {
		return nil
	}
	c.SAML = &directory.SAML{}
	decoder := json.NewDecoder(strings.NewReader(columns))
	if err := decoder.Decode(c.SAML); err != nil {
		return fmt.Errorf("connection %s: %w", c.ID, err)
	}
	if err := decoder.Decode(&c.SAML.Watch); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("keys of connection %s: %w", c.ID, err)
	}
	// A binary of an earlier level changes the certificates and leaves what stands beside them as it is.
	c.SAML.IdPKeys = slices.DeleteFunc(c.SAML.IdPKeys, func(k directory.IdPKey) bool { return !c.SAML.Believes(k.Fingerprint) })
	if len(c.SAML.IdPKeys) == 0 {
		c.SAML.IdPKeys = nil
	}
	return nil
}

// readOIDC reads the column oidc. A connection from before there was one has its provider's defaults.
func readOIDC(c *directory.Connection, settings string) error {
	defaults := directory.DefaultOIDC(c.Provider)
	c.OIDC = &defaults
	if settings == "" {
		return nil
	}
	c.OIDC = &directory.OIDC{}
	if err := json.Unmarshal([]byte(settings), c.OIDC); err != nil {
		return fmt.Errorf("connection %s: %w", c.ID, err)
	}
	return nil
}

const insertConnection = `
	INSERT INTO connection (workspace_id, id, name, name_folded, provider, protocol, status, verified_at, saml, oidc, watch, domains, sessions_run, created_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`

const updateConnection = `
	UPDATE connection SET name = $3, name_folded = $4, provider = $5, protocol = $6, status = $7, verified_at = $8, saml = $9, oidc = $10, watch = $11, domains = $12, sessions_run = $13
	WHERE  workspace_id = $1 AND id = $2`

// A connection that an older binary made has no handle until it is saved.
const insertConnectionHandle = `INSERT INTO connection_handle (connection_id, workspace_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`

const deleteConnection = `DELETE FROM connection WHERE workspace_id = $1 AND id = $2`

const deleteConnectionHandle = `DELETE FROM connection_handle WHERE connection_id = $2 AND workspace_id = $1`

// SaveConnection makes (fresh) or changes a connection.
func (tx *Tx) SaveConnection(c directory.Connection, fresh bool) {
	tx.configuration("connection")
	args := []any{tx.workspace, c.ID, c.Name, directory.Fold(c.Name), c.Provider, string(c.Protocol), string(c.Status), maybeMicros(c.VerifiedAt), "", "", "",
		strings.Join(c.Domains, ","), c.SessionsRun}
	if c.SAML != nil {
		args[8], args[10] = toJSON(c.SAML), watchText(c.SAML.Watch)
	}
	if c.OIDC != nil {
		args[9] = toJSON(c.OIDC)
	}
	if c.SAML != nil && c.SAML.MetadataURL != "" {
		tx.later(beginWatch, tx.workspace, c.ID, micros(tx.now))
	} else {
		tx.later(deleteWatch, tx.workspace, c.ID)
	}
	tx.later(insertConnectionHandle, c.ID, tx.workspace)
	if fresh {
		tx.later(insertConnection, append(args, micros(tx.now))...)
		return
	}
	tx.later(updateConnection, args...)
}

// DeleteConnection removes a connection with its sign-in links and claims; its sessions are the
// caller's to end.
func (tx *Tx) DeleteConnection(id string) {
	tx.configuration("connection")
	for _, statement := range []string{deleteConnection, deleteConnectionHandle, deleteIdentitiesOf, deleteClaimsOf, deleteReplaysOf, deleteStatesOf, deleteWatch, deleteAttributeMap, deleteWarnings, deleteLogoutsOf, deleteTestsOf} {
		tx.later(statement, tx.workspace, id)
	}
}

const insertDirectory = `
	INSERT INTO directory (workspace_id, id, name, name_folded, connection_id, enabled, mode, override, status, pilot, created_at)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`

const updateDirectory = `
	UPDATE directory SET name = $3, name_folded = $4, connection_id = $5, enabled = $6, mode = $7, override = $8, status = $9, pilot = $10
	WHERE  workspace_id = $1 AND id = $2`

// directoryStatus reads where a directory stands. A binary of schema level 3 knows enabled alone, and writes
// it alone: what it switched on is enabled and what it switched off is paused, whatever stood beside.
func directoryStatus(enabled bool, kept string) directory.DirectoryStatus {
	switch status := directory.DirectoryStatus(kept); {
	case enabled:
		return directory.DirectoryEnabled
	case status == directory.DirectoryTesting, status == directory.DirectoryPaused:
		return status
	case status == directory.DirectoryEnabled:
		return directory.DirectoryPaused
	default:
		return directory.DirectoryDraft
	}
}

const deleteDirectory = `DELETE FROM directory WHERE workspace_id = $1 AND id = $2`

// SaveDirectory makes (fresh) or changes a directory.
func (tx *Tx) SaveDirectory(d directory.Directory, fresh bool) {
	tx.configuration("directory")
	pilot := ""
	if len(d.Pilot) > 0 {
		pilot = toJSON(d.Pilot)
	}
	args := []any{tx.workspace, d.ID, d.Name, directory.Fold(d.Name), d.Connection, d.Status == directory.DirectoryEnabled, string(d.Mode), toJSON(d.Override),
		string(d.Status), pilot}
	if fresh {
		tx.later(insertDirectory, append(args, micros(tx.now))...)
		return
	}
	tx.later(updateDirectory, args...)
}

// DeleteDirectory removes a directory's row; its tokens and resources are the caller's to end.
func (tx *Tx) DeleteDirectory(id string) {
	tx.configuration("directory")
	tx.later(deleteDirectory, tx.workspace, id)
	tx.later(deleteAttributeMap, tx.workspace, id)
}
