package letter

import (
	"fmt"
	"time"
)

// day is an instant as letters say it.
func day(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// To is to whom a letter goes, and from which workspace.
type To struct {
	Workspace string // name
	Name      string // of the person, or ""
}

// letter begins a letter; names become such as can stand in one.
func (t To) letter(subject string) Letter {
	return Letter{Subject: subject, Workspace: Name(t.Workspace), Hello: Name(t.Name)}
}

// Invitation asks somebody to accept the invitation of by, a name, behind link, until expires.
func Invitation(to To, by, link string, expires time.Time) Letter {
	l := to.letter("You are invited to " + Name(to.Workspace))
	who := "You are invited"
	if by != "" {
		who = Name(by) + " invites you"
	}
	l.Lines = []string{fmt.Sprintf("%s to join %s.", who, l.Workspace)}
	l.Button, l.Link = "Accept the invitation", link
	l.After = []string{fmt.Sprintf("The link works once, until %s. It is for you alone: do not pass it on.", day(expires))}
	l.Why = "You get this because somebody entered your address. If you did not expect it, you can ignore it: nothing happens."
	return l
}

// Welcome tells somebody whom a directory brought in that they have access. It has no password step: link leads to the
// workspace's own way of signing in.
func Welcome(to To, link string) Letter {
	l := to.letter("You now have access to " + Name(to.Workspace))
	l.Lines = []string{fmt.Sprintf("Your organisation gave you access to %s.", l.Workspace)}
	l.Button, l.Link = "Sign in with your organisation's account", link
	l.After = []string{"There is no password to set."}
	l.Why = "You get this because your organisation's directory named you. If you did not expect it, you can ignore it."
	return l
}

// PasswordReset lets somebody set a new password behind link, until expires.
func PasswordReset(to To, link string, expires time.Time) Letter {
	l := to.letter("Set a new password for " + Name(to.Workspace))
	l.Lines = []string{fmt.Sprintf("Somebody, probably you, asked for a new password for %s.", l.Workspace)}
	l.Button, l.Link = "Set a new password", link
	l.After = []string{fmt.Sprintf("The link works once, until %s. Setting a password signs you out everywhere.", day(expires))}
	l.Why = "If you did not ask for it, ignore this message: your password stays as it is."
	return l
}

// SignInLink signs somebody in once behind link, until expires. An operator made it.
func SignInLink(to To, link string, expires time.Time) Letter {
	l := to.letter("Your sign-in link for " + Name(to.Workspace))
	l.Lines = []string{fmt.Sprintf("Here is a link that signs you in to %s once.", l.Workspace)}
	l.Button, l.Link = "Sign in", link
	l.After = []string{fmt.Sprintf("It works until %s. Whoever has it is you: do not pass it on.", day(expires))}
	l.Why = "An operator of the service sent it. If you do not know why, tell your administrator."
	return l
}

// MailedSignIn signs somebody in once behind link, until expires, while the workspace lets enforcement go. They asked for it.
func MailedSignIn(to To, link string, expires time.Time) Letter {
	l := to.letter("Sign in to " + Name(to.Workspace))
	l.Lines = []string{fmt.Sprintf("Here is a link that signs you in to %s once. It stands in for your organisation's sign-in, which cannot be used at the moment.", l.Workspace)}
	l.Button, l.Link = "Sign in", link
	l.After = []string{fmt.Sprintf("It works until %s. Whoever has it is you: do not pass it on.", day(expires))}
	l.Why = "If you did not ask for it, ignore this message: nothing happens."
	return l
}

// Use is one use of emergency access.
type Use struct {
	Who  string // address of the member
	With string // "a password and a one-time password"
	From string // address of the client, or ""
	At   time.Time
}

// BreakGlassUsed tells an owner that somebody signed in by emergency access. link leads to the event.
func BreakGlassUsed(to To, use Use, link string) Letter {
	l := to.letter("Emergency access was used in " + Name(to.Workspace))
	from := ""
	if use.From != "" {
		from = " from " + Name(use.From)
	}
	l.Lines = []string{fmt.Sprintf("%s signed in to %s by emergency access with %s on %s%s.", Name(use.Who), l.Workspace, use.With, day(use.At), from)}
	l.Button, l.Link = "Look at the event log", link
	l.After = []string{"If nobody had a reason to, end the session and change the break-glass password now."}
	l.Why = "Every owner of the workspace gets this."
	return l
}

// Relaxed tells an owner that who, an address, let enforcement go at an instant, until another. link leads to where it is
// taken back.
func Relaxed(to To, who string, at, until time.Time, link string) Letter {
	l := to.letter("Single sign-on is not required in " + Name(to.Workspace) + " for a while")
	l.Lines = []string{fmt.Sprintf("%s let the requirement of single sign-on in %s go on %s, by emergency access.", Name(who), l.Workspace, day(at)),
		fmt.Sprintf("Until %s, members whom it covers can ask for a link by mail that signs them in once. After that single sign-on is required again by itself.", day(until))}
	l.Button, l.Link = "Look at enforcement", link
	l.After = []string{"If nobody had a reason to, require it again there now: whoever came in by such a link is signed out."}
	l.Why = "Every owner of the workspace gets this."
	return l
}

// Resumed tells an owner that single sign-on is required again since an instant. who did it, "" where its time was over.
func Resumed(to To, who string, at time.Time, link string) Letter {
	l := to.letter("Single sign-on is required again in " + Name(to.Workspace))
	by := "Its time is over."
	if who != "" {
		by = Name(who) + " ended the exception."
	}
	l.Lines = []string{fmt.Sprintf("Since %s single sign-on is required again in %s. %s", day(at), l.Workspace, by), "Whoever had signed in by a link of a letter is signed out."}
	l.Button, l.Link = "Look at enforcement", link
	l.Why = "Every owner of the workspace gets this."
	return l
}
