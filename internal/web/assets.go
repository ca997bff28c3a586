package web

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"path"
)

// Assets is the door that serves the kit's own files under /assets/.
type Assets struct{}

// asset is one embedded file, ready to be served.
type asset struct {
	body []byte
	kind string // Content-Type
	hash string // of the body, in the file's address
}

// served are the files of assets/ that browsers may fetch; the templates beside them are not
// among them.
var served = map[string]asset{
	"gatehouse.css": readAsset("gatehouse.css", "text/css; charset=utf-8"),
	"gatehouse.svg": readAsset("gatehouse.svg", "image/svg+xml"),
}

func readAsset(name, kind string) asset {
	// The file is embedded; were it missing, there would be no page of ours without a style, and
	// the tests would say so.
	body, _ := assets.ReadFile(path.Join("assets", name))
	sum := sha256.Sum256(body)
	return asset{body: body, kind: kind, hash: hex.EncodeToString(sum[:6])}
}

// assetURL returns the address of a file with the hash of its content, so that browsers can keep
// it for good and still see the next version at once.
func assetURL(name string) string {
	return "/assets/" + name + "?v=" + served[name].hash
}

// Mount adds GET /assets/{name}.
func (Assets) Mount(mux *http.ServeMux) {
	mux.HandleFunc("GET /assets/{name}", func(w http.ResponseWriter, r *http.Request) {
		file, ok := served[r.PathValue("name")]
		if !ok {
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", file.kind)
		h.Set("X-Content-Type-Options", "nosniff")
		// An SVG opened by itself is a document and could run script, had it any.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-cache")
		if r.URL.Query().Get("v") == file.hash {
			h.Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		_, _ = w.Write(file.body) // the client may have gone away
	})
}
