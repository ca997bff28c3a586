package provision

import (
	"cmp"
	"slices"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// recognised is who an arrival turned out to be. No member means one to be made.
type recognised struct {
	identity *store.Identity // the link by which, nil for a new one
	member   *directory.Member
	how      string // of a link that is new or moves to member, else ""
}

// ids are those whom it concerns: the member, and who has had the link so far.
func (r recognised) ids() []string {
	var ids []string
	if r.member != nil {
		ids = append(ids, r.member.ID)
	}
	if r.moves() {
		ids = append(ids, r.identity.Member)
	}
	return ids
}

// moves reports whether a link that is there becomes the member's.
func (r recognised) moves() bool {
	return r.identity != nil && r.member != nil && r.identity.Member != r.member.ID
}

func (r recognised) same(other recognised) bool {
	return slices.Equal(r.ids(), other.ids()) && r.how == other.how && (r.identity == nil) == (other.identity == nil)
}

// recognise says who an arrival is: by the link of the subject (row 19), by a person of the
// connection's own directory, by an address in a domain that this workspace has proven (row 20),
// or somebody to be made (row 21). With a refusal, the member whom it concerns may be there.
func recognise(tx *store.Tx, cfg *directory.Config, a Arrival) (recognised, error) {
	identity, m, err := tx.IdentityAndMember(a.Connection, a.Subject)
	if a.Invitation != "" && (err == nil || errs.Is(err, errs.KindNotFound)) {
		if found, err := byLetter(tx, cfg, a, identity, m); err != nil || found.member != nil {
			return found, err
		}
	}
	if err == nil {
		return passedOn(tx, cfg, a, identity, m)
	}
	if !errs.Is(err, errs.KindNotFound) {
		return recognised{}, err
	}
	if found, err := ofDirectory(tx, cfg, a); err != nil || found.member != nil {
		return found, err
	}
	if found, err := ofAddress(tx, cfg, a); err != nil || found.member != nil {
		return found, err
	}
	return unknown(tx, cfg, a)
}

// byLetter finds the member to whose address an invitation was sent by hand, for whoever holds its link and is vouched
// for with that address: no address alone makes this link, and an IdP alone cannot (law 6). Neither an owner is found by
// it, nor anybody for a subject who is somebody else here, unless that is the member who was replaced.
func byLetter(tx *store.Tx, cfg *directory.Config, a Arrival, identity *store.Identity, known *directory.Member) (recognised, error) {
	id, address, err := tx.LiveInvitation(a.Invitation)
	if err != nil || id == "" {
		return recognised{}, err
	}
	m, err := tx.Member(id)
	switch {
	case errs.Is(err, errs.KindNotFound):
		return recognised{}, nil
	case err != nil:
		return recognised{}, err
	case m.Stage != directory.StageInvited, m.Sources != 0, m.Directory != "", guarded(cfg, m),
		!directory.SameName(a.Email, m.Email), directory.Fold(m.Email) != address:
		return recognised{}, nil
	case known == nil:
		return recognised{member: m, how: byInvitation}, nil
	case known.ID != m.ID && known.Sources != 0 && known.ID == m.Replaces:
		return recognised{identity: identity, member: m, how: byInvitation}, nil
	}
	return recognised{}, nil
}

// passedOn says whose a link is. It is the member's whom it names, but for a subject that the
// connection's own directory has given to somebody else since: names and addresses are used again
// when people leave or are renamed, and the directory knows whose they are now. It moves then as a
// new link would be made, unless more than the directory put the member out, whom nobody else's
// sign-in shall revive; an owner's is refused to both.
func passedOn(tx *store.Tx, cfg *directory.Config, a Arrival, identity *store.Identity, m *directory.Member) (recognised, error) {
	known := recognised{identity: identity, member: m}
	byHand := m.Sources.Without(directory.SourceIdP).Without(directory.SourceGroupLoss) != 0
	if identity.Shown != a.Shown || byHand || m.Sources == 0 && directory.SameName(a.Shown, m.Email) {
		return known, nil
	}
	var ids []string
	for _, d := range own(cfg, a.Connection) {
		people, err := tx.PeopleAsserted(d.ID, a.Shown, "")
		if err != nil {
			return recognised{}, err
		}
		for _, p := range people {
			if (Arrival{Shown: a.Shown}).names(p.UserName, p.ExternalID, p.Email) {
				ids = append(ids, p.Member)
			}
		}
	}
	switch {
	case len(ids) == 0 || slices.Contains(ids, m.ID):
		return known, nil
	case guarded(cfg, m):
		return recognised{}, errs.Forbidden("account_ambiguous",
			"The subject %q was that of an owner of this workspace, and the directory now names somebody else by it. An owner has to decide: sign in another way.", a.Shown)
	}
	found, err := ofDirectory(tx, cfg, a)
	if found.member != nil {
		found.identity = identity
	}
	return found, err
}

// own are the directories that a connection is beside.
func own(cfg *directory.Config, connection string) []directory.Directory {
	return slices.DeleteFunc(slices.Clone(cfg.Directories), func(d directory.Directory) bool { return d.Connection != connection })
}

// names reports whether an arrival's subject or address is one of somebody's userName and address,
// without regard to letter case, or exactly their externalId.
func (a Arrival) names(userName, externalID, address string) bool {
	for _, asserted := range []string{a.Shown, a.Email} {
		if asserted == "" {
			continue
		}
		if directory.SameName(asserted, userName) || directory.SameName(asserted, address) || asserted == externalID {
			return true
		}
	}
	return false
}

// ofDirectory finds the one person of the connection's own directory whom the arrival names. It
// needs no proven domain, and never makes an owner or the break-glass administrator of somebody:
// they are linked where their own address says so and its domain is proven, and by nothing else.
func ofDirectory(tx *store.Tx, cfg *directory.Config, a Arrival) (recognised, error) {
	var ids []string
	for _, d := range own(cfg, a.Connection) {
		people, err := tx.PeopleAsserted(d.ID, a.Shown, a.Email)
		if err != nil {
			return recognised{}, err
		}
		for _, p := range people {
			if a.names(p.UserName, p.ExternalID, p.Email) {
				ids = append(ids, p.Member)
			}
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	switch len(ids) {
	case 0:
		return recognised{}, nil
	case 1:
	default:
		return recognised{}, errs.Forbidden("account_ambiguous",
			"The assertion names two people of the directory: %q is one and %q another. Correct the attribute mapping in the identity provider.", a.Shown, a.Email)
	}
	m, err := tx.Member(ids[0])
	if err != nil {
		return recognised{}, err
	}
	if !guarded(cfg, m) {
		return recognised{member: m, how: byDirectory}, nil
	}
	if cfg.ProvenAddress(a.Email, m) {
		return recognised{member: m, how: byDomain}, nil
	}
	return recognised{member: m}, errs.Forbidden("owner_not_linked",
		"%s is an owner of this workspace. An owner's account is linked to single sign-on only by an address in a domain that the workspace has proven. Sign in another way.", m.Email)
}

// ofAddress looks at who has the asserted address. In a proven domain it is them. Elsewhere mail is
// not identity: an address in use is refused, and so is a person who is out and came through this
// connection or its directory before, or was put out by hand, rather than made again under a fresh id.
func ofAddress(tx *store.Tx, cfg *directory.Config, a Arrival) (recognised, error) {
	holders, err := tx.MembersByEmail(a.address())
	if err != nil {
		return recognised{}, err
	}
	for i := range holders {
		m := &holders[i]
		same := directory.SameName(a.address(), m.Email)
		switch {
		case m.Sources == 0 && cfg.ProvenAddress(a.Email, m):
			return recognised{member: m, how: byDomain}, nil
		case m.Sources == 0:
			return recognised{}, a.addressTaken()
		case !same || !mayCreate(cfg, a.Connection) && !cfg.Proven(a.address()):
			continue
		}
		known, err := cameThrough(tx, cfg, a.Connection, m)
		if err != nil {
			return recognised{}, err
		}
		// Whom people here put out does not come back by another way in with the same address.
		byHand := m.Sources.Has(directory.SourceOwner) || m.Sources.Has(directory.SourceSafetyNet)
		if known || byHand || cfg.Proven(a.address()) {
			return recognised{member: m}, directory.MaySignIn(cfg, m, a.Method)
		}
	}
	return recognised{}, nil
}

func (a Arrival) addressTaken() error {
	address := a.address()
	if a.Email == "" {
		return errs.Forbidden("address_taken",
			"The address %s belongs to another account of this workspace, and the identity provider does not say that it is verified as yours. Only an address that it sends as verified can be linked.", address)
	}
	return errs.Forbidden("address_taken",
		"The address %s belongs to another account of this workspace, and this sign-in is not linked to it. An owner can prove the domain %s for the workspace; then the two are one.",
		address, cmp.Or(directory.ShownDomain(directory.Domain(address)), "of the address"))
}

// cameThrough reports whether a member is of a connection's own directory or has a link through it.
func cameThrough(tx *store.Tx, cfg *directory.Config, connection string, m *directory.Member) (bool, error) {
	if slices.ContainsFunc(own(cfg, connection), func(d directory.Directory) bool { return d.ID == m.Directory }) {
		return true, nil
	}
	links, err := tx.IdentitiesOf(m.ID)
	return slices.ContainsFunc(links, func(i store.Identity) bool { return i.Connection == connection }), err
}

// mayCreate reports whether a sign-in through a connection may make a member: the policy of its own
// directories, all of them, else the workspace's.
func mayCreate(cfg *directory.Config, connection string) bool {
	dirs := own(cfg, connection)
	if len(dirs) == 0 {
		return cfg.Workspace.Policy.ProvisionOn != directory.ProvisionSCIM
	}
	return !slices.ContainsFunc(dirs, func(d directory.Directory) bool {
		return cfg.PolicyFor(d.ID).ProvisionOn == directory.ProvisionSCIM
	})
}

// unknown decides about an arrival whom nobody here is: whether they may be made, and if not, why
// nobody is there.
func unknown(tx *store.Tx, cfg *directory.Config, a Arrival) (recognised, error) {
	waits, err := stagedArrival(tx, cfg, a)
	if err != nil {
		return recognised{}, err
	}
	if waits {
		return recognised{}, stagedOnly()
	}
	left, err := whoLeft(tx, cfg, a)
	if err != nil {
		return recognised{}, err
	}
	switch create := mayCreate(cfg, a.Connection); {
	case left != nil && create && left.Sources != 0:
		return recognised{member: left}, directory.MaySignIn(cfg, left, a.Method)
	case left != nil:
		return recognised{}, notFound("left_directory")
	case !create && len(own(cfg, a.Connection)) == 0:
		return recognised{}, notFound("no_directory")
	case !create:
		return recognised{}, notFound("not_provisioned")
	}
	return recognised{}, mayHaveAddress(tx, cfg, a)
}

// whoLeft returns a member whom the connection's own directory knew by what is asserted and has
// deleted since, or nil; one who is out before one who is in.
func whoLeft(tx *store.Tx, cfg *directory.Config, a Arrival) (*directory.Member, error) {
	var ids []string
	for _, d := range own(cfg, a.Connection) {
		for _, key := range []string{a.Shown, a.Email} {
			if key == "" {
				continue
			}
			resources, err := tx.SCIMUserClaims(d.ID, key, key)
			if err != nil {
				return nil, err
			}
			for _, u := range resources {
				if !u.RetiredAt.IsZero() && a.names(u.UserName, u.ExternalID, "") {
					ids = append(ids, u.Member)
				}
			}
		}
	}
	members, err := tx.Members(ids)
	if err != nil {
		return nil, err
	}
	var left *directory.Member
	for i := range members {
		m := &members[i]
		if m.Stage != directory.StageErased && (left == nil || left.Sources == 0) {
			left = m
		}
	}
	return left, nil
}

// mayHaveAddress refuses the address that somebody to be made would have.
func mayHaveAddress(tx *store.Tx, cfg *directory.Config, a Arrival) error {
	if a.address() == "" {
		attribute := "email"
		conn, _ := cfg.Connection(a.Connection)
		if conn.Attributes().Email != "" {
			attribute = conn.Attributes().Email
		}
		if a.Method == directory.MethodOIDC {
			return errs.Forbidden("email_missing",
				"The identity provider gives no e-mail address. Expected the claim %q in the ID token or from userinfo; map it there, and allow the scope for it.", attribute)
		}
		return errs.Forbidden("email_missing",
			"The assertion holds no e-mail address. Expected the attribute %q, or a NameID in the format emailAddress; map it in the identity provider.", attribute)
	}
	if !directory.IsAddress(a.address()) {
		return errs.Forbidden("address_invalid", "Expected an e-mail address, received %q.", a.address())
	}
	if a.Email == "" && cfg.Proven(a.Unverified) {
		// Whoever has an address of a proven domain passes for verified everywhere else.
		return errs.Forbidden("email_unverified",
			"The identity provider does not say that %s is verified as your address, and this workspace has proven the domain %s. Have the identity provider send it as verified, or have an administrator provision you.",
			a.Unverified, directory.Domain(a.Unverified))
	}
	err := checkAddress(tx, a.address(), "", true)
	switch {
	case errs.Is(err, errs.KindForbidden):
		return errs.Forbidden("foreign_domain", "The address %s cannot be used here: another workspace has proven its domain.", a.address())
	case errs.Is(err, errs.KindConflict):
		return a.addressTaken()
	default:
		return err
	}
}
