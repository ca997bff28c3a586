package directory

import "time"

// Application is a host application: a client of the OIDC provider. Its id is the client id.
type Application struct {
	ID   string `json:"-"`
	Name string `json:"-"`
	// RedirectURIs are compared byte for byte.
	RedirectURIs []string `json:"redirect_uris"`
	// PostLogoutRedirectURIs are where a browser may be led after sign-out.
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	// BackchannelLogoutURI is told when a session ends; "" is not told.
	BackchannelLogoutURI string `json:"backchannel_logout_uri,omitempty"`
	// SCIMEventsURI is told of changes of SCIM resources (RFC 9967), for SCIMEventsAudience or, where that is "", for
	// the application's id; "" is not told.
	SCIMEventsURI      string `json:"scim_events_uri,omitempty"`
	SCIMEventsAudience string `json:"scim_events_audience,omitempty"`
	// Public applications have no secret and are known by PKCE alone.
	Public    bool      `json:"public,omitempty"`
	CreatedAt time.Time `json:"-"`
}
