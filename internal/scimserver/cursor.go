package scimserver

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/gatehouse-id/gatehouse/internal/errs"
	"github.com/gatehouse-id/gatehouse/internal/store"
	"github.com/gatehouse-id/gatehouse/scim"
)

// cursor says behind which resource a list goes on (RFC 9865). It is no secret and is not signed: whoever
// writes one of their own gets another page of their own directory.
type cursor struct {
	Query string      `json:"q"`           // what it belongs to
	Total int         `json:"n,omitempty"` // how many there were when the first page was read
	Place store.Place `json:"p"`
	// Key is what the last resource was sorted by, where no column has it.
	Key json.RawMessage `json:"k,omitempty"`
}

// maxCursor is how long a cursor may be: it travels in an address.
const maxCursor = 4 << 10

// queryOf names the list that a cursor is good for. Page size and projection may change on the way.
func (b *backend) queryOf(t *scim.ResourceType, q scim.Query) string {
	filter, by := "", ""
	if q.Filter != nil {
		filter = q.Filter.String()
	}
	if q.SortBy != nil {
		by = q.SortBy.String()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %t", b.scope.Directory, t.Name, filter, by, q.Descending))
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

func (c *cursor) encode() (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	out := base64.RawURLEncoding.EncodeToString(text)
	if len(out) > maxCursor {
		return "", errs.Invalid("too_many", "A resource has too long a value to sort by: these pages cannot be asked for by cursor. Use startIndex.")
	}
	return out, nil
}

// cursorOf reads the cursor of a request, nil for the first page.
func (b *backend) cursorOf(t *scim.ResourceType, q scim.Query) (*cursor, error) {
	if q.Cursor == "" {
		return nil, nil
	}
	c := &cursor{}
	text, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err == nil {
		err = json.Unmarshal(text, c)
	}
	switch {
	case err != nil || c.Total < 0:
		return nil, scim.Errorf(http.StatusBadRequest, scim.TypeInvalidCursor, "The cursor is not one of this server's. Begin again without it.")
	case c.Query != b.queryOf(t, q):
		return nil, scim.Errorf(http.StatusBadRequest, scim.TypeInvalidCursor, "The cursor belongs to another query: resource type, filter and order must stay the same from page to page. Begin again without it.")
	}
	return c, nil
}
