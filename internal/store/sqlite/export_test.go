package sqlite

// Queued is how many transactions wait for the writer.
func (d *Driver) Queued() int { return len(d.writer.requests) }

// Path is where the file is.
func (d *Driver) Path() string { return d.path }
