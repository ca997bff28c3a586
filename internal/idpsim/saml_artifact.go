package idpsim

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	nsSOAP          = "http://schemas.xmlsoap.org/soap/envelope/"
	bindingArtifact = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"
	bindingSOAP     = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"
	artifactIndex   = 1
	artifactLife    = 3 * time.Minute
	maxArtifacts    = 1000
)

// stored is a response that an artifact stands for.
type stored struct {
	artifact, document string
	until              time.Time
}

// resolvesArtifacts reports whether this vendor is given the Artifact binding here: all but Entra and Google, although of
// none of the others' documents we know that they promise it.
func (k Kind) resolvesArtifacts() bool { return !k.IsEntra() && k != Google }

// keep makes an artifact for a response (bindings section 3.6.4).
func (p *IdP) keep(document string) string {
	source := sha1.Sum([]byte(p.saml.entityID()))
	raw := binary.BigEndian.AppendUint16([]byte{0, 4}, artifactIndex)
	raw = append(append(raw, source[:]...), make([]byte, 20)...)
	_, _ = rand.Read(raw[24:]) // never fails
	artifact := base64.StdEncoding.EncodeToString(raw)
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	if len(p.saml.stored) >= maxArtifacts {
		p.saml.stored = p.saml.stored[1:]
	}
	p.saml.stored = append(p.saml.stored, stored{artifact, document, p.opts.Clock().Add(artifactLife)})
	return artifact
}

// take returns what an artifact stands for, once; "" for nothing.
func (p *IdP) take(artifact string) string {
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	for i, s := range p.saml.stored {
		if s.artifact == artifact {
			p.saml.stored = append(p.saml.stored[:i:i], p.saml.stored[i+1:]...)
			if p.opts.Clock().Before(s.until) {
				return s.document
			}
		}
	}
	return ""
}

func (p *IdP) artifactURL(base string) string {
	return strings.TrimSuffix(base, "/") + "/" + string(p.kind) + "/saml/artifact"
}

// resolveDoor answers an ArtifactResolve by SOAP (bindings section 3.6.5). What is wrong with it is a fault.
func (p *IdP) resolveDoor(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxAuthnRequest))
	var answer string
	if err == nil {
		answer, err = p.resolve(raw, p.artifactURL(origin(r)))
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		answer = el("soap:Fault", "", el("faultcode", "", "soap:Client"), el("faultstring", "", xmlText(sentence(err))))
	}
	_, _ = io.WriteString(w, el("soap:Envelope", attrs("xmlns:soap", nsSOAP), el("soap:Body", "", answer))) // the client may have gone away
}

// resolve checks an ArtifactResolve as strictly as a request, its signature too, and returns the signed ArtifactResponse.
func (p *IdP) resolve(raw []byte, location string) (string, error) {
	s, err := p.samlReady()
	if err != nil {
		return "", err
	}
	root, err := parseTree(raw)
	if err != nil {
		return "", err
	}
	ask := root.child(nsSOAP, "Body").child(nsProtocol, "ArtifactResolve")
	switch {
	case !root.is(nsSOAP, "Envelope") || ask == nil:
		return "", mistake("it is no SOAP envelope with an ArtifactResolve")
	case ask.attr("Destination") != location:
		return "", mistake("Destination is %q, expected %q", ask.attr("Destination"), location)
	case ask.child(nsAssertion, "Issuer").text() != s.Audience:
		return "", mistake("Issuer is %q, expected %q", ask.child(nsAssertion, "Issuer").text(), s.Audience)
	}
	if err := p.signedByApp(ask, s); err != nil {
		return "", err
	}
	keys, err := p.saml.keys()
	if err != nil {
		return "", err
	}
	st := styleOf(p.kind)
	message := p.take(ask.child(nsProtocol, "Artifact").text())
	if _, after, declared := strings.Cut(message, "?>"); declared {
		message = after
	}
	id := p.messageID()
	head := "<" + st.p("ArtifactResponse") + declare(st.p, nsProtocol) + attrs("ID", id, "InResponseTo", ask.attr("ID"), "IssueInstant", instant(p.opts.Clock()), "Version", "2.0") + ">" +
		el(st.a("Issuer"), declare(st.a, nsAssertion), xmlText(p.saml.entityID()))
	status := el(st.p("Status"), "", el(st.p("StatusCode"), attrs("Value", statusPrefix+"Success")))
	// The message inside was shortened by finish; what is signed around it is its canonical form.
	canonical := ""
	if message != "" {
		inside, err := parseTree([]byte(message))
		if err != nil {
			return "", err
		}
		canonical = inside.within(st)
	}
	tail := status + canonical + "</" + st.p("ArtifactResponse") + ">"
	signature, err := signer{key: keys.own, alg: algorithms["rsa-sha256"], style: st}.sign(id, head+tail)
	if err != nil {
		return "", err
	}
	return head + signature + tail, nil
}

// within is the canonical form of a Response inside an element that declares the protocol's namespace already.
func (n *node) within(st style) string {
	var b strings.Builder
	n.write(&b, map[string]string{strings.TrimSuffix(st.p(""), ":"): nsProtocol}, strings.Fields(st.prefixList), nil)
	return b.String()
}

// signedByApp checks the signature inside a message of the application's.
func (p *IdP) signedByApp(n *node, s SAMLSettings) error {
	keys, err := publicKeys(s.SigningCertificates)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		return fmt.Errorf("%w: the application's metadata has no certificate that signs; import it again once it has one", ErrInvalid)
	}
	return verifyElement(n, keys)
}
