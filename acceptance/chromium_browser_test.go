package acceptance

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for a page to do something. It is spent only when it never does.
const patience = time.Minute

// chromium starts the one Chromium of the test process. It can reach nothing but this machine.
var chromium = sync.OnceValues(func() (context.Context, error) {
	return startChromium(chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"))
})

// startChromium starts one that ends with the tests.
func startChromium(more ...chromedp.ExecAllocatorOption) (context.Context, error) {
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		return nil, errors.New("no Chromium is installed; run make deps")
	}
	options := append(append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path),
		chromedp.Flag("headless", "new"), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true)), more...)
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	closing.Lock()
	before := closeChromium
	closeChromium = func() { cancel(); end(); before() }
	closing.Unlock()
	if err := chromedp.Do(ctx); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	return ctx, nil
}

// closeChromium ends what startChromium started.
var (
	closing       sync.Mutex
	closeChromium = func() {}
)

// person is somebody at a browser of their own: cookies are shared by their tabs and by nobody else's.
type person struct {
	t   *testing.T
	ctx context.Context
}

func newPerson(t *testing.T) *person {
	t.Helper()
	root, err := chromium()
	if err != nil {
		t.Fatal(err)
	}
	return newPersonIn(t, root)
}

// newPersonIn is somebody at one of several Chromiums.
func newPersonIn(t *testing.T, root context.Context) *person {
	t.Helper()
	ctx, cancel := chromedp.NewContext(root, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a window: %v", err)
	}
	return &person{t: t, ctx: ctx}
}

// tab is one tab. What goes wrong in it fails the test when it ends: an error on the console, a
// violation of the content security policy, an answer of 400 and above that was not announced by
// mayAnswer.
type tab struct {
	t        *testing.T
	ctx      context.Context
	noScript bool // pages get no script

	mu       sync.Mutex
	changed  chan struct{} // closed at each change, and replaced
	visits   []string      // addresses of the documents that were shown, in order
	loaded   bool          // the newest of them has loaded
	requests []string      // "POST http://..." for each request of a document, redirects included
	troubles []string
	excused  []string
}

// open opens a tab and takes it to an address.
func (p *person) open(address string) *tab {
	p.t.Helper()
	b := &tab{t: p.t, changed: make(chan struct{})}
	var cancel context.CancelFunc
	b.ctx, cancel = chromedp.NewContext(p.ctx, chromedp.WithListener(b.hear))
	p.t.Cleanup(func() {
		b.mu.Lock()
		for _, trouble := range b.troubles {
			p.t.Errorf("in Chromium: %s", trouble)
		}
		b.mu.Unlock()
		cancel()
	})
	if err := chromedp.Do(b.ctx, chromedp.EmulateViewport(wide, tall)); err != nil {
		p.t.Fatalf("open a tab: %v", err)
	}
	b.visit(address)
	return b
}

// hear notes what the browser says of the tab.
func (b *tab) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *cdppage.EventFrameNavigated:
		if e.Frame.ParentID == "" && e.Frame.URL != "about:blank" {
			b.visits = append(b.visits, e.Frame.URL)
			b.loaded = false
		}
	case *cdppage.EventLoadEventFired:
		b.loaded = true
	case *network.EventRequestWillBeSent:
		if e.Type == network.ResourceTypeDocument {
			b.requests = append(b.requests, e.Request.Method+" "+e.Request.URL)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.complain("%s: %s", e.Entry.Text, e.Entry.URL)
		}
	case *runtime.EventExceptionThrown:
		b.complain("uncaught: %s %s", e.ExceptionDetails.Text, e.ExceptionDetails.URL)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning || e.Type == runtime.ConsoleAPICalledTypeAssert {
			b.complain("console.%s", e.Type)
		}
	default:
		return
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *tab) complain(format string, args ...any) {
	trouble := fmt.Sprintf(format, args...)
	if !slices.ContainsFunc(b.excused, func(words string) bool { return strings.Contains(trouble, words) }) {
		b.troubles = append(b.troubles, trouble)
	}
}

// mayAnswer announces that an answer will have a status of 400 or above, which browsers note on
// the console.
func (b *tab) mayAnswer(status int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.excused = append(b.excused, fmt.Sprintf("the server responded with a status of %d", status))
}

// until waits for a condition of what hear notes.
func (b *tab) until(what string, condition func() bool) {
	b.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		b.mu.Lock()
		is, changed := condition(), b.changed
		b.mu.Unlock()
		if is {
			return
		}
		select {
		case <-changed:
		case <-late.C:
			b.fail("waited for %s", what)
		}
	}
}

// fail ends the test with what the tab shows.
func (b *tab) fail(format string, args ...any) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`document.body ? document.body.innerText : ""`))
	b.mu.Lock()
	visits, requests := strings.Join(b.visits, "\n  "), strings.Join(b.requests, "\n  ")
	b.mu.Unlock()
	b.t.Fatalf("%s; the tab was at\n  %s\nasked for\n  %s\nand shows:\n%s", fmt.Sprintf(format, args...), visits, requests, text)
}

// do runs actions that must succeed within patience.
func (b *tab) do(what string, actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.fail("%s: %v", what, err)
	}
}

// valueOf runs an action that gives a value.
func valueOf[T any](b *tab, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.fail("%s: %v", what, err)
	}
	return v
}

// visit goes to an address, as if it were typed.
func (b *tab) visit(address string) {
	b.t.Helper()
	b.do("go to "+address, chromedp.Navigate(address))
}

// arrive does something that leads to another document, and waits until one has loaded whose address
// begins with where; there may be others on the way.
func (b *tab) arrive(where string, act func()) {
	b.t.Helper()
	b.mu.Lock()
	before := len(b.visits)
	b.mu.Unlock()
	act()
	b.until("a page at "+where, func() bool {
		return len(b.visits) > before && b.loaded && strings.HasPrefix(b.visits[len(b.visits)-1], where)
	})
}

// follow clicks on what leads to another document.
func (b *tab) follow(sel, where string) {
	b.t.Helper()
	b.arrive(where, func() { b.click(sel) })
}

// click clicks on the first element of a CSS selector, once it is visible.
func (b *tab) click(sel string) {
	b.t.Helper()
	b.do("wait for "+sel, chromedp.WaitVisible(chromedp.CSS(sel)))
	if !b.noScript { // where no script runs nothing moves, and nobody could look
		valueOf(b, "wait until "+sel+" stands still", chromedp.Evaluate[bool](fmt.Sprintf(steady, sel), chromedp.EvalAwaitPromise))
	}
	b.do("click on "+sel, chromedp.Click(chromedp.CSS(sel)))
}

// steady waits until an element has stayed where it is for a while, with nothing over it. A page that is
// still told what happens moves, and a click goes to a place and not to an element.
const steady = `new Promise((done) => {
  const e = document.querySelector(%q);
  e.scrollIntoView({block: "center", behavior: "instant"});
  let before = "", looks = 0;
  const look = () => {
    const r = e.getClientRects()[0];
    const at = r ? [r.x, r.y, r.width, r.height].join() : "";
    const hit = r && document.elementFromPoint(r.x + r.width / 2, r.y + r.height / 2);
    looks = at === before && hit && (e === hit || e.contains(hit)) ? looks + 1 : 0;
    before = at;
    if (looks < 3) setTimeout(look, 20); else done(true);
  };
  look();
})`

// see waits for an element to be visible and returns its text.
func (b *tab) see(sel string) string {
	b.t.Helper()
	b.do("see "+sel, chromedp.WaitVisible(chromedp.CSS(sel)))
	return strings.TrimSpace(valueOf(b, "read "+sel, chromedp.Text(chromedp.CSS(sel))))
}

// wantText waits for an element whose text must have words in it.
func (b *tab) wantText(sel string, words ...string) {
	b.t.Helper()
	text := b.see(sel)
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Errorf("%s says %q, without %q", sel, text, w)
		}
	}
}

// value is what stands in a field.
func (b *tab) value(sel string) string {
	b.t.Helper()
	return valueOf(b, "read the field "+sel, chromedp.Value(chromedp.CSS(sel)))
}

// enter replaces what stands in a field, as one who pastes.
func (b *tab) enter(sel, text string) {
	b.t.Helper()
	b.do("write into "+sel, chromedp.WaitVisible(chromedp.CSS(sel)), chromedp.Focus(chromedp.CSS(sel)),
		chromedp.Evaluate[chromedp.Void](`document.activeElement.select()`),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, input.InsertText, input.InsertTextParams{Text: text})
			return err
		}))
	// A text area gives back its lines with a line feed alone.
	if got := b.value(sel); got != strings.ReplaceAll(text, "\r\n", "\n") {
		b.t.Errorf("%s holds %q after %q was entered", sel, got, text)
	}
}

// choose picks an option by its value.
func (b *tab) choose(sel, value string) {
	b.t.Helper()
	b.do("choose in "+sel, chromedp.WaitVisible(chromedp.CSS(sel)), chromedp.SetValue(chromedp.CSS(sel), value))
	if got := b.value(sel); got != value {
		b.fail("%s offers no %q", sel, value)
	}
}

// count is how many elements a selector finds at this moment.
func (b *tab) count(sel string) int {
	b.t.Helper()
	return valueOf(b, "count "+sel, chromedp.Evaluate[int](fmt.Sprintf(`document.querySelectorAll(%q).length`, sel)))
}

// seen is how many documents were asked for and how many were shown, so that a test can tell that
// nothing goes on by itself.
func (b *tab) seen() [2]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return [2]int{len(b.requests), len(b.visits)}
}

// asked counts the requests of documents by method and the end of their path since a mark of seen.
func (b *tab) asked(since [2]int, method, end string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, request := range b.requests[since[0]:] {
		m, address, _ := strings.Cut(request, " ")
		if u, err := url.Parse(address); err == nil && m == method && strings.HasSuffix(u.Path, end) {
			n++
		}
	}
	return n
}

// wantStill fails where the tab went anywhere since a mark of seen, and where its page could go on
// by itself.
func (b *tab) wantStill(since [2]int) {
	b.t.Helper()
	if n := b.count(`meta[http-equiv="refresh" i]`); n > 0 {
		b.t.Errorf("the page goes on by itself")
	}
	if now := b.seen(); now != since {
		b.t.Errorf("the tab asked for %d documents and showed %d, though nobody touched it", now[0]-since[0], now[1]-since[1])
	}
}
