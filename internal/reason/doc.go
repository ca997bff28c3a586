// Package reason is the list of why a sign-in fails: some fifty coded reasons, each with who can mend it, a sentence for the
// person, the cause, what expected and received mean, what to do, and where in each IdP's console to do it.
//
// Events keep precise reasons, of which there are many more: each belongs to one coded reason (Of). Diagnose also looks at what
// came with a refusal, so that one precise reason can have several causes.
//
// Entry points: All, ByCode, Diagnose. docs/sign-in-reasons.md is made of All; the tests of package signin provoke each code
// through the doors, and fail for one that nothing provokes.
//
// The package refuses to know transactions, pages and messages: it is data.
package reason
