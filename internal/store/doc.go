// Package store is the only room that speaks SQL. It holds the statements, the migrations, the
// transaction that is bound to one workspace (Tx), the access that crosses workspaces (System)
// and the sequencer that numbers events after their commit.
//
// One SQL text serves both databases; what really differs sits behind Driver, in store/sqlite
// and store/postgres. A statement stands as a constant beside the method that runs it and binds
// workspace_id first.
//
// Entry points: Open, DB.Write, DB.Read, DB.System. A Tx that changed people, groups or
// configuration and recorded no event does not commit. A refusal (Refuse) rolls back and commits
// only its event and what law 7 adds to it.
//
// The room knows no rule and no protocol: what may happen is decided by its callers.
package store
