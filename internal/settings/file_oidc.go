package settings

import (
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/directory"
)

// oidcPart are the keys of a connection that only OIDC has.
type oidcPart struct {
	issuer     string
	clientID   *string
	secretEnv  string // the name of an environment variable
	secretFile string
	clientAuth *string
	scopes     *[]string
	prompt     *string // "" for none
	maxAge     *int    // seconds; -1 for none
	acrValues  *[]string
	algorithms *[]string
	audiences  *[]string
	tenants    *[]string
	hosted     *[]string
	callback   *string
	response   *string
	userInfo   *string
	logout     *bool

	first string // the first of its keys that the file has, or ""
}

// oidcKeys are its keys as the file spells them.
var oidcKeys = []string{"issuer", "client_id", "client_secret_env", "client_secret_file", "client_auth", "scopes", "prompt", "max_age", "acr_values",
	"algorithms", "audiences", "tenants", "hosted_domains", "callback", "response_mode", "userinfo", "logout"}

func (r *reader) oidc(parts map[string]*yaml.Node, path string, top int) oidcPart {
	var p oidcPart
	for _, key := range oidcKeys {
		if parts[key] != nil && p.first == "" {
			p.first = key
		}
	}
	at := func(key string) string { return path + "." + key }
	r.optional(parts["issuer"], at("issuer"), &p.issuer)
	p.clientID = r.textOrNone(parts["client_id"], at("client_id"))
	r.optional(parts["client_secret_env"], at("client_secret_env"), &p.secretEnv)
	r.optional(parts["client_secret_file"], at("client_secret_file"), &p.secretFile)
	if p.secretEnv != "" && p.secretFile != "" {
		r.add(top, "%s: expected client_secret_env or client_secret_file, received both", path)
	}
	_, algorithms := directory.OIDCAlgorithms()
	p.clientAuth = r.oneWord(parts["client_auth"], at("client_auth"), directory.ClientAuths())
	p.scopes = r.words(parts["scopes"], at("scopes"), nil)
	p.prompt = r.textOrNone(parts["prompt"], at("prompt"))
	p.maxAge = r.seconds(parts["max_age"], at("max_age"))
	p.acrValues = r.words(parts["acr_values"], at("acr_values"), nil)
	p.algorithms = r.words(parts["algorithms"], at("algorithms"), algorithms)
	p.audiences = r.words(parts["audiences"], at("audiences"), nil)
	p.tenants = r.words(parts["tenants"], at("tenants"), nil)
	if n := parts["hosted_domains"]; n != nil {
		p.hosted = r.domains(n, at("hosted_domains"))
	}
	p.callback = r.oneWord(parts["callback"], at("callback"), callbacks)
	p.response = r.oneWord(parts["response_mode"], at("response_mode"), responseModes)
	p.userInfo = r.oneWord(parts["userinfo"], at("userinfo"), directory.UserInfos())
	p.logout = r.optionalBool(parts["logout"], at("logout"))
	return p
}

// Words of the file that stand for switches of directory.OIDC, the one for off first.
var (
	callbacks     = []string{"shared", "own"}
	responseModes = []string{"query", "form_post"}
)

func (r *reader) oneWord(n *yaml.Node, path string, words []string) *string {
	if n == nil {
		return nil
	}
	if word, ok := r.word(n, path, words); ok {
		return &word
	}
	return nil
}

// words reads a list of texts, of those in known where that is not nil.
func (r *reader) words(n *yaml.Node, path string, known []string) *[]string {
	if n == nil {
		return nil
	}
	lines, ok := r.texts(n, path)
	if !ok {
		return nil
	}
	out := []string{}
	for i, l := range lines {
		if known != nil {
			if _, ok := r.word(n.Content[i], indexed(path, i), known); !ok {
				continue
			}
		}
		out = append(out, l.text)
	}
	return &out
}

// maxMaxAge is how old a sign-in at the IdP may be let be: a year.
const maxMaxAge = 365 * 24 * 3600

// seconds reads a whole number of seconds, or "none", which is -1.
func (r *reader) seconds(n *yaml.Node, path string) *int {
	if n == nil || !r.plain(n, path) {
		return nil
	}
	value, err := strconv.Atoi(n.Value)
	switch {
	case n.Kind == yaml.ScalarNode && n.Value == "none":
		value = -1
	case n.Kind != yaml.ScalarNode || err != nil || value < 0 || value > maxMaxAge:
		r.add(n.Line, "%s: expected a number of seconds up to %d, or none, received %s", path, maxMaxAge, describe(n))
		return nil
	}
	return &value
}
