// Package house holds the rules of the code base as tests: which room may import which, where
// SQL drivers may appear, and that every package says what it is for.
//
// The table is in rooms_test.go. A new room is added to it on purpose, with the rooms that it may
// import. The package has no code of its own and nothing imports it.
package house
