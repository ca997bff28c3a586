package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"

	"github.com/gatehouse-id/gatehouse/saml/samltest"
)

// garbage are posts to the ACS that nobody signed: what a stranger can make the server do.
func (h *house) garbage() []measured {
	encoded := func(xml string) string { return base64.StdEncoding.EncodeToString([]byte(xml)) }
	deep := strings.Repeat("<a>", 20_000) + strings.Repeat("</a>", 20_000)
	forged := h.forged()
	return []measured{
		h.refused("garbage to the ACS: not XML, 10 KB", strings.Repeat("AAAA", 2500), false),
		h.refused("garbage to the ACS: a whole answer, signed by another key", forged, false),
		h.refused("garbage to the ACS: the same, a new address each time", forged, true),
		h.refused("garbage to the ACS: 20,000 levels deep, 140 KB", encoded(deep), false),
		{name: "garbage to the ACS: 5 MiB", against: limitEmpty, byCPU: true, op: h.flood(strings.Repeat("AAAA", 5<<18))},
	}
}

// forged is a right answer in every way, of an IdP that has the name and not the key.
func (h *house) forged() string {
	idp := h.idp
	h.idp = samltest.NewIdP(idp.EntityID)
	defer func() { h.idp = idp }()
	return h.response("", userName("crowd", 1), strings.Fields(strings.Repeat("Some-Group-Of-The-Company-With-A-Name ", 40))...)
}

func (h *house) refused(name, response string, strangers bool) measured {
	form := url.Values{"SAMLResponse": {response}}.Encode()
	return measured{name: name, against: limitEmpty, byCPU: true, op: func(_ context.Context, s *slot) error {
		header := formType
		if strangers {
			n := int(h.next.Add(1))
			header += from(n>>16, n)
		}
		_, err := s.want(403, "POST", acsPath(), header, form)
		return err
	}}
}

// flood posts more than is read. The answer comes while the body is still on its way, and the
// server closes, so each has a connection of its own.
func (h *house) flood(response string) func(context.Context, *slot) error {
	request := []byte(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: gatehouse.test\r\n%sContent-Length: %d\r\n\r\nSAMLResponse=%s",
		acsPath(), formType, len("SAMLResponse=")+len(response), response))
	return func(ctx context.Context, _ *slot) error {
		w, err := dial(ctx, h.child.address)
		if err != nil {
			return err
		}
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			_, _ = w.conn.Write(request) // it is cut off
		}()
		status, answer, err := w.answer()
		w.close()
		<-sent
		if err == nil && status != 403 && status != 413 {
			err = fmt.Errorf("5 MiB: answered %d: %s", status, answer)
		}
		return err
	}
}
