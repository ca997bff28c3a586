// Package routetest asks every route of a door, as every kind of visitor, whether it lets in exactly those whose
// permissions say so. The list of routes is taken from the mounted mux itself, so that a route which was given no
// permission fails the test. It knows no room of ours: a door's test brings its routes, visitors and addresses, and calls
// Mounted and Table.Run.
package routetest
