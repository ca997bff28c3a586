//go:build race

package saml_test

// raceEnabled makes long loops shorter where every step costs tenfold.
const raceEnabled = true
