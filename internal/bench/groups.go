package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// groupCounts are how many groups one answer asserts, each by a name of its own.
var groupCounts = []int{0, 150, 500, 1000, 2000}

const groupsName = "ACS to session, groups asserted: "

// groupMeasures are sign-ins of people with many groups, who have signed in with the same ones before.
func (h *house) groupMeasures() []measured {
	var list []measured
	for i, count := range groupCounts {
		groups := make([]string, count)
		for n := range groups {
			groups[n] = fmt.Sprintf("Some-Group-Of-The-Company-With-A-Name-%04d", n)
		}
		// A few people for each count, so that nobody's groups change from one round to the next.
		asked := func(w *wire, n int) (answer, error) { return h.askedAbout(w, n, h.crowd-1-signers-8*i-n%8, groups) }
		list = append(list, measured{name: groupsName + thousands(count), grows: count, prepare: h.restock(max(stockPace*100/(count+100), 200), asked), op: h.enter})
	}
	return list
}

// perGroup says what each group costs beyond none, and how that compares to a group among 150: 1 where cost grows with their number and no faster.
func perGroup(at int, took, none, at150 time.Duration) string {
	if at == 0 || took <= none || at150 <= none {
		return ""
	}
	each, first := float64(took-none)/float64(at), float64(at150-none)/150
	return fmt.Sprintf("%.2f µs a group, %.2f times that at 150", each/float64(time.Microsecond), each/first)
}

// groupsOf is the count in the name of a benchmark like "g500/81234".
func groupsOf(name string) (int, bool) {
	kind, _, _ := strings.Cut(name, "/")
	digits, found := strings.CutPrefix(kind, "groups")
	n, err := strconv.Atoi(digits)
	return n, found && err == nil
}
