package storetest

// jobProbes are the methods of the outbox.
var jobProbes = map[string]probe{
	"InsertJob": nil, // makes an id of its own
	"DeadJobs":  nil, // binds the workspace alone
}
