package hostapp

// ability is something that a role of the product opens.
type ability struct {
	What string
	May  bool
}

// ranks are the product's roles, highest first; any other word is the lowest.
var ranks = []string{"Owner", "Admin", "Supervisor", "Agent", "Trainee"}

// abilitiesOf says what a role opens. This is all that the product does with a role.
func abilitiesOf(role string) []ability {
	rank := len(ranks) - 1
	for i, r := range ranks {
		if r == role {
			rank = i
		}
	}
	table := []struct {
		what   string
		lowest int // rank
	}{
		{"Read conversations", 4}, {"Answer customers", 3}, {"Assign conversations", 2}, {"Change queues and hours", 1}, {"See bills", 1},
	}
	out := make([]ability, len(table))
	for i, t := range table {
		out[i] = ability{t.what, rank <= t.lowest}
	}
	return out
}

// ticket is a conversation, made up.
type ticket struct{ From, Subject, Age string }

func tickets() []ticket {
	return []ticket{
		{"Harbour Bakery", "Invoice 2207 shows the old address", "4 min"},
		{"Nordlys Bikes", "Chain guard does not fit", "17 min"},
		{"Casa Verde", "Two parcels, one label", "1 h"},
	}
}
