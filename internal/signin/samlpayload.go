package signin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/saml"
)

// maxDetail is how much of a sentence is kept that may quote a message, in bytes.
const maxDetail = 1000

// told is why an answer was refused.
type told struct {
	reason  string // of the event
	code    string // that people are told
	refusal *saml.Refusal
	detail  string // where there is no refusal by the library
}

// samlPayload is the payload of a sign-in by an IdP's answer.
type samlPayload struct {
	attempt
	// Request says what the answer's RelayState led to where it led to no sign-in of this
	// browser: "none", "unknown", "expired", "other_connection" or "other_browser".
	Request     string       `json:"request,omitempty"`
	ResponseID  string       `json:"response_id,omitempty"`
	AssertionID string       `json:"assertion_id,omitempty"`
	Issuer      string       `json:"issuer,omitempty"`
	Subject     string       `json:"subject,omitempty"` // once verified
	SkewSeconds int64        `json:"clock_skew_seconds,omitempty"`
	Refusal     *shownReason `json:"refusal,omitempty"`
	Notes       []string     `json:"notes,omitempty"`
	// XML is the decoded answer without the values of its signatures: with them, whoever reads
	// the log could post it again.
	XML json.RawMessage `json:"xml,omitempty"`
}

type shownReason struct {
	Code          string `json:"code"`
	Detail        string `json:"detail,omitempty"`
	StatusCode    string `json:"status_code,omitempty"`
	StatusMessage string `json:"status_message,omitempty"`
}

// payload is what the event keeps of an answer; why is nil for one that was accepted.
func (r *received) payload(session string, why *told, textless bool) json.RawMessage {
	p := samlPayload{attempt: attemptBy(r.Client, directory.MethodSAML), Request: r.pending.found}
	p.Session = session
	if a := r.assertion; a != nil {
		p.ResponseID, p.AssertionID, p.Issuer = cut(a.ResponseID, maxTyped), cut(a.ID, maxTyped), cut(a.Issuer, maxTyped)
		p.Subject, p.SkewSeconds = cut(r.arrival.Shown, maxTyped), int64(math.Round(a.Skew.Seconds()))
		if a.SHA1 {
			p.Notes = append(p.Notes, "a signature with SHA-1 was accepted, by the grace of this connection that ends on "+r.side.connection.SAML.SHA1Until)
		}
		p.Notes = append(p.Notes, encryptionNotes(a.Encryption)...)
	}
	if why != nil {
		p.Refusal = &shownReason{Code: why.code, Detail: why.detail}
		if f := why.refusal; f != nil {
			*p.Refusal = shownReason{Code: why.code, Detail: cut(f.Detail, maxDetail), StatusCode: cut(f.StatusCode, maxTyped), StatusMessage: cut(f.StatusMessage, maxDetail)}
			p.ResponseID, p.AssertionID, p.Issuer = cut(f.ResponseID, maxTyped), cut(f.AssertionID, maxTyped), cut(f.Issuer, maxTyped)
			p.Subject, p.SkewSeconds = cut(f.Subject, maxTyped), int64(math.Round(f.Skew.Seconds()))
		}
	}
	xml := maskSignatures(r.raw)
	if textless {
		xml = nil
		p.Notes = append(p.Notes, fmt.Sprintf("many unverified answers came to this connection, so the text of this one is not kept; it has %d bytes", len(r.Response)))
	}
	if len(r.raw) == 0 && r.Response != "" {
		p.Notes = append(p.Notes, fmt.Sprintf("SAMLResponse could not be decoded; it has %d bytes", len(r.Response)))
	}
	rest := encoded(p)
	shown := fitting(xml, audit.MaxPayload-len(rest)-roomForNotes)
	if shown < len(xml) {
		p.Notes = append(p.Notes, fmt.Sprintf("the XML is cut: %d of %d bytes are kept", shown, len(xml)))
	}
	if shown > 0 {
		p.XML = encoded(string(bytes.ToValidUTF8(xml[:shown], []byte("\uFFFD"))))
	}
	out := encoded(p)
	if len(out) > audit.MaxPayload {
		p.XML = nil
		out = encoded(p)
	}
	return out
}

// encryptionNotes is what the event tells of an assertion that was encrypted.
func encryptionNotes(e saml.Encryption) (notes []string) {
	if e.Content == "" {
		return nil
	}
	notes = append(notes, "the assertion was encrypted with "+e.Content+" and "+e.Transport)
	if e.CBC {
		notes = append(notes, "AES-CBC was accepted, which this connection allows")
	}
	if e.Key > 0 {
		notes = append(notes, "it was opened by an older key of this connection: the identity provider has not taken the newest certificate yet")
	}
	return notes
}

// roomForNotes is what the note of a cut and the name of the field take at the most.
const roomForNotes = 200

// encoded is v as JSON with angle brackets as they are: XML would grow threefold.
func encoded(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil { // strings and numbers, which always encode
		return nil
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// fitting returns how many bytes of text, cut between two characters, fit into limit bytes of a
// JSON string.
func fitting(text []byte, limit int) int {
	size := 2 // the quotes
	for at := 0; at < len(text); {
		r, n := utf8.DecodeRune(text[at:])
		switch {
		case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t':
			size += 2
		case r < ' ' || r == utf8.RuneError || r == '\u2028' || r == '\u2029':
			size += 6
		default:
			size += n
		}
		if size > limit {
			return at
		}
		at += n
	}
	return len(text)
}

// maskSignatures returns XML with the text of each SignatureValue masked. It looks for the name
// alone, so that it works on what is not well-formed, too.
func maskSignatures(xml []byte) []byte {
	name := []byte("SignatureValue")
	if !bytes.Contains(xml, name) {
		return xml
	}
	out := make([]byte, 0, len(xml))
	for {
		at := bytes.Index(xml, name)
		if at < 0 {
			return append(out, xml...)
		}
		end := bytes.IndexByte(xml[at:], '>')
		if end < 0 {
			return append(out, xml[:at+len(name)]...)
		}
		out, xml = append(out, xml[:at+end+1]...), xml[at+end+1:]
		text := bytes.IndexByte(xml, '<')
		if text < 0 {
			text = len(xml)
		}
		if len(bytes.TrimSpace(xml[:text])) > 0 {
			out = append(out, audit.Masked...)
			xml = xml[text:]
		}
	}
}
