package saml

// Namespace names (SAML 2.0 Core section 1.1, Metadata section 1.1).
const (
	nsProtocol  = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsMetadata  = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsSignature = "http://www.w3.org/2000/09/xmldsig#"
	nsSOAP      = "http://schemas.xmlsoap.org/soap/envelope/"
)

// Bindings (SAML 2.0 Bindings section 3) that an Endpoint can have.
const (
	BindingRedirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
	BindingPOST     = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
	BindingArtifact = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Artifact"
	BindingSOAP     = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP" // of artifact resolution services
)

// Name identifier formats (Core section 8.3).
const (
	FormatUnspecified = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	FormatEmail       = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
	FormatPersistent  = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
	FormatTransient   = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
	formatEntity      = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
)

// Status codes (Core section 3.2.2.2). The first three may stand alone or outermost, the others inside.
const (
	StatusSuccess          = statusPrefix + "Success"
	StatusRequester        = statusPrefix + "Requester" // the fault is with whoever asked
	StatusResponder        = statusPrefix + "Responder" // the fault is with whoever answers
	StatusPartialLogout    = statusPrefix + "PartialLogout"
	StatusUnknownPrincipal = statusPrefix + "UnknownPrincipal"
	StatusRequestDenied    = statusPrefix + "RequestDenied"
)

const (
	methodBearer   = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
	statusPrefix   = "urn:oasis:names:tc:SAML:2.0:status:"
	version        = "2.0"
	protocolSAML20 = nsProtocol // in protocolSupportEnumeration (Metadata section 2.4.1)
)
