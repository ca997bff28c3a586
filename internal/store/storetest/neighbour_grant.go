package storetest

// grantProbes are the methods of what applications are given.
var grantProbes = map[string]probe{}
