package idpsim

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
)

// SAMLState is the SAML side of an IdP as scripts see it.
type SAMLState struct {
	Kind        Kind         `json:"kind"`
	EntityID    string       `json:"entity_id"`
	SSOURL      string       `json:"sso_url"`
	MetadataURL string       `json:"metadata_url"`
	Certificate string       `json:"certificate"` // PEM
	Fingerprint string       `json:"fingerprint"` // SHA-256 in hexadecimal
	Settings    SAMLSettings `json:"settings"`
	Fault       Fault        `json:"fault"` // of the next response
	Faults      []faultInfo  `json:"faults"`
	Last        *Outcome     `json:"last,omitempty"`
	Issued      []Issued     `json:"issued"` // newest first

	SLOURL       string            `json:"slo_url,omitempty"`
	ArtifactURL  string            `json:"artifact_url,omitempty"`
	Sessions     []SAMLSession     `json:"sessions"`     // oldest first
	LogoutFault  LogoutFault       `json:"logout_fault"` // of the next logout message
	LogoutFaults []logoutFaultInfo `json:"logout_faults"`

	MetadataFault  MetadataFault   `json:"metadata_fault"`
	MetadataFaults []MetadataFault `json:"metadata_faults"`
}

// samlState collects what is known, for a simulator whose origin is base.
func (p *IdP) samlState(base string) (SAMLState, error) {
	keys, err := p.saml.keys()
	if err != nil {
		return SAMLState{}, err
	}
	s := SAMLState{Kind: p.kind, EntityID: p.saml.entityID(), SSOURL: p.ssoURL(base), MetadataURL: base + "/" + string(p.kind) + "/saml/metadata",
		Certificate: keys.own.PEM(), Fingerprint: keys.own.fingerprint(), Faults: slices.Clone(faults)}
	s.MetadataFaults, s.MetadataFault = MetadataFaults(), p.armedMetadataFault()
	s.Sessions, s.LogoutFaults, s.LogoutFault = p.SAMLSessions(), slices.Clone(logoutFaults), LogoutNone
	if p.kind.logsOut() {
		s.SLOURL = p.sloURL(base)
	}
	if p.kind.resolvesArtifacts() {
		s.ArtifactURL = p.artifactURL(base)
	}
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	if p.saml.logoutFault != "" {
		s.LogoutFault = p.saml.logoutFault
	}
	s.Settings, s.Fault, s.Issued = p.saml.settings.clone(), p.saml.fault, slices.Clone(p.saml.issued)
	if p.saml.last != nil {
		last := *p.saml.last
		s.Last = &last
	}
	return s, nil
}

// SAML returns the SAML side of this IdP with addresses at Options.BaseURL.
func (p *IdP) SAML() (SAMLState, error) { return p.samlState(p.opts.BaseURL) }

// origin is the simulator's as this request sees it.
func origin(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// samlVerb performs one SAML operation for a script; base is the simulator's origin.
type samlVerb func(ctx context.Context, p *IdP, base string, in input) (any, error)

// samlVerbs are the routes below POST /api/{idp}/saml.
var samlVerbs = map[string]samlVerb{
	"":        samlConfigure,
	"/import": samlImport,
	"/fault": func(_ context.Context, p *IdP, _ string, in input) (any, error) {
		var v struct {
			Fault Fault `json:"fault"`
		}
		if err := in.into(&v); err != nil {
			return nil, err
		}
		return v, p.SetSAMLFault(v.Fault)
	},
	"/metadata-fault": func(_ context.Context, p *IdP, _ string, in input) (any, error) {
		var v struct {
			Fault MetadataFault `json:"fault"`
		}
		if err := in.into(&v); err != nil {
			return nil, err
		}
		return v, p.SetMetadataFault(v.Fault)
	},
	"/rotate-key": samlRotate,
	"/sso":        samlSignIn,
	"/tile": func(_ context.Context, p *IdP, _ string, in input) (any, error) {
		var v struct {
			Who string `json:"who"`
		}
		if err := in.into(&v); err != nil {
			return nil, err
		}
		return p.Tile(v.Who)
	},
}

// samlConfigure changes the settings that are given and leaves the others.
func samlConfigure(_ context.Context, p *IdP, _ string, in input) (any, error) {
	s := p.SAMLSettings()
	before := s
	// Or the decoder would write new ones over parts of the old.
	s.Attributes, s.SigningCertificates, s.EncryptionCertificates = nil, nil, nil
	if err := in.into(&s); err != nil {
		return nil, err
	}
	if s.Attributes == nil {
		s.Attributes = before.Attributes
	}
	if s.SigningCertificates == nil {
		s.SigningCertificates = before.SigningCertificates
	}
	if s.EncryptionCertificates == nil {
		s.EncryptionCertificates = before.EncryptionCertificates
	}
	return s, p.ConfigureSAML(s)
}

func samlImport(ctx context.Context, p *IdP, _ string, in input) (any, error) {
	var v struct {
		URL string `json:"url"`
		XML string `json:"xml"`
	}
	if err := in.into(&v); err != nil {
		return nil, err
	}
	var err error
	if v.XML != "" {
		err = p.ImportSAMLMetadata([]byte(v.XML))
	} else {
		err = p.ImportSAML(ctx, v.URL)
	}
	return p.SAMLSettings(), err
}

// samlSignIn answers a request that came by redirect (url) or by form (saml_request, relay_state).
func samlSignIn(_ context.Context, p *IdP, base string, in input) (any, error) {
	var v struct {
		URL         string `json:"url"`
		SAMLRequest string `json:"saml_request"`
		RelayState  string `json:"relay_state"`
		Who         string `json:"who"`
	}
	if err := in.into(&v); err != nil {
		return nil, err
	}
	if v.URL != "" {
		return p.signInAt(v.URL, base, v.Who)
	}
	req, err := p.posted(url.Values{"SAMLRequest": {v.SAMLRequest}, "RelayState": {v.RelayState}}, p.ssoURL(base))
	if err != nil {
		return nil, err
	}
	return p.respond(v.Who, req)
}

// samlRoutes mounts the SAML side of one IdP.
func (p *IdP) samlRoutes(mux *http.ServeMux, protection *http.CrossOriginProtection) {
	at := "/" + string(p.kind)
	mux.HandleFunc("GET /api"+at+"/saml", func(w http.ResponseWriter, r *http.Request) {
		s, err := p.samlState(origin(r))
		if err != nil {
			refuse(w, err, nil)
			return
		}
		respond(w, http.StatusOK, s)
	})
	verbs := maps.Clone(samlVerbs)
	if p.kind.logsOut() {
		maps.Copy(verbs, samlLogoutVerbs)
	}
	p.logoutRoutes(mux, at, protection)
	for path, v := range verbs {
		mux.HandleFunc("POST /api"+at+"/saml"+path, func(w http.ResponseWriter, r *http.Request) {
			in, err := io.ReadAll(r.Body)
			if err != nil {
				refuse(w, fmt.Errorf("%w input: %w", ErrInvalid, err), nil)
				return
			}
			result, err := v(r.Context(), p, origin(r), in)
			if err != nil {
				refuse(w, err, nil)
				return
			}
			respond(w, http.StatusOK, map[string]any{"result": result})
		})
	}
	mux.HandleFunc("GET "+at+"/saml/metadata", p.metadataFile)
	mux.HandleFunc("GET "+at+"/saml/certificate", p.certificateFile)
	p.samlPageRoutes(mux, at)
}

func (p *IdP) metadataFile(w http.ResponseWriter, r *http.Request) {
	if p.strays(w, r) {
		return
	}
	raw, err := p.metadata(origin(r))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	if r.URL.Query().Has("download") {
		w.Header().Set("Content-Disposition", `attachment; filename="`+string(p.kind)+`-metadata.xml"`)
	}
	_, _ = w.Write(raw) // the client has gone away: nobody to tell
}

// certificateFile is what administrators download where no metadata URL is wanted.
func (p *IdP) certificateFile(w http.ResponseWriter, _ *http.Request) {
	keys, err := p.saml.keys()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	w.Header().Set("Content-Disposition", `attachment; filename="`+string(p.kind)+`-certificate.pem"`)
	_, _ = io.WriteString(w, keys.own.PEM()) // as above
}

// packedRequest reads a request that a page of ours carried along.
func (p *IdP) packedRequest(r *http.Request) (*authnRequest, error) {
	v := url.Values{"SAMLRequest": r.PostForm["SAMLRequest"], "RelayState": r.PostForm["RelayState"]}
	return p.redirected(v.Encode(), p.ssoURL(origin(r)))
}
