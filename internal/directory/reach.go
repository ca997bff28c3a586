package directory

import "slices"

// NoticesLeavers reports whether it is noticed when somebody who signs in through a connection leaves: a directory
// beside it provisions. One that is a draft, testing or paused notices nobody, nor does one that nobody has a credential
// for, which is not told here.
func (c *Config) NoticesLeavers(connection string) bool { return len(c.Noticing(connection)) > 0 }

// Noticing are the ids of the directories that stand beside a connection and provision.
func (c *Config) Noticing(connection string) (ids []string) {
	for _, d := range c.Directories {
		if connection != "" && d.Connection == connection && d.Status == DirectoryEnabled {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// ConnectionsFor picks out of connections, in their order, those that apply to somebody of a domain ([DomainName], "" for not
// known): the one that has the domain; else those that have none; else all, since then nothing says which is theirs.
func ConnectionsFor(domain string, connections []Connection) []Connection {
	if domain == "" {
		return connections
	}
	for _, c := range connections {
		if slices.Contains(c.Domains, domain) {
			return []Connection{c}
		}
	}
	var rest []Connection
	for _, c := range connections {
		if len(c.Domains) == 0 {
			rest = append(rest, c)
		}
	}
	if len(rest) == 0 {
		return connections
	}
	return rest
}

// ConnectionOfDomain finds the connection that has a domain ([DomainName]).
func (c *Config) ConnectionOfDomain(domain string) (Connection, bool) {
	for _, con := range c.Connections {
		if slices.Contains(con.Domains, domain) {
			return con, true
		}
	}
	return Connection{}, false
}
