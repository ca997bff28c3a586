package signin

import "strings"

// Names that a User-Agent is searched for, in this order: Edge and Opera also say "Chrome", and
// Chrome also says "Safari"; Android also says "Linux", and iPhones say "Mac OS X".
var (
	browsers = []struct{ mark, name string }{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"SamsungBrowser/", "Samsung Internet"},
		{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}, {"curl/", "curl"}, {"Go-http-client/", "Go program"},
	}
	systems = []struct{ mark, name string }{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"CrOS", "ChromeOS"},
		{"Mac OS X", "macOS"}, {"Linux", "Linux"},
	}
)

// BrowserName says in words which browser a User-Agent claims to be: "Firefox on Linux". It is
// for recognising one's own sessions and proves nothing.
func BrowserName(userAgent string) string {
	find := func(list []struct{ mark, name string }) string {
		for _, entry := range list {
			if strings.Contains(userAgent, entry.mark) {
				return entry.name
			}
		}
		return ""
	}
	browser, system := find(browsers), find(systems)
	switch {
	case browser == "" && system == "":
		return "Unknown browser"
	case browser == "":
		return "Unknown browser on " + system
	case system == "":
		return browser
	}
	return browser + " on " + system
}
