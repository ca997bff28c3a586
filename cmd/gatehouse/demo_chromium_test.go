package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/gatehouse-id/gatehouse/internal/idpsim"
)

// picturesVariable names a folder for pictures of the pages, light and dark, wide and narrow.
const picturesVariable = "GATEHOUSE_PICTURES"

// startChromium opens a browser with an empty profile and returns its first tab.
func startChromium(t *testing.T) context.Context {
	t.Helper()
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	return newTab(t, allocator)
}

func newTab(t *testing.T, in context.Context) context.Context {
	t.Helper()
	ctx, cancel := chromedp.NewContext(in)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, patience)
	t.Cleanup(cancel)
	return ctx
}

// in does steps in a tab.
func in(t *testing.T, tab context.Context, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(tab, steps...); err != nil {
		where, _ := chromedp.Run(tab, chromedp.Location())
		text, _ := chromedp.Run(tab, chromedp.Text(chromedp.CSS("body")))
		t.Fatalf("%v at %s:\n%s", err, where, text)
	}
}

// text waits for an element and returns what it says.
func text(t *testing.T, tab context.Context, id string) string {
	t.Helper()
	in(t, tab, chromedp.WaitVisible(chromedp.ID(id)))
	said, err := chromedp.Run(tab, chromedp.Text(chromedp.ID(id)))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(said)
}

// picture takes a page light and dark, wide and narrow, where pictures are wanted, and sees that
// nothing sticks out at the side.
func picture(t *testing.T, tab context.Context, name string) {
	t.Helper()
	for _, width := range []int64{1280, 390} {
		for _, scheme := range []string{"light", "dark"} {
			if _, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}); err != nil {
				t.Fatal(err)
			}
			in(t, tab, chromedp.EmulateViewport(width, 900))
			over, err := chromedp.Run(tab, chromedp.Evaluate[float64](`document.documentElement.scrollWidth - window.innerWidth`))
			if err != nil || over > 0 {
				t.Errorf("%s sticks out by %v at %d: %v", name, over, width, err)
			}
			dir := os.Getenv(picturesVariable)
			if dir == "" {
				continue
			}
			shot, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), shot, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	in(t, tab, chromedp.EmulateViewport(1280, 900))
}

// complaints gathers what the pages of a tab complain about: a blocked script would be one.
func complaints(t *testing.T, tab context.Context) func() []string {
	t.Helper()
	var said []string
	done := make(chan struct{})
	ctx, cancel := context.WithCancel(tab)
	messages := chromedp.Console(ctx)
	go func() {
		defer close(done)
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || strings.Contains(m.String(), "Content Security Policy") {
				said = append(said, m.String())
			}
		}
	}()
	return func() []string { cancel(); <-done; return said }
}

// TestTheStoryInABrowser does what the start page says: sign in by SAML, run the sync, fire.
func TestTheStoryInABrowser(t *testing.T) {
	w := oneClient(t, idpsim.Okta, idpsim.Entra)
	first := w.tenants[0]
	if _, err := (&chapter{world: w, t: first}).sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	page, err := w.openStart(w.life, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	start := startChromium(t)
	in(t, start, chromedp.Navigate(page.origin), chromedp.WaitVisible(chromedp.CSS(`#dot[data-state="on"]`)))
	grumbles := complaints(t, start)
	product := newTab(t, start)
	in(t, product, chromedp.Navigate(w.hostOrigin), chromedp.WaitVisible(chromedp.ID("sign-in-acme")))
	picture(t, product, "product-home")

	in(t, product, chromedp.Navigate(page.origin), chromedp.Evaluate[chromedp.Void](`document.getElementById("sign-in").removeAttribute("target")`),
		chromedp.Click(chromedp.ID("sign-in")), chromedp.Click(chromedp.CSS(`a[href^="/auth/saml/"]`)),
		chromedp.Click(chromedp.CSS(`button[data-user="`+page.admin()+`"]`)))
	for id, want := range map[string]string{"member-name": "Zoë Müller", "member-role": "Admin", "member-workspace": "acme"} {
		if said := text(t, product, id); said != want {
			t.Errorf("#%s says %q, want %q", id, said, want)
		}
	}
	in(t, product, chromedp.WaitVisible(chromedp.CSS(`#live[data-state="listening"]`)))
	picture(t, product, "product-desk")

	in(t, start, chromedp.Click(chromedp.ID("sync")))
	if said := text(t, start, "sync-result"); !strings.HasPrefix(said, "25 people and 6 groups; ") {
		t.Errorf("the sync says %q", said)
	}
	if _, err := w.mail.Wait(t.Context(), mailTo("zoe.mueller@globex.test")); err != nil {
		t.Error(err)
	}
	mail := newTab(t, start)
	in(t, mail, chromedp.Navigate(page.origin+mailBase+"/"), chromedp.WaitVisible(chromedp.ID("messages")))
	picture(t, mail, "mail")
	in(t, mail, chromedp.Click(chromedp.CSS("#messages a")), chromedp.WaitVisible(chromedp.ID("text")))
	picture(t, mail, "mail-message")

	in(t, start, chromedp.Click(chromedp.ID("fire")))
	if said := text(t, product, "ended-text"); !strings.HasPrefix(said, "You were signed out: your company ended your access (") {
		t.Errorf("the open page says %q", said)
	}
	shown := text(t, product, "ended-ms")
	in(t, start, chromedp.WaitVisible(chromedp.CSS("#measure-big")))
	if _, err := chromedp.Run(start, chromedp.Poll[bool](`document.getElementById("measure-text").textContent.includes("until the open page said so")`)); err != nil {
		t.Errorf("%v: the start page says %q", err, text(t, start, "measure-text"))
	}
	measured := text(t, start, "measure-ms")
	if cmp.Or(shown, measured) == "" {
		t.Error("no time was measured")
	}
	t.Logf("the open page says %s ms, the start page %s ms", shown, measured)
	picture(t, product, "product-ended")
	picture(t, start, "start")

	in(t, start, chromedp.Click(chromedp.ID("rehire")), chromedp.WaitVisible(chromedp.ID("fire")))
	in(t, product, chromedp.Navigate(w.hostOrigin), chromedp.WaitVisible(chromedp.ID("notice")))
	picture(t, product, "product-notice")
	in(t, product, chromedp.Click(chromedp.ID("sign-in-acme")), chromedp.Click(chromedp.CSS(`a[href^="/auth/saml/"]`)),
		chromedp.Click(chromedp.CSS(`button[data-user="`+page.admin()+`"]`)), chromedp.WaitVisible(chromedp.ID("member")),
		chromedp.Click(chromedp.ID("sign-out")), chromedp.WaitVisible(chromedp.ID("notice")))
	if said := text(t, product, "notice"); !strings.HasPrefix(said, "You are signed out") {
		t.Errorf("after signing out the product says %q", said)
	}
	if said := grumbles(); len(said) > 0 {
		t.Errorf("the start page complains: %q", said)
	}
}
