// Package dsigtest signs XML for tests: with keys and certificates of its own, in the shapes that
// identity providers use, and with the xmlsec1 program as a second opinion. Only tests import it.
//
// # What it refuses to know
//
// Anything that the server runs with: here documents are taken as they come, and errors end the test.
//
// # Where to start
//
// Sign and Keys; Xmlsec1Sign and Xmlsec1Verify; Response for something to sign.
package dsigtest
