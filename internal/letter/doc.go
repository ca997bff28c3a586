// Package letter writes what people are sent by e-mail: a subject, and one content as HTML and as plain text, which say
// the same.
//
// A letter is a [Letter]: paragraphs, at most one button, small print. [Letter.HTML] and [Letter.Text] are both made of
// it, so that neither can say what the other does not. The HTML loads nothing from anywhere and runs nothing.
//
// Names come from identity providers and from people. They become one line without control characters, are cut where
// they are very long, and cannot turn the direction of what stands beside them: right-to-left names are isolated.
//
// It refuses to know how a letter is sent, when, and whether it was.
//
// Entry points: [Invitation], [Welcome], [PasswordReset], [SignInLink], [MailedSignIn], [BreakGlassUsed], [Relaxed], [Resumed]; others fill in a Letter of
// their own.
package letter
