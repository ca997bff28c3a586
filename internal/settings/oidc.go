package settings

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/directory"
	"github.com/gatehouse-id/gatehouse/internal/keys"
	"github.com/gatehouse-id/gatehouse/internal/relyingparty"
)

// maxSecret is how long a client secret may be, in bytes.
const maxSecret = 1024

// clientSecrets are the client secrets that a file names, in the order of its connections; nil where it names
// none.
type clientSecrets struct {
	plain  []string
	master *keys.Master // set where there is one to seal
}

// clientSecrets reads the client secrets that a file names.
func (s *Service) clientSecrets(ctx context.Context, f *File, wrong *mistakes) (clientSecrets, error) {
	var out clientSecrets
	if f.connections == nil {
		return out, nil
	}
	out.plain = make([]string, len(*f.connections))
	for i, part := range *f.connections {
		switch {
		case part.secretEnv != "":
			path := part.path + ".client_secret_env"
			if s.Getenv != nil {
				out.plain[i] = s.Getenv(part.secretEnv)
			}
			if out.plain[i] == "" {
				wrong.add(part.line, "%s: the environment variable %s is not set", path, part.secretEnv)
				continue
			}
		case part.secretFile != "":
			text, err := s.readFile(f.dir, part.secretFile)
			if err != nil {
				wrong.add(part.line, "%s.client_secret_file: %v", part.path, err)
				continue
			}
			out.plain[i] = strings.TrimRight(string(text), "\r\n") // editors end a file with a line break
		default:
			continue
		}
		if err := checkSecret(out.plain[i]); err != nil {
			wrong.add(part.line, "%s: %v", part.path, err)
			continue
		}
		if out.master == nil {
			var err error
			if out.master, err = s.master(ctx); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

func checkSecret(secret string) error {
	if secret == "" || len(secret) > maxSecret || strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("expected a client secret of 1 to %d bytes on one line", maxSecret)
	}
	return nil
}

func (s *Service) master(ctx context.Context) (*keys.Master, error) {
	if s.Master == nil {
		return nil, errors.New("there is no master key to seal a client secret with")
	}
	return s.Master(ctx)
}

// sealSecret returns the sealed text of a client secret: was, where that is the same secret already, so that
// nothing changes.
func sealSecret(master *keys.Master, connection, was, plain string) (string, error) {
	purpose := directory.SecretPurpose(connection)
	if was != "" {
		if had, err := master.Open(purpose, was); err == nil && string(had) == plain {
			return was, nil
		}
	}
	return master.Seal(purpose, []byte(plain))
}

// secretMark tells two sealed secrets apart and says nothing of either: sealed twice, one secret has two.
func secretMark(sealed string) string {
	if sealed == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(sealed))
	return "set, " + hex.EncodeToString(sum[:6])
}

// oidc makes the OIDC side of c what the file says. What it does not mention stays, or is the provider's
// default in a new connection.
func (p *plan) oidc(c *directory.Connection, was directory.Connection, part connectionPart, secret string) {
	if c.Protocol != directory.ProtocolOIDC {
		if part.first != "" {
			p.add(part.line, "%s.%s: expected only with protocol: oidc, received it with %s", part.path, part.first, c.Protocol)
		}
		c.OIDC = nil
		return
	}
	next := directory.DefaultOIDC(c.Provider)
	if c.OIDC != nil {
		next = otherOIDCDefaults(*c.OIDC, was.Provider, c.Provider)
	}
	part.oidcPart.over(&next)
	if part.issuer != "" {
		next.Issuer, _ = tidyIssuer(c.Provider, part.issuer)
	}
	if part.convert != nil && *part.convert {
		p.add(part.line, "%s.idp_initiated: convert: expected only with protocol: saml", part.path)
	}
	if part.idpInitiated != nil {
		next.IdPInitiated = *part.idpInitiated
	}
	for _, k := range attributeKeys() {
		if name, ok := part.attributes[k.name]; ok {
			*k.at(&next.Attributes) = name
		}
	}
	if secret != "" {
		sealed, err := sealSecret(p.secrets.master, c.ID, next.Secret, secret)
		if err != nil {
			p.add(part.line, "%s: the client secret cannot be sealed: %v", part.path, err)
			return
		}
		next.Secret = sealed
	}
	next.Unconfirmed = false // the operator's word
	if err := checkOIDC(c.Provider, next, p.allowPrivate); err != nil {
		p.add(part.line, "%s: %v", part.path, err)
	}
	c.OIDC = &next
}

// over sets what the file says.
func (p oidcPart) over(o *directory.OIDC) {
	set := func(at, to *string) {
		if to != nil {
			*at = *to
		}
	}
	list := func(at, to *[]string) {
		if to != nil {
			*at = noneIfEmpty(*to)
		}
	}
	set(&o.ClientID, p.clientID)
	set(&o.ClientAuth, p.clientAuth)
	set(&o.Prompt, p.prompt)
	set(&o.UserInfo, p.userInfo)
	list(&o.Scopes, p.scopes)
	list(&o.ACRValues, p.acrValues)
	list(&o.Algorithms, p.algorithms)
	list(&o.Audiences, p.audiences)
	list(&o.Tenants, p.tenants)
	list(&o.HostedDomains, p.hosted)
	if p.maxAge != nil {
		if o.MaxAge = p.maxAge; *p.maxAge < 0 {
			o.MaxAge = nil
		}
	}
	if p.callback != nil {
		o.OwnCallback = *p.callback == callbacks[1]
	}
	if p.response != nil {
		o.FormPost = *p.response == responseModes[1]
	}
	if p.logout != nil {
		o.Logout = *p.logout
	}
}

// otherOIDCDefaults is o with what stood at the old provider's default set to the new one's. Values that
// somebody chose stay.
func otherOIDCDefaults(o directory.OIDC, from, to string) directory.OIDC {
	if from == to || from == "" {
		return o
	}
	old, fresh := directory.DefaultOIDC(from), directory.DefaultOIDC(to)
	swap(&o.Issuer, old.Issuer, fresh.Issuer)
	swap(&o.ClientAuth, old.ClientAuth, fresh.ClientAuth)
	swap(&o.UserInfo, old.UserInfo, fresh.UserInfo)
	swap(&o.IdPInitiated, old.IdPInitiated, fresh.IdPInitiated)
	if slices.Equal(o.Scopes, old.Scopes) {
		o.Scopes = fresh.Scopes
	}
	for _, k := range attributeKeys() {
		swap(k.at(&o.Attributes), *k.at(&old.Attributes), *k.at(&fresh.Attributes))
	}
	return o
}

func swap[T comparable](at *T, old, fresh T) {
	if *at == old {
		*at = fresh
	}
}

// tidyIssuer makes an issuer of what people paste for one: the address of its discovery document is cut, and
// Entra's addresses for several tenants become what its documents call itself. discovery says that it was the
// address of a document.
func tidyIssuer(provider, pasted string) (issuer string, discovery bool) {
	issuer, discovery = relyingparty.IssuerOf(strings.TrimSpace(pasted))
	if provider == "entra" {
		for _, many := range []string{"common", "organizations"} {
			issuer = strings.Replace(issuer, "/"+many+"/", "/"+directory.TenantPart+"/", 1)
		}
	}
	return issuer, discovery
}

// completeIssuer asks the discovery document whose address was pasted what it is the document of: it
// may be the same with a slash at its end, which is another name. Where it cannot be asked the tidy
// form stands.
func (s *Service) completeIssuer(ctx context.Context, provider, pasted string) string {
	issuer, discovery := tidyIssuer(provider, pasted)
	if !discovery {
		return issuer
	}
	text, err := s.fetch(ctx, relyingparty.DocumentURL(issuer))
	var document struct {
		Issuer string `json:"issuer"`
	}
	if err == nil && json.Unmarshal(text, &document) == nil && strings.TrimRight(document.Issuer, "/") == strings.TrimRight(issuer, "/") {
		return document.Issuer
	}
	return issuer
}

// completeIssuers does so for the connections of a file. No transaction is open meanwhile.
func (s *Service) completeIssuers(ctx context.Context, f *File) {
	if f.connections == nil {
		return
	}
	for i := range *f.connections {
		part := &(*f.connections)[i]
		if part.issuer != "" {
			provider := ""
			if part.provider != nil {
				provider = *part.provider
			}
			part.issuer = s.completeIssuer(ctx, provider, part.issuer)
		}
	}
}

// checkOIDC tells what cannot be so in an OIDC side, complete or not.
func checkOIDC(provider string, o directory.OIDC, allowPrivate bool) error {
	if o.Issuer != "" {
		if err := checkIssuer(provider, o.Issuer, allowPrivate); err != nil {
			return err
		}
	}
	if strings.HasPrefix(o.ClientID, "http://") || strings.HasPrefix(o.ClientID, "https://") {
		if o.ClientAuth == "private_key_jwt" {
			// What we sign as the client there names the client id as its issuer; ours must not stand there.
			return errors.New("client_id: expected no address with client_auth private_key_jwt")
		}
	}
	for _, text := range append([]string{o.ClientID, o.Prompt}, slices.Concat(o.Scopes, o.ACRValues)...) {
		if strings.ContainsAny(text, "\r\n\t") {
			return errors.New("expected texts on one line")
		}
	}
	for _, text := range slices.Concat(o.Scopes, o.ACRValues) {
		if strings.Contains(text, " ") {
			return fmt.Errorf("expected scopes and acr_values as a list of single words, received %s", quote(text))
		}
	}
	return nil
}

// hosts are those that the issuers of a provider stand at, where it has fixed ones. Okta's and OneLogin's
// customers have names of their own.
var hosts = map[string][]string{
	"google":    {"accounts.google.com"},
	"entra":     {"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn"},
	"jumpcloud": {"oauth.id.jumpcloud.com"},
}

func checkIssuer(provider, issuer string, allowPrivate bool) error {
	u, err := url.Parse(strings.ReplaceAll(issuer, directory.TenantPart, "tenant"))
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("issuer: expected an https URL, received %s", quote(issuer))
	case u.Scheme == "http" && !allowPrivate:
		return fmt.Errorf("issuer: expected https, received %s", quote(issuer))
	case u.User != nil || u.RawQuery != "" || strings.Contains(issuer, "#"):
		return fmt.Errorf("issuer: expected a URL without user name, query and fragment, received %s", quote(issuer))
	case strings.Contains(issuer, directory.TenantPart) && provider != "entra":
		return fmt.Errorf("issuer: expected %s only with the provider entra", directory.TenantPart)
	}
	if known := hosts[provider]; known != nil && !allowPrivate && !slices.Contains(known, u.Host) {
		return fmt.Errorf("issuer: expected one at %s with the provider %s, received %s; for another IdP choose generic", strings.Join(known, " or "), provider, quote(issuer))
	}
	return nil
}

// oidcMayBeActive tells why an OIDC connection cannot sign anybody in, nil if it can.
func oidcMayBeActive(c directory.Connection, allowPrivate bool) error {
	o := c.OIDC
	switch {
	case o == nil || o.Issuer == "":
		return errors.New("expected the IdP's issuer before the connection is active, found none; give issuer")
	case o.ClientID == "":
		return errors.New("expected the client id that the IdP gave before the connection is active, found none; give client_id")
	case !o.Known():
		return errors.New("expected the client secret before the connection is active, found none; give client_secret_env or client_secret_file, or client_auth: private_key_jwt")
	case strings.Contains(o.Issuer, directory.TenantPart) && len(o.Tenants) == 0:
		return errors.New("expected the tenants whose people may sign in, since the issuer is for all of Entra; give tenants")
	case c.Provider == "google" && len(o.HostedDomains) == 0:
		return errors.New("expected the Google Workspace domains whose people may sign in; give hosted_domains")
	}
	return checkOIDC(c.Provider, *o, allowPrivate)
}

// oidc puts the OIDC side of a connection. Its secret is told by a mark.
func (s state) oidc(at string, o *directory.OIDC) {
	if o == nil {
		return
	}
	s[at+".idp_initiated"], s[at+".client_auth"], s[at+".userinfo"], s[at+".logout"] = yesNo(o.IdPInitiated), o.ClientAuth, o.UserInfo, yesNo(o.Logout)
	s[at+".callback"], s[at+".response_mode"] = oneOfTwo(callbacks, o.OwnCallback), oneOfTwo(responseModes, o.FormPost)
	if o.Unconfirmed {
		s[at+unconfirmedKey] = yesNo(true)
	}
	for _, k := range attributeKeys() {
		s.put(at+".attributes."+k.name, *k.at(&o.Attributes))
	}
	for key, value := range map[string]string{"issuer": o.Issuer, "client_id": o.ClientID, "client_secret": secretMark(o.Secret), "prompt": o.Prompt,
		"scopes": strings.Join(o.Scopes, ", "), "acr_values": strings.Join(o.ACRValues, ", "), "algorithms": strings.Join(o.Algorithms, ", "),
		"audiences": strings.Join(o.Audiences, ", "), "tenants": strings.Join(o.Tenants, ", "), "hosted_domains": strings.Join(o.HostedDomains, ", ")} {
		s.put(at+"."+key, value)
	}
	if o.MaxAge != nil {
		s[at+".max_age"] = strconv.Itoa(*o.MaxAge)
	}
}

func oneOfTwo(words []string, second bool) string {
	if second {
		return words[1]
	}
	return words[0]
}
