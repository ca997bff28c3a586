package main

// demoVerbs is the demonstration's place in the command line: a field with a cmd tag in here is a
// verb of its own.
type demoVerbs struct{}
