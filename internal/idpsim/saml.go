package idpsim

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// SAMLSettings is the application as this IdP's administrator entered it under SAML. A new IdP has
// its vendor's defaults and neither ACS URL nor audience.
type SAMLSettings struct {
	// App is the name on the tile.
	App string `json:"app"`
	// ACSURL is where responses are posted; Okta calls it the single sign-on URL, Entra the reply URL.
	ACSURL string `json:"acs_url"`
	// Audience is the application's entityID.
	Audience string `json:"audience"`
	// RelayState goes along with responses that the tile starts.
	RelayState string `json:"relay_state"`
	// NameIDFormat is "emailAddress", "persistent", "transient" or "unspecified".
	NameIDFormat string `json:"name_id_format"`
	// NameID is the expression for its value; "" goes by the format: user.login, but
	// user.pairwiseId when persistent. Transient values are always new.
	NameID string `json:"name_id"`
	// Attributes are the attribute statements; those without a value are left out.
	Attributes []AttributeStatement `json:"attributes"`
	// GroupFilter chooses the groups that user.groups stands for: "all", "none", or "starts_with"
	// with GroupPrefix.
	GroupFilter string `json:"group_filter"`
	GroupPrefix string `json:"group_prefix"`
	// GroupValue sends groups as "name" (Okta) or as object "id" (Entra).
	GroupValue string `json:"group_value"`
	// Sign is what carries a signature: "assertion", "response" or "both".
	Sign string `json:"sign"`
	// Algorithm is "rsa-sha256", "rsa-sha384", "rsa-sha512" or "rsa-sha1"; the digest goes with it.
	Algorithm string `json:"algorithm"`
	// LogoutURL is the application's single logout service and LogoutAnswerURL where its answers go, "" for the same place;
	// LogoutBinding, "redirect" or "post", is how this IdP's messages get there.
	LogoutURL       string `json:"logout_url"`
	LogoutAnswerURL string `json:"logout_answer_url"`
	LogoutBinding   string `json:"logout_binding"`
	// Encrypt is "off" or "on", which an import sets where the application's metadata has a certificate for it; what is wrong
	// on purpose is "cbc", "odd_cbc", "cut_tag", "empty", "rsa1_5", "old_key", for a key that the application has given up, and
	// "forged" and "forged_beside", which is what anybody can encrypt.
	Encrypt string `json:"encrypt"`
	// Certificates of the application, DER in base64: of keys that sign its logout messages and questions for artifacts, and
	// of keys that assertions may be encrypted for, the first of which is taken.
	SigningCertificates    []string `json:"signing_certificates"`
	EncryptionCertificates []string `json:"encryption_certificates"`
}

// answerURL is where logout answers go.
func (s SAMLSettings) answerURL() string {
	if s.LogoutAnswerURL != "" {
		return s.LogoutAnswerURL
	}
	return s.LogoutURL
}

// AttributeStatement maps one attribute. Value is one of the expressions of the package comment.
type AttributeStatement struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// The choices of SAMLSettings, in the order in which pages offer them.
var (
	nameIDFormats = map[string]string{
		"emailAddress": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
		"persistent":   "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
		"transient":    "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
		"unspecified":  "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
	}
	nameIDChoices    = []string{"emailAddress", "persistent", "transient", "unspecified"}
	signChoices      = []string{"assertion", "response", "both"}
	algorithmChoices = []string{"rsa-sha256", "rsa-sha384", "rsa-sha512", "rsa-sha1"}
	filterChoices    = []string{"all", "starts_with", "none"}
	groupChoices     = []string{"name", "id"}
	bindingChoices   = []string{"redirect", "post"}
	encryptChoices   = []string{"off", "on", encryptWithCBC, encryptOddCBC, encryptOldKey, encryptCutTag, encryptEmpty, encryptOldRSA, encryptForged, encryptBeside}
)

// samlDefaults are the settings of a new application: Okta signs response and assertion, Entra the
// assertion. Okta's attributes are those of the application's own guide.
func samlDefaults(kind Kind) SAMLSettings {
	s := SAMLSettings{App: "Omniflow", NameIDFormat: "emailAddress", GroupFilter: "all", Algorithm: "rsa-sha256", LogoutBinding: "redirect", Encrypt: "off"}
	if !kind.IsEntra() {
		s.Sign, s.GroupValue = "both", "name"
		s.Attributes = []AttributeStatement{{"email", "user.email"}, {"firstName", "user.firstName"},
			{"lastName", "user.lastName"}, {"groups", "user.groups"}}
		return s
	}
	const claims, identity = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/", "http://schemas.microsoft.com/identity/claims/"
	s.Sign, s.GroupValue = "assertion", "id"
	s.Attributes = []AttributeStatement{
		{identity + "tenantid", "tenant.id"}, {identity + "objectidentifier", "user.id"},
		{identity + "displayname", "user.displayName"}, {entraGroupsClaim, "user.groups"},
		{identity + "identityprovider", "tenant.issuer"},
		{claims + "givenname", "user.firstName"}, {claims + "surname", "user.lastName"},
		{claims + "emailaddress", "user.email"}, {claims + "name", "user.login"},
	}
	return s
}

// check refuses settings that cannot work.
func (s SAMLSettings) check() error {
	for _, c := range []struct {
		key, got string
		allowed  []string
	}{{"name_id_format", s.NameIDFormat, nameIDChoices}, {"sign", s.Sign, signChoices}, {"algorithm", s.Algorithm, algorithmChoices},
		{"group_filter", s.GroupFilter, filterChoices}, {"group_value", s.GroupValue, groupChoices},
		{"logout_binding", s.LogoutBinding, bindingChoices}, {"encrypt", s.Encrypt, encryptChoices}} {
		if !slices.Contains(c.allowed, c.got) {
			return fmt.Errorf("%w: %s must be one of %s, got %q", ErrInvalid, c.key, strings.Join(c.allowed, ", "), c.got)
		}
	}
	u, err := url.Parse(s.ACSURL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Contains(s.ACSURL, "#") {
		return fmt.Errorf("%w: acs_url must be an http or https URL, got %q", ErrInvalid, s.ACSURL)
	}
	if s.Audience == "" {
		return fmt.Errorf("%w: audience must be the application's entityID, got nothing", ErrInvalid)
	}
	for _, a := range s.Attributes {
		if a.Name == "" {
			return fmt.Errorf("%w: an attribute needs a name", ErrInvalid)
		}
		if err := checkExpression(a.Value); err != nil {
			return err
		}
	}
	if s.NameID != "" {
		return checkExpression(s.NameID)
	}
	return nil
}

func (s SAMLSettings) clone() SAMLSettings {
	s.Attributes = slices.Clone(s.Attributes)
	s.SigningCertificates, s.EncryptionCertificates = slices.Clone(s.SigningCertificates), slices.Clone(s.EncryptionCertificates)
	return s
}

// Issued is a response that this IdP has made, for its page.
type Issued struct {
	Time     time.Time `json:"time"`
	UserName string    `json:"userName"`
	Tile     bool      `json:"tile"` // started at the IdP
	Fault    Fault     `json:"fault"`
	XML      string    `json:"xml"`
}

// shownIssued is the number of responses that an IdP remembers.
const shownIssued = 5

// samlApp is the SAML side of one IdP. It has a lock of its own: people sign in while a sync runs.
type samlApp struct {
	entityID func() string
	tenant   func() string
	keys     func() (*samlKeys, error)

	mu       sync.Mutex // guards what follows
	rotated  *samlKeys  // nil before a rotation
	settings SAMLSettings
	fault    Fault
	last     *Outcome
	issued   []Issued // newest first
	good     *Posting // the last response without a fault, for replays
	stored   []stored // what artifacts stand for
	sessions []SAMLSession

	logoutFault LogoutFault
	goodLogout  *Carrying // the last without a fault, for replays
	awaited     string    // the ID of the last LogoutRequest, until it is answered

	metadataFault MetadataFault
}

// newSAMLApp makes nothing random yet, so that ids of people do not depend on it.
func newSAMLApp(kind Kind, opts *env) *samlApp {
	a := &samlApp{settings: samlDefaults(kind), fault: FaultNone, metadataFault: MetadataGood}
	a.tenant = sync.OnceValue(opts.randomGUID)
	a.entityID = sync.OnceValue(func() string {
		if kind.IsEntra() {
			return "https://sts.windows.net/" + a.tenant() + "/"
		}
		switch kind {
		case OneLogin:
			return "https://app.onelogin.com/saml/metadata/" + a.tenant()
		case JumpCloud:
			return "jumpcloud-" + opts.randomText(8) // whatever its administrator types
		case Google:
			return "https://accounts.google.com/o/saml2?idpid=C" + opts.randomText(8)
		case PingOne:
			return "https://auth.pingone.com/" + a.tenant()
		case CyberArk:
			return "https://idp.my.idaptive.app/" + a.tenant()
		}
		return "http://www.okta.com/exk" + opts.randomText(17)
	})
	a.keys = a.rotating(sync.OnceValues(func() (*samlKeys, error) { return newSAMLKeys(kind.Title(), opts.Clock()) }))
	return a
}

// SAMLEntityID is the issuer of this IdP's assertions, in its vendor's shape.
func (p *IdP) SAMLEntityID() string { return p.saml.entityID() }

// SAMLSettings returns a copy of the settings.
func (p *IdP) SAMLSettings() SAMLSettings {
	p.saml.mu.Lock()
	defer p.saml.mu.Unlock()
	return p.saml.settings.clone()
}

// ConfigureSAML replaces the settings.
func (p *IdP) ConfigureSAML(s SAMLSettings) error {
	if err := s.check(); err != nil {
		return p.samlOutcome("Configure SAML", "", err)
	}
	p.saml.mu.Lock()
	p.saml.settings = s.clone()
	p.saml.mu.Unlock()
	return p.samlOutcome("Configure SAML", "Responses go to "+s.ACSURL+".", nil)
}

// ImportSAML takes ACS URL and audience from the application's metadata at that address.
func (p *IdP) ImportSAML(ctx context.Context, metadataURL string) error {
	raw, err := p.fetchMetadata(ctx, metadataURL)
	if err != nil {
		return p.samlOutcome("Import metadata", "", err)
	}
	return p.ImportSAMLMetadata(raw)
}

// ImportSAMLMetadata takes ACS URL and audience from the application's metadata.
func (p *IdP) ImportSAMLMetadata(raw []byte) error {
	sp, err := readMetadata(raw)
	if err != nil {
		return p.samlOutcome("Import metadata", "", err)
	}
	s := p.SAMLSettings()
	s.Audience, s.ACSURL = sp.entityID, sp.acs
	s.LogoutURL, s.LogoutAnswerURL = sp.logout[s.LogoutBinding], sp.logoutAnswers[s.LogoutBinding]
	s.SigningCertificates, s.EncryptionCertificates, s.Encrypt = sp.signing, sp.encryption, "off"
	if len(sp.encryption) > 0 {
		s.Encrypt = "on"
	}
	return p.ConfigureSAML(s)
}

// samlReady returns the settings, or ErrNotConnected before anybody has entered them.
func (p *IdP) samlReady() (SAMLSettings, error) {
	s := p.SAMLSettings()
	if s.ACSURL == "" {
		return s, fmt.Errorf("%w: give %s the application's ACS URL and entityID first", ErrNotConnected, p.kind)
	}
	return s, nil
}

// samlOutcome keeps what an operation came to, for the page, and hands err on.
func (p *IdP) samlOutcome(name, message string, err error) error {
	o := &Outcome{Time: p.opts.Clock(), Operation: name, OK: err == nil, Message: message}
	if err != nil {
		o.Message = err.Error()
	}
	p.saml.mu.Lock()
	p.saml.last = o
	p.saml.mu.Unlock()
	return err
}
