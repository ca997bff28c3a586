package idpsim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// MetadataFault is what is wrong with the metadata that an IdP publishes, until it is set to MetadataGood again. The
// application must take none of it and keep what it had.
type MetadataFault string

// The faults, A43 in the catalogue of attacks.
const (
	MetadataGood    MetadataFault = "none"
	MetadataScript  MetadataFault = "script_location" // people would be sent to a script
	MetadataAnother MetadataFault = "another_entity"  // another organisation's
	MetadataOver    MetadataFault = "expired"         // its validUntil has passed
	MetadataNoKeys  MetadataFault = "no_keys"         // nothing could be verified by it
	MetadataDTD     MetadataFault = "dtd"             // a document type with an entity
	MetadataEndless MetadataFault = "endless"         // over HTTP alone: 100 MiB
	MetadataInside  MetadataFault = "redirect_inside" // over HTTP alone: leads to an address of the application's own network
)

// MetadataFaults lists them, MetadataGood first.
func MetadataFaults() []MetadataFault {
	return []MetadataFault{MetadataGood, MetadataScript, MetadataAnother, MetadataOver, MetadataNoKeys, MetadataDTD, MetadataEndless, MetadataInside}
}

// SetMetadataFault has the metadata be wrong from now on.
func (p *IdP) SetMetadataFault(f MetadataFault) error {
	if !slices.Contains(MetadataFaults(), f) {
		return fmt.Errorf("%w: fault %q; the faults are %v", ErrInvalid, f, MetadataFaults())
	}
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	p.saml.metadataFault = f
	return nil
}

func (p *IdP) armedMetadataFault() MetadataFault {
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	return p.saml.metadataFault
}

// spoiled is the metadata as the fault has it. A signature inside, which Entra's has, is not made anew: applications look
// at it where they were given a key to do so.
func (p *IdP) spoiled(text string, base string) string {
	sso := `Location="` + attrEscaper.Replace(p.ssoURL(base)) + `"`
	root := strings.Index(text, "EntityDescriptor")
	switch p.armedMetadataFault() {
	case MetadataScript:
		return strings.ReplaceAll(text, sso, `Location="javascript:alert(document.domain)//"`)
	case MetadataAnother:
		return strings.Replace(text, `entityID="`+attrEscaper.Replace(p.saml.entityID())+`"`, `entityID="`+p.anotherIssuer()+`"`, 1)
	case MetadataOver:
		at := root + len("EntityDescriptor")
		return text[:at] + ` validUntil="` + instant(p.opts.Clock().Add(-24*time.Hour)) + `"` + text[at:]
	case MetadataNoKeys:
		for {
			from, end := strings.Index(text, "KeyDescriptor"), strings.Index(text, "/KeyDescriptor>")
			if prefixed := strings.Index(text, "/md:KeyDescriptor>"); prefixed >= 0 {
				end = prefixed + len("md:")
			}
			if from < 0 || end < 0 {
				return text
			}
			from = strings.LastIndexByte(text[:from], '<')
			text = text[:from] + text[end+len("/KeyDescriptor>"):]
		}
	case MetadataDTD:
		at := strings.LastIndexByte(text[:root], '<')
		return text[:at] + `<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>` + text[at:]
	}
	return text
}

// strays answers a request for metadata by what is no document, and reports whether it did.
func (p *IdP) strays(w http.ResponseWriter, r *http.Request) bool {
	switch p.armedMetadataFault() {
	case MetadataEndless:
		for block, sent := make([]byte, 1<<20), 0; sent < 100; sent++ {
			if _, err := w.Write(block); err != nil {
				return true // who asks has had enough
			}
		}
		return true
	case MetadataInside:
		http.Redirect(w, r, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
		return true
	}
	return false
}
