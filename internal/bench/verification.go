package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// verified is one run of a benchmark of the library.
type verified struct {
	took        time.Duration
	raw         float64 // times the limit
	allocations float64
}

const verifyName = "verification of a signed response"

// verification runs the library's own benchmark, which measures its limit, hashing and RSA alone,
// between its turns, and adds the medians.
func verification(ctx context.Context, p plan, r *report) error {
	if p.only != "" && !strings.Contains(verifyName, strings.ToLower(p.only)) {
		return nil
	}
	progress("%s", verifyName)
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^(BenchmarkVerifyResponse|BenchmarkVerifyGroups)$", "-benchtime", (p.each / 2).String(),
		"-count", strconv.Itoa(2*p.rounds-1), "-cpu", "1", "github.com/gatehouse-id/gatehouse/saml")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", verifyName, err, out)
	}
	names, runs := readBenchmark(out)
	if len(names) == 0 {
		return fmt.Errorf("%s: no figures in\n%s", verifyName, out)
	}
	typical := func(name string) time.Duration {
		return time.Duration(median(runs[name], func(v verified) float64 { return float64(v.took) }))
	}
	at := map[int]time.Duration{}
	for _, name := range names {
		if n, ok := groupsOf(name); ok {
			at[n] = typical(name)
		}
	}
	for _, name := range names {
		list := runs[name]
		took := typical(name)
		more := ""
		if n, ok := groupsOf(name); ok {
			if more = perGroup(n, took, at[0], at[150]); more != "" {
				more = ", " + more
			}
		}
		r.add(row{what: verifyName + ": " + describe(name), c: 1, rate: float64(time.Second) / float64(took), cpu: took,
			ratio: fmt.Sprintf("%.1f times raw", median(list, func(v verified) float64 { return v.raw })),
			value: fmt.Sprintf("%.0f allocations", median(list, func(v verified) float64 { return v.allocations })) + more, aim: verifyAim(name)})
	}
	return nil
}

// describe makes words of a name like "assertion/9578".
func describe(name string) string {
	kind, size, _ := strings.Cut(name, "/")
	n, err := strconv.Atoi(size)
	if err != nil {
		return name
	}
	if groups, ok := groupsOf(name); ok {
		return fmt.Sprintf("%s groups, %.0f KB", thousands(groups), float64(n)/1000)
	}
	return fmt.Sprintf("%s, %.1f KB", map[string]string{"assertion": "assertion signed", "both": "both signed", "g150": "150 groups"}[kind], float64(n)/1000)
}

func verifyAim(name string) string {
	if strings.HasPrefix(name, "g150") {
		return "8 times, 100 allocations"
	}
	if _, ok := groupsOf(name); ok {
		return "as much a group as at 150"
	}
	return "4 times, 100 allocations"
}

// readBenchmark reads what `go test -bench` prints: a name, a count, then pairs of figure and unit.
// names are in the order of the output.
func readBenchmark(out []byte) (names []string, runs map[string][]verified) {
	runs = map[string][]verified{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		_, name, _ := strings.Cut(fields[0], "/")
		var v verified
		for i := 2; i+1 < len(fields); i += 2 {
			n, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				continue
			}
			switch fields[i+1] {
			case "ns/op":
				v.took = time.Duration(n)
			case "x_raw":
				v.raw = n
			case "allocs/op":
				v.allocations = n
			}
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		runs[name] = append(runs[name], v)
	}
	return names, runs
}
