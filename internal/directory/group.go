package directory

import "time"

// Group is a set of people: pushed by a directory, or made by hand (then a team).
type Group struct {
	ID          string
	Directory   string // directory id; "" is a team
	DisplayName string
	ExternalID  string
	// MappedRole is the id of the highest role that mappings give to this group, or "".
	MappedRole string
	CreatedAt  time.Time
	UpdatedAt  time.Time
}
