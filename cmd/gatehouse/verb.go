package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/errs"
)

// verb is one act of an operator, run where the database is open: in the server, or in the
// command itself when there is no server.
type verb func(ctx context.Context, a *app, by audit.Party, args json.RawMessage) (any, error)

// verbs are all that a command may ask for, by name. Commands that show much ask page by page, so
// that neither side holds a whole workspace.
var verbs = map[string]verb{
	"apply":                 runs(applyFile),
	"export":                runs(exportWorkspace),
	"connection.list":       runs(listConnections),
	"connection.show":       runs(showConnection),
	"connection.test":       runs(testConnection),
	"connection.sp-key":     runs(actOnSPKey),
	"connection.idp-key":    runs(actOnIdPKey),
	"connection.metadata":   runs(metadataOfConnection),
	"connection.disable":    runs(disableConnection),
	"connection.guide":      runs(guideConnection),
	"directory.show":        runs(showDirectory),
	"directory.person":      runs(tracePerson),
	"directory.plan":        runs(planDirectory),
	"directory.test":        testDirectory,
	"directory.enable":      enableDirectory,
	"directory.discard":     discardDirectory,
	"directory.pause":       pauseDirectory,
	"directory.pilot":       pilotDirectory,
	"domain.add":            runs(addDomain),
	"domain.verify":         runs(verifyDomain),
	"domain.list":           runs(listDomains),
	"domain.remove":         runs(removeDomain),
	"scim-token.rotate":     runs(rotateToken),
	"scim-token.list":       runs(listTokens),
	"scim-token.revoke":     runs(revokeToken),
	"api-key.create":        runs(createAPIKey),
	"api-key.list":          runs(listAPIKeys),
	"api-key.revoke":        runs(revokeAPIKey),
	"scim-secret.create":    runs(createSecret),
	"scim-secret.list":      runs(listSecrets),
	"scim-secret.trust":     runs(trustIssuer),
	"scim-secret.revoke":    runs(revokeSecret),
	"member.page":           runs(pageMembers),
	"member.show":           runs(showMember),
	"member.invite":         runs(inviteMember),
	"member.resend":         runs(resendInvitation),
	"member.revoke":         runs(revokeInvitation),
	"member.edit":           runs(editMember),
	"member.deactivate":     runs(deactivateMember),
	"member.restore":        runs(restoreMember),
	"member.set-role":       runs(setRole),
	"member.plan-erase":     runs(planErase),
	"member.erase":          runs(eraseMember),
	"adoption.list":         runs(listAdoptions),
	"adoption.allow":        runs(allowAdoption),
	"adoption.refuse":       runs(refuseAdoption),
	"adoption.undo":         runs(undoAdoption),
	"attribute.list":        runs(listAttributes),
	"attribute.define":      runs(defineAttribute),
	"attribute.remove":      runs(removeAttribute),
	"attribute.map":         runs(mapAttributes),
	"attribute.preview":     runs(previewAttributes),
	"role.list":             runs(listRoles),
	"role.show":             runs(showRole),
	"role.add":              runs(addRole),
	"role.rename":           runs(onRole(renameRole)),
	"role.move":             runs(onRole(moveRole)),
	"role.permissions":      runs(onRole(setRolePermissions)),
	"role.remove":           runs(removeRole),
	"team.page":             runs(pageTeams),
	"team.show":             runs(showTeam),
	"team.create":           runs(createTeam),
	"team.rename":           runs(renameTeam),
	"team.delete":           runs(deleteTeam),
	"team.add":              runs(addToTeam),
	"team.remove":           runs(removeFromTeam),
	"import.begin":          runs(beginImport),
	"import.add":            runs(addToImport),
	"import.plan":           runs(planImport),
	"import.start":          runs(startImport),
	"import.stop":           runs(stopImport),
	"import.show":           runs(showImport),
	"mail.list":             runs(listMail),
	"mail.retry":            runs(retryMail),
	"mail.discard":          runs(discardMail),
	"session.list":          runs(listSessions),
	"session.mail":          runs(mailLink),
	"session.revoke":        runs(revokeSessions),
	"session.link":          runs(makeLink),
	"owner.link":            runs(makeOwnerLink),
	"enforcement.show":      runs(showEnforcement),
	"enforcement.plan":      runs(planEnforcement),
	"enforcement.set":       runs(setEnforcement),
	"enforcement.glass":     runs(designateBreakGlass),
	"enforcement.resume":    runs(resumeEnforcement),
	"keys.rotate":           runs(rotateKeys),
	"audit.page":            runs(pageEvents),
	"audit.position":        runs(positionOfEvents),
	"audit.wait":            runs(waitForEvents),
	"audit.strangers":       runs(listStrangers),
	"audit.workspaces":      runs(listWorkspaces),
	"connection.test-begin": runs(beginConnectionTest),
	"connection.test-wait":  runs(waitForTest),
	"explain":               runs(explainPerson),
	"explain.attempt":       runs(explainAttempt),
	"explain.missing":       runs(explainMissing),
}

// request is a verb on its way to where it runs.
type request struct {
	Operator string          `json:"operator"` // name of the OS user
	Args     json.RawMessage `json:"args"`
}

// runs makes a verb of a function on typed arguments.
func runs[A, R any](fn func(ctx context.Context, a *app, by audit.Party, args A) (R, error)) verb {
	return func(ctx context.Context, a *app, by audit.Party, raw json.RawMessage) (any, error) {
		var args A
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&args); err != nil {
			// The server and the command are of different versions; nobody types this.
			return nil, errs.Invalid("version_skew", "The server that runs does not understand this command's request (%v). Use the server's own version of gatehouse.", err)
		}
		return fn(ctx, a, by, args)
	}
}

// perform runs the verb of that name on a and encodes its result.
func perform(ctx context.Context, a *app, name string, r request) (json.RawMessage, error) {
	v, ok := verbs[name]
	if !ok {
		return nil, errs.NotFound("version_skew", "The server that runs does not know the verb %q. Use the server's own version of gatehouse.", name)
	}
	result, err := v(ctx, a, audit.Party{Kind: "operator", Name: r.Operator}, r.Args)
	if err != nil {
		return nil, err
	}
	out, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("encode the result of %s: %w", name, err)
	}
	return out, nil
}

// call runs a verb wherever the database is open and decodes its result.
func call[R any](ctx context.Context, p *program, name string, args any) (R, error) {
	var result R
	b, err := p.open(ctx)
	if err != nil {
		return result, err
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return result, fmt.Errorf("encode the request %s: %w", name, err)
	}
	out, err := b.perform(ctx, name, request{Operator: operatorName(), Args: raw})
	if err != nil {
		return result, err
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return result, fmt.Errorf("read the result of %s: %w", name, err)
	}
	return result, nil
}
