package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// plan is how much is measured.
type plan struct {
	rounds      int
	each        time.Duration // length of one round of one measure
	people      int           // created one by one over SCIM in the long run
	crowd       int           // people there in all while the rest is measured
	large       int           // members of a large group
	ends        int           // deprovisionings
	starts      int           // starts per figure
	concurrency []int
	databases   []string
	only        string // measures whose name contains it; "" for all
	profiles    string // folder for profiles of the server; "" for none
	dir         string // where databases are made
	scale       *scale // sizes of the large measures, nil for none of them
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	serveAt := flags.String("serve", "", "be the server on this `database` (sqlite:PATH or postgres://...); used by the program itself")
	masterFile := flags.String("master", "", "`file` with the master key of that server; used by the program itself")
	rate := flags.Int("rate", 0, "`requests` a second that that server takes of each directory; used by the program itself")
	large := flags.Bool("large", false, "the large measures alone: a first sync of 100,000 people, groups of 100,000, what one act does to 100,000, an import of 1,000,000")
	quick := flags.Bool("quick", false, "about a minute and a half instead of four: fewer and shorter rounds, fewer people")
	people := flags.Int("n", 0, "`people` created one by one in the long run (default 20000, quick 4000)")
	only := flags.String("only", "", "measure only what has this `name` in it, and its limit")
	databases := flags.String("database", "sqlite,postgres", "which `databases`; \"\" for the measures that need none")
	concurrency := flags.String("c", "", "`concurrency`, a list (default 1,8,32)")
	markdown := flags.Bool("markdown", false, "print the table as docs/benchmarks.md has it")
	profiles := flags.String("profiles", "", "write processor and allocation profiles of the server into this `folder`")
	dir := flags.String("dir", "", "`folder` for the databases, on the disk that is to be measured (default: the system's, unless that is memory)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *serveAt != "" {
		return serve(ctx, *serveAt, *masterFile, *rate)
	}
	p := plan{rounds: 3, each: 500 * time.Millisecond, people: 20_000, crowd: 100_000, large: 10_000, ends: 200, starts: 5, concurrency: []int{1, 8, 32}}
	if *quick {
		p = plan{rounds: 2, each: 250 * time.Millisecond, people: 4000, crowd: 20_000, large: 10_000, ends: 50, starts: 2, concurrency: []int{1, 8, 32}}
	}
	if *people > 0 {
		p.people = *people
		p.crowd = max(p.crowd, p.people)
	}
	if *large {
		p.scale = &scale{sync: 100_000, groups: []int{100, 10_000, 100_000}, replaced: 50_000, walked: 1_000_000, repeats: 5, masses: masses{100_000, 10_000}}
		if *quick {
			p.scale = &scale{sync: 10_000, groups: []int{100, 1_000, 10_000}, replaced: 5_000, walked: 100_000, repeats: 3, masses: masses{10_000, 1_000}}
		}
		p.people = p.scale.sync
	}
	p.only, p.profiles, p.databases = *only, *profiles, strings.FieldsFunc(*databases, func(r rune) bool { return r == ',' })
	if *concurrency != "" {
		p.concurrency = nil
		for _, text := range strings.Split(*concurrency, ",") {
			var c int
			if _, err := fmt.Sscan(text, &c); err != nil || c < 1 || c > maxConcurrency {
				return fmt.Errorf("read -c: expected numbers from 1 to %d, received %q", maxConcurrency, text)
			}
			p.concurrency = append(p.concurrency, c)
		}
	}
	var err error
	if p.dir, err = workFolder(*dir); err != nil {
		return err
	}
	defer os.RemoveAll(p.dir)
	// What was measured before an error is printed all the same.
	r, err := measure(ctx, p)
	if *markdown {
		r.markdown(os.Stdout)
	} else {
		r.text(os.Stdout)
	}
	return err
}

// tmpfsMagic is the type of a file system that is memory (statfs(2)).
const tmpfsMagic = 0x01021994

// workFolder makes the folder for databases. Without a wish it is on a disk: commits to memory
// measure nothing.
func workFolder(wish string) (string, error) {
	parent := wish
	if parent == "" {
		parent = os.TempDir()
		var fs syscall.Statfs_t
		if err := syscall.Statfs(parent, &fs); err == nil && int64(fs.Type) == tmpfsMagic {
			parent = "/var/tmp"
		}
	}
	dir, err := os.MkdirTemp(parent, "gatehouse-bench-")
	if err != nil {
		return "", fmt.Errorf("make folder: %w", err)
	}
	// PostgreSQL's folder is made beside it: as root we run the server as another user.
	return dir, os.Setenv("TMPDIR", parent)
}
