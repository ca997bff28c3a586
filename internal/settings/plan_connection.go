package settings

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
)

// connections are found by name without regard to letter case, as directories are; one that is
// there keeps its name as first written.
func (p *plan) connections() {
	if p.file.connections == nil {
		return
	}
	listed := map[string]bool{}
	for n, part := range *p.file.connections {
		listed[directory.Fold(part.name)] = true
		i := slices.IndexFunc(p.after.Connections, func(c directory.Connection) bool { return strings.EqualFold(c.Name, part.name) })
		if i < 0 {
			if part.provider == nil || part.protocol == nil {
				p.add(part.line, "%s: expected provider and protocol for the new connection %q", part.path, part.name)
				continue
			}
			p.after.Connections = append(p.after.Connections, directory.Connection{ID: keys.ID("con_", p.now), Name: part.name, Status: directory.ConnectionDraft})
			i = len(p.after.Connections) - 1
		}
		var idp identity
		if n < len(p.idps) {
			idp = p.idps[n]
		}
		secret := ""
		if n < len(p.secrets.plain) {
			secret = p.secrets.plain[n]
		}
		p.connection(&p.after.Connections[i], part, idp, secret)
	}
	p.after.Connections = slices.DeleteFunc(p.after.Connections, func(c directory.Connection) bool {
		return !p.keep("connections."+c.Name, listed[directory.Fold(c.Name)])
	})
	p.claimedOnce(*p.file.connections)
}

func (p *plan) connection(c *directory.Connection, part connectionPart, idp identity, secret string) {
	was := *c
	if part.provider != nil {
		c.Provider = *part.provider
	}
	if part.protocol != nil {
		c.Protocol = *part.protocol
	}
	if c.Provider == directory.Generic && was.Provider == directory.Generic && was.Protocol != c.Protocol {
		p.add(part.line, "%s.protocol: %s offers %s alone, and %q is one. Make a second connection for %s", part.path, genericRow(was.Protocol), was.Protocol, c.Name, genericRow(c.Protocol))
	}
	p.saml(c, was, part, idp)
	p.oidc(c, was, part, secret)
	if part.domains != nil {
		c.Domains = cleanDomains(*part.domains)
	}
	if !directory.ProofHolds(was, *c) {
		c.VerifiedAt = time.Time{} // what was proven was another one
	}
	if was.Protocol != c.Protocol && part.status == nil {
		c.Status = directory.ConnectionDraft
	}
	if part.status != nil {
		c.Status = *part.status
		// An operator's word counts as the proof.
		if c.Status == directory.ConnectionActive && (was.Status != c.Status || c.VerifiedAt.IsZero()) {
			c.VerifiedAt = p.now
		}
	}
	p.openSessions(c, part)
	if c.Status != directory.ConnectionActive {
		return
	}
	switch err := mayBeActive(*c, p.allowPrivate); {
	case err == nil:
	case was.Status == c.Status && was.Protocol == c.Protocol && reflect.DeepEqual(was.SAML, c.SAML) && reflect.DeepEqual(was.OIDC, c.OIDC):
		// It was made active when that asked for nothing; taking it back is not this file's wish.
		p.notes = append(p.notes, "connections."+c.Name+": is active and signs nobody in: "+err.Error())
	default:
		p.add(part.line, "%s.status: active: %v", part.path, err)
	}
}

// saml makes the SAML side of c what the file says. What it does not mention stays, or is the
// provider's default in a new connection.
func (p *plan) saml(c *directory.Connection, was directory.Connection, part connectionPart, says identity) {
	idp := says.idp
	if c.Protocol != directory.ProtocolSAML {
		if key := part.samlPart.given(); key != "" {
			p.add(part.line, "%s.%s: expected only with protocol: saml, received it with %s", part.path, key, c.Protocol)
		}
		c.SAML = nil
		return
	}
	next := directory.DefaultSAML(c.Provider)
	if c.SAML != nil {
		next = otherDefaults(*c.SAML, was.Provider, c.Provider)
	}
	if part.idpInitiated != nil {
		next.IdPInitiated, next.ConvertUnasked = *part.idpInitiated, *part.convert
	}
	for _, k := range attributeKeys() {
		if name, ok := part.attributes[k.name]; ok {
			*k.at(&next.Attributes) = name
		}
	}
	p.watch(c, &next, part, says)
	p.samlOptions(c.ID, &next, part)
	next.Unconfirmed = false // the operator's word
	if c.SAML != nil && reflect.DeepEqual(*c.SAML, next) {
		return
	}
	if idp != nil {
		for _, remark := range remarks(idp, next.SignRequests, p.now) {
			p.notes = append(p.notes, "connections."+c.Name+": "+remark)
		}
	}
	if c.SAML != nil {
		for _, line := range changesOf(c.SAML, &next, p.now) {
			if strings.HasPrefix(line.What, "key ") || strings.HasPrefix(line.What, "certificate ") {
				p.notes = append(p.notes, "connections."+c.Name+": "+line.What+": "+cmp.Or(line.To, line.From))
			}
		}
	}
	for _, remark := range choiceRemarks(&next) {
		p.notes = append(p.notes, "connections."+c.Name+": "+remark)
	}
	c.SAML = &next
}

// watch takes over what the file says of the IdP and of where it publishes that. Keys that were removed since are in
// an old file still and are not taken back.
func (p *plan) watch(c *directory.Connection, next *directory.SAML, part connectionPart, says identity) {
	if says.idp != nil {
		idp := *says.idp
		if next.EntityID == idp.EntityID {
			if kept := (&ring{dropped: next.Dropped}).without(idp.Certificates); len(kept) < len(idp.Certificates) {
				idp.Certificates = kept
				p.notes = append(p.notes, "connections."+c.Name+": a certificate of the file was removed since, and is not taken back; gatehouse connection metadata import does that")
			}
		}
		takeOver(next, c.VerifiedAt, &idp, part.source(), p.now)
	}
	switch {
	case part.noMetadataURL:
		next.MetadataURL, next.MetadataSigner = "", nil
	case part.metadataURL != "":
		next.MetadataURL = part.metadataURL
	}
	if says.signer != nil {
		next.MetadataSigner = says.signer
	}
}

// samlOptions sets the choices that the file says, and gives the connection its first key where they need one.
func (p *plan) samlOptions(connection string, next *directory.SAML, part connectionPart) {
	if part.signRequests != nil {
		next.SignRequests = *part.signRequests
	}
	if part.encryption != nil {
		if *part.encryption == "cbc" && next.Encryption != "cbc" {
			p.notes = append(p.notes, part.path+".encryption: "+cbcSentence)
		}
		next.Encryption = encryptionOf(*part.encryption)
	}
	if part.sha1Until != nil {
		if err := checkSHA1Until(next.SHA1Until, *part.sha1Until, p.now); err != nil {
			p.add(part.line, "%s.%v", part.path, err)
		}
		next.SHA1Until = *part.sha1Until
	}
	if part.forceAuthn != nil {
		next.ForceAuthn = *part.forceAuthn
	}
	if part.singleLogout != nil {
		next.SingleLogout = *part.singleLogout
	}
	if part.artifact != nil {
		next.Artifact = *part.artifact
	}
	if part.authnContexts != nil {
		if err := checkContexts(*part.authnContexts); err != nil {
			p.add(part.line, "%s.%v", part.path, err)
		}
		next.AuthnContexts = noneIfEmpty(*part.authnContexts)
	}
	if !needsSPKey(next) || len(p.list) > 0 {
		return
	}
	made := p.spKeys[directory.Fold(part.name)]
	if made == nil {
		p.stale = true // there was one when keys were made
		return
	}
	if err := firstKey(connection, next, made); err != nil {
		p.add(part.line, "%s: %v", part.path, err)
	}
}

// otherDefaults is s with what stood at the old provider's default set to the new one's. Values that
// somebody chose stay.
func otherDefaults(s directory.SAML, from, to string) directory.SAML {
	if from == to || from == "" {
		return s
	}
	old, fresh := directory.DefaultSAML(from), directory.DefaultSAML(to)
	if s.IdPInitiated == old.IdPInitiated && !s.ConvertUnasked {
		s.IdPInitiated = fresh.IdPInitiated
	}
	for _, k := range attributeKeys() {
		if at := k.at(&s.Attributes); *at == *k.at(&old.Attributes) {
			*at = *k.at(&fresh.Attributes)
		}
	}
	return s
}
