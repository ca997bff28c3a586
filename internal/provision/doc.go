// Package provision is the only writer of members and groups. SCIM, signing in through a
// connection, people's own acts, and later pull and API, all call it; what happens to a person is
// therefore decided in one place, by the policy of the workspace and the directory.
//
// Service has what directories and people do. Arrive says who somebody is for whom an IdP vouches:
// linked, recognised, made or refused (arrive.go, recognise.go), and Rehearse what Arrive would come to, without
// keeping it; its counterpart for a directory
// that names somebody who is there already is adoption (adopt.go): the rule is
// directory.Config.Meet and stands nowhere else, ProvenAddress is the half of it that both ask, what
// is not certain waits for people (adopt_queue.go, adopt_decide.go), and what was adopted can be
// taken back (adopt_undo.go).
//
// A directory that tests is answered in full, and the people whom it names are staged: resources without a member
// (staged.go). What would become of each is its outcome (outcome.go), of which the plan that people are shown
// and the enabling that carries it out are both made (enable.go).
//
// Attributes of people are put together from what their directory sent, what connections asserted and what people wrote
// (attributes.go), and read again for everybody when a mapping changes (attributes_again.go).
//
// What people do beside a directory passes the hand that does it (hand.go): nobody acts on somebody of a higher role, or gives
// one. They invite (invite_hand.go, whose rule lists share: import.go), edit what nobody else has the say over
// (edit_hand.go), put out, let in and give roles (member.go), and make teams (team.go).
//
// Every change of a member ends in save (save.go). It sees a member go out and does in that
// transaction all that going out means: sessions end, API keys end, one-time links die. There is no other way
// to write a member, so no path can forget it.
//
// Erasing takes a person's data away (erase.go): what is theirs in one transaction, what names them in the log and elsewhere
// in steps that anybody carries on (erase_marks.go says by what they are found there).
//
// What a change means to applications that listen is put into the outbox with it (tell.go); grants sends it.
//
// Locks: a group operation holds its group, then every operation holds the policy (shared) and
// the members it touches in id order; what could take an owner out, or concerns everybody, holds
// the policy exclusively.
//
// The room knows SCIM only as far as membership operations go; resources reach it as Person and
// GroupForm, refusals leave it as errs.
package provision
