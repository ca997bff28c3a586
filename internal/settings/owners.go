package settings

import (
	"context"
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/provision"
	"github.com/gatehouse-id/gatehouse/internal/store"
)

// preparedOwner is an owner of the file with the hash of the password, which is made before the
// transaction because it takes long.
type preparedOwner struct {
	ownerPart
	hash string // "" where the file names no password or the owner has one already
}

// noHash stands for a hash in a dry run. It is never stored and no password matches it.
const noHash = "dry run"

// owners reads and hashes the passwords of the owners who have none yet. Mistakes are told together
// with those that are known already.
func (s *Service) owners(ctx context.Context, id string, fresh bool, f *File, dry bool, wrong mistakes) ([]preparedOwner, error) {
	there := map[string]bool{} // who has a password
	if !fresh && len(f.owners) > 0 {
		err := s.DB.Read(ctx, id, func(tx *store.Tx) error {
			for _, o := range f.owners {
				m, err := memberIn(tx, o.email)
				if err != nil {
					return err
				}
				if there[o.email], err = hasPassword(tx, m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	out := make([]preparedOwner, 0, len(f.owners))
	for _, o := range f.owners {
		p := preparedOwner{ownerPart: o}
		if !there[o.email] {
			password := s.password(f.dir, o, &wrong)
			switch {
			case password == "" || len(wrong.list) > 0:
			case dry:
				p.hash = noHash
			default:
				hash, err := s.Passwords.Hash(ctx, password)
				if err != nil {
					return nil, err
				}
				p.hash = hash
			}
		}
		out = append(out, p)
	}
	return out, wrong.err()
}

// memberIn returns the member with an address who is not deactivated, or nil.
func memberIn(tx *store.Tx, address string) (*directory.Member, error) {
	m, err := tx.MemberByEmail(address)
	if errs.Is(err, errs.KindNotFound) || err == nil && m.Sources != 0 {
		return nil, nil
	}
	return m, err
}

// hasPassword reports whether m, who may be nil, has a password.
func hasPassword(tx *store.Tx, m *directory.Member) (bool, error) {
	if m == nil {
		return false, nil
	}
	hash, _, err := tx.Credential(m.ID)
	return hash != "", err
}

// password returns the password of an owner, "" where the file names none. No error repeats it.
func (s *Service) password(dir string, o ownerPart, wrong *mistakes) string {
	var password, path string
	switch {
	case o.passwordEnv != "":
		path = o.path + ".password_env"
		if s.Getenv != nil {
			password = s.Getenv(o.passwordEnv)
		}
		if password == "" {
			wrong.add(o.line, "%s: the environment variable %s is empty or not set", path, o.passwordEnv)
			return ""
		}
	case o.passwordFile != "":
		path = o.path + ".password_file"
		text, err := s.readFile(dir, o.passwordFile)
		if err != nil {
			wrong.add(o.line, "%s: %v", path, err)
			return ""
		}
		password = strings.TrimRight(string(text), "\r\n") // editors end a file with a line break
	default:
		return ""
	}
	if err := keys.CheckPassword(password); err != nil {
		wrong.add(o.line, "%s: %v", path, err)
		return ""
	}
	return password
}

// ensureOwners makes the listed addresses owners and, as the list is exact, takes the role from
// owners who are not in it. They stay members.
func (a *apply) ensureOwners() error {
	if a.before == nil {
		return a.makeOwners()
	}
	before, err := a.ownersNow()
	if err != nil {
		return err
	}
	if err := a.makeOwners(); err != nil {
		return err
	}
	return a.tellOwners(before)
}

// ownersNow are the owners, and whoever has an address that the file lists.
func (a *apply) ownersNow() (map[string]directory.Member, error) {
	owners, err := a.tx.MembersByRole(a.after.Roles.Owner().ID, maxItems)
	if err != nil {
		return nil, err
	}
	out := map[string]directory.Member{}
	for _, m := range owners {
		out[m.ID] = m
	}
	for _, p := range a.people {
		m, err := memberIn(a.tx, p.email)
		if err != nil {
			return nil, err
		}
		if m != nil {
			out[m.ID] = *m
		}
	}
	return out, nil
}

// tellOwners tallies who became an owner or is none any more.
func (a *apply) tellOwners(before map[string]directory.Member) error {
	after, err := a.ownersNow()
	if err != nil {
		return err
	}
	for id := range before {
		if _, there := after[id]; there {
			continue
		}
		m, err := a.tx.Member(id)
		if err != nil {
			return err
		}
		after[id] = *m
	}
	for id, m := range after {
		was := before[id]
		if was.ID == "" || was.Role != m.Role || was.Status() != m.Status() {
			a.tally.owners[id] = provision.Turn{Before: was, After: m}
		}
	}
	return nil
}

// makeOwners is ensureOwners without telling.
func (a *apply) makeOwners() error {
	designated := slices.ContainsFunc(a.people, func(p preparedOwner) bool { return p.breakGlass != nil && *p.breakGlass })
	listed := map[string]bool{}
	for _, p := range a.people {
		listed[directory.Fold(p.email)] = true
		m, err := memberIn(a.tx, p.email)
		if err != nil {
			return err
		}
		has, err := hasPassword(a.tx, m)
		if err != nil {
			return err
		}
		named := p.passwordEnv != "" || p.passwordFile != ""
		if !has && p.hash == "" && named {
			return errStale // they had one when passwords were read
		}
		if !has && !named && p.breakGlass != nil && *p.breakGlass {
			if err := a.mayGoWithoutPassword(p); err != nil {
				return err
			}
		}
		o := provision.Owner{Email: p.email, Name: p.name, PasswordHash: p.hash}
		if p.hash != "" {
			o.PasswordProven = a.tx.Now()
		}
		switch {
		case p.breakGlass != nil:
			o.BreakGlass = *p.breakGlass
		case !designated && m != nil:
			o.BreakGlass = m.BreakGlass
		}
		_, changes, err := provision.EnsureOwner(a.tx, a.after, a.options.Actor, o)
		if err != nil {
			return err
		}
		a.changes = append(a.changes, changes...)
	}
	return a.settleOwners(listed)
}

// mayGoWithoutPassword refuses to move the break-glass designation from somebody who can sign in by
// password to somebody who cannot. Where there is nobody to lose, it is noted.
func (a *apply) mayGoWithoutPassword(p preparedOwner) error {
	now, err := a.tx.BreakGlass(a.after.Roles.Owner().ID)
	if err != nil {
		return err
	}
	if can, err := hasPassword(a.tx, now); err != nil || !can {
		a.notes = append(a.notes, p.path+".break_glass: "+p.email+" has no password yet, and emergency access is by password")
		return err
	}
	var wrong mistakes
	wrong.add(p.line, "%s.break_glass: emergency access is by password and %s has none; give password_env or password_file", p.path, p.email)
	return wrong.err()
}

// settleOwners takes the role from owners, as far as they are in, whom a list that is present does not name, and tells of a
// workspace without any.
func (a *apply) settleOwners(listed map[string]bool) error {
	members, err := a.tx.MembersByRole(a.after.Roles.Owner().ID, maxItems)
	if err != nil {
		return err
	}
	if len(members) == 0 {
		a.notes = append(a.notes, "owners: the workspace has no owner yet")
	}
	for _, m := range members {
		if len(listed) == 0 || listed[directory.Fold(m.Email)] || !m.In() {
			continue
		}
		changes, err := provision.DropOwner(a.tx, a.after, a.options.Actor, m.ID)
		if err != nil {
			return err
		}
		a.changes = append(a.changes, changes...)
	}
	return nil
}
