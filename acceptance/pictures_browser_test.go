package acceptance

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Widths of a window and of a telephone, and the height of both, in CSS pixels.
const (
	wide   = 1280
	narrow = 390
	tall   = 900
)

// sound looks for what nobody would want on any page and returns it in words: what is wider than the
// window, an id twice, a field or a button without a name.
const sound = `(() => {
  const wrong = [], root = document.documentElement, named = new Set();
  if (root.scrollWidth > root.clientWidth) {
    const widest = [...document.body.querySelectorAll("*")].filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1).slice(0, 3);
    wrong.push("wider than its window by " + (root.scrollWidth - root.clientWidth) + " px: " + widest.map((e) => e.tagName + "." + e.className + "#" + e.id).join(" "));
  }
  for (const e of document.querySelectorAll("section, form, fieldset, li, td, dd, p, details, label")) {
    if (e.clientWidth > 0 && e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === "visible") {
      wrong.push("text sticks out of " + e.tagName + "." + e.className + ": " + e.textContent.trim().slice(0, 60));
    }
  }
  for (const e of document.querySelectorAll("[id]")) {
    if (named.has(e.id)) wrong.push("two elements with the id " + e.id);
    named.add(e.id);
  }
  for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
    if (!e.labels.length && !e.getAttribute("aria-label")) wrong.push("no label for the field " + e.name);
  }
  for (const e of document.querySelectorAll("button, a[href], summary")) {
    if (!e.textContent.trim() && !e.getAttribute("aria-label")) wrong.push("no words on " + e.outerHTML.slice(0, 80));
  }
  return wrong;
})()`

// picture looks at the page, wide and narrow, for what is plainly wrong. Where somebody will see them, it
// takes pictures too, light and dark: "go test -artifacts -outputdir DIR" keeps all of them, and with
// GATEHOUSE_PICTURES=DIR those that the guides show are written there.
func (b *tab) picture(name string) {
	b.t.Helper()
	guides := os.Getenv("GATEHOUSE_PICTURES")
	kept := flag.Lookup("test.artifacts").Value.String() == "true"
	for _, width := range []int64{wide, narrow} {
		b.do("look at "+name, chromedp.EmulateViewport(width, tall), chromedp.Evaluate[chromedp.Void](`window.scrollTo(0, 0)`))
		for _, wrong := range valueOf(b, "examine "+name, chromedp.Evaluate[[]string](sound)) {
			b.t.Errorf("%s, %d px wide: %s", name, width, wrong)
		}
		for _, scheme := range []string{"light", "dark"} {
			file := fmt.Sprintf("%s-%d-%s.png", name, width, scheme)
			if guides != "" && slices.Contains(published, file) {
				b.do("prefer "+scheme, inScheme(scheme))
				b.keep(guides, file, valueOf(b, "take a picture of "+name, chromedp.CaptureScreenshot()))
			}
			if kept {
				b.do("prefer "+scheme, inScheme(scheme))
				b.keep(b.t.ArtifactDir(), file, valueOf(b, "take a picture of all of "+name, chromedp.FullScreenshot(100)))
			}
		}
	}
	b.do("go back to a window", chromedp.EmulateViewport(wide, tall), inScheme("light"))
}

// published are the pictures of the guides: what a window shows of the page.
var published = []string{
	"start-fired-1280-light.png", "product-ended-1280-light.png", "idp-okta-signin-1280-light.png",
	"console-connection-draft-1280-light.png", "console-events-refused-1280-dark.png", "signin-acme-390-dark.png",
}

func (b *tab) keep(folder, file string, image []byte) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(folder, file), image, 0o644); err != nil {
		b.t.Error(err)
	}
}

// inScheme sets the colour scheme that the person prefers.
func inScheme(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
		return err
	})
}
