package store

import "time"

// SecondFactor is what a break-glass administrator proves beside the password.
type SecondFactor struct {
	Secret    string // sealed
	CreatedAt time.Time
	// ConfirmedAt is when a first one-time password showed that the secret has arrived; zero until then, and the factor
	// is not asked for.
	ConfirmedAt time.Time
	LastStep    int64 // that was used
}

const secondFactorOf = `SELECT secret, created_at, confirmed_at, last_step FROM second_factor WHERE workspace_id = $1 AND member_id = $2`

// SecondFactor returns a member's second factor, or nil.
func (tx *Tx) SecondFactor(member string) (*SecondFactor, error) {
	var f SecondFactor
	var created int64
	var confirmed *int64
	found, err := tx.one([]any{&f.Secret, &created, &confirmed, &f.LastStep}, secondFactorOf, tx.workspace, member)
	if err != nil || !found {
		return nil, err
	}
	f.CreatedAt, f.ConfirmedAt = instant(created), maybeInstant(confirmed)
	return &f, nil
}

const saveSecondFactor = `
	INSERT INTO second_factor (workspace_id, member_id, secret, created_at, confirmed_at, last_step) VALUES ($1, $2, $3, $4, NULL, 0)
	ON CONFLICT (workspace_id, member_id) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at, confirmed_at = NULL, last_step = 0`

// SaveSecondFactor keeps a sealed secret in place of the one that was there. It is not asked for before UseStep confirms it.
func (tx *Tx) SaveSecondFactor(member, sealed string) {
	tx.change("second factor")
	tx.later(saveSecondFactor, tx.workspace, member, sealed, micros(tx.now))
}

const useStep = `
	UPDATE second_factor SET last_step = $3, confirmed_at = COALESCE(confirmed_at, $4)
	WHERE  workspace_id = $1 AND member_id = $2 AND last_step < $3`

// UseStep notes that the one-time password of a step was used, and confirms the factor. Of many at once one is told
// true; a step that is not behind the last one used is told false.
func (tx *Tx) UseStep(member string, step int64) (bool, error) {
	n, err := tx.exec(useStep, tx.workspace, member, step, micros(tx.now))
	return n == 1, err
}

const (
	dropSecondFactor  = `DELETE FROM second_factor WHERE workspace_id = $1 AND member_id = $2`
	dropRecoveryCodes = `DELETE FROM recovery_code WHERE workspace_id = $1 AND member_id = $2`
)

// DropSecondFactor removes a member's second factor.
func (tx *Tx) DropSecondFactor(member string) {
	tx.change("second factor")
	tx.later(dropSecondFactor, tx.workspace, member)
}

// DropRecoveryCodes removes a member's recovery codes, used ones too.
func (tx *Tx) DropRecoveryCodes(member string) {
	tx.change("recovery codes")
	tx.later(dropRecoveryCodes, tx.workspace, member)
}

const insertRecoveryCode = `INSERT INTO recovery_code (workspace_id, member_id, hash, created_at) VALUES ($1, $2, $3, $4)`

// SaveRecoveryCodes gives a member recovery codes, by their hashes, in place of all that there were.
func (tx *Tx) SaveRecoveryCodes(member string, hashes []string) {
	tx.DropRecoveryCodes(member)
	for _, hash := range hashes {
		tx.later(insertRecoveryCode, tx.workspace, member, hash, micros(tx.now))
	}
}

const recoveryCodeOf = `SELECT created_at FROM recovery_code WHERE workspace_id = $1 AND member_id = $2 AND hash = $3 AND used_at IS NULL`

// RecoveryCode reports whether a member has an unused recovery code. It uses none.
func (tx *Tx) RecoveryCode(member, hash string) (bool, error) {
	var created int64
	return tx.one([]any{&created}, recoveryCodeOf, tx.workspace, member, hash)
}

const useRecoveryCode = `UPDATE recovery_code SET used_at = $4 WHERE workspace_id = $1 AND member_id = $2 AND hash = $3 AND used_at IS NULL`

// UseRecoveryCode consumes a recovery code. Of many at once one is told true.
func (tx *Tx) UseRecoveryCode(member, hash string) (bool, error) {
	n, err := tx.exec(useRecoveryCode, tx.workspace, member, hash, micros(tx.now))
	return n == 1, err
}

const recoveryCodesLeft = `
	SELECT COUNT(*), COALESCE(MAX(created_at), 0), COALESCE(SUM(CASE WHEN used_at IS NULL THEN 1 ELSE 0 END), 0)
	FROM   recovery_code WHERE workspace_id = $1 AND member_id = $2`

// RecoveryCodesLeft counts a member's unused recovery codes and tells when they were made, zero for never.
func (tx *Tx) RecoveryCodesLeft(member string) (left int, made time.Time, err error) {
	var all, at, unused int64
	if _, err = tx.one([]any{&all, &at, &unused}, recoveryCodesLeft, tx.workspace, member); err == nil && all > 0 {
		made = instant(at)
	}
	return int(unused), made, err
}

const endSignInLinks = `UPDATE mail_link SET used_at = $2 WHERE workspace_id = $1 AND purpose = $3 AND used_at IS NULL`

const mailSessions = `
	UPDATE session SET ended_at = $2, end_reason = $3, id_token = '', name_id = '', name_hash = ''
	WHERE  workspace_id = $1 AND ended_at IS NULL AND method = 'mail' RETURNING id`

// EndMailAccess ends what a relaxation of enforcement gave: sessions by mailed link, and the links.
func (tx *Tx) EndMailAccess(reason string) (ended int, err error) {
	var ids []string
	if err := tx.each(collect(&ids), mailSessions, tx.workspace, micros(tx.now), reason); err != nil {
		return 0, err
	}
	tx.later(endSignInLinks, tx.workspace, micros(tx.now), LinkSignIn)
	return len(ids), tx.announceEnded(ids)
}

// ConnectionsOf returns the connections that know a subject as each of the members, by member id.
func (tx *Tx) ConnectionsOf(members []string) (map[string][]string, error) {
	out := map[string][]string{}
	err := eachChunk(members, func(part []string) error {
		list, args := in(2, part)
		return tx.each(func(r Rows) error {
			var member, connection string
			if err := r.Scan(&member, &connection); err != nil {
				return err
			}
			out[member] = append(out[member], connection)
			return nil
		}, `SELECT DISTINCT member_id, connection_id FROM identity WHERE workspace_id = $1 AND member_id IN (`+list+`) ORDER BY member_id, connection_id`,
			append([]any{tx.workspace}, args...)...)
	})
	return out, err
}
