// A host application whose sign-in is entirely openid-client's, and whose back-channel logout is jose's.
//
// It prints one JSON line per step, {"step": ...}; the first is "listening" with its own URL. It then
// reads one line, {"issuer", "client_id", "client_secret"}, and lives until its input is closed.
//
//   GET  /login     begin: to the provider with PKCE, state and nonce (a query is added to the request)
//   GET  /callback  redeem the code; step "signed_in" or "refused"; answers with the step
//   GET  /          the session's claims, or 401
//   GET  /userinfo, POST /refresh, POST /introspect, POST /revoke   ask the provider with the session's tokens,
//                   of an ended session too, so that a test sees what they are still worth
//   POST /logout    back-channel logout; step "logged_out" or "logout_refused"
import http from 'node:http'
import { randomUUID, webcrypto } from 'node:crypto'
import { createInterface } from 'node:readline'

globalThis.crypto ??= webcrypto // Debian 12's Node.js 18 has it, but not by this name
const oidc = await import('openid-client')
const jose = await import('jose')

const backchannelEvent = 'http://schemas.openid.net/event/backchannel-logout'
const pending = new Map() // state -> what the callback must find again
const sessions = new Map() // cookie -> {claims, tokens, ended}
const spent = new Set() // jti of logout tokens
let self, provider, keys

function say(step, more) {
  const line = { step, ...more }
  console.log(JSON.stringify(line))
  return line
}

async function discover({ issuer, client_id, client_secret }) {
  provider = await oidc.discovery(new URL(issuer), client_id, { client_secret }, oidc.ClientSecretBasic(client_secret), {
    execute: [oidc.allowInsecureRequests, oidc.enableNonRepudiationChecks],
  })
  const metadata = provider.serverMetadata()
  keys = jose.createRemoteJWKSet(new URL(metadata.jwks_uri))
  say('discovered', { metadata: { ...metadata, supportsPKCE: metadata.supportsPKCE() } })
}

async function login(url) {
  const verifier = oidc.randomPKCECodeVerifier()
  const state = oidc.randomState()
  const nonce = oidc.randomNonce()
  pending.set(state, { verifier, nonce })
  return oidc.buildAuthorizationUrl(provider, {
    redirect_uri: `${self}/callback`,
    scope: 'openid email profile offline_access',
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...Object.fromEntries(url.searchParams),
  })
}

async function callback(url) {
  const state = url.searchParams.get('state')
  const expected = pending.get(state)
  if (!expected) throw new Error('no sign-in was begun with this state')
  pending.delete(state)
  const { issuer, authorization_response_iss_parameter_supported: named } = provider.serverMetadata()
  if (!named || url.searchParams.get('iss') !== issuer) throw new Error(`the answer names the issuer ${url.searchParams.get('iss')}`)
  const tokens = await oidc.authorizationCodeGrant(provider, url, {
    pkceCodeVerifier: expected.verifier,
    expectedState: state,
    expectedNonce: expected.nonce,
    idTokenExpected: true,
  })
  const id = randomUUID()
  sessions.set(id, { claims: tokens.claims(), tokens })
  return { id, header: jose.decodeProtectedHeader(tokens.id_token), claims: tokens.claims(), expires_in: tokens.expires_in, refreshable: Boolean(tokens.refresh_token), code: url.searchParams.get('code') }
}

async function refresh(session) {
  const before = session.tokens
  const tokens = await oidc.refreshTokenGrant(provider, before.refresh_token)
  session.tokens = { ...tokens, refresh_token: tokens.refresh_token ?? before.refresh_token, claims: undefined }
  return { claims: tokens.claims(), rotated: Boolean(tokens.refresh_token) && tokens.refresh_token !== before.refresh_token }
}

// OpenID Connect Back-Channel Logout 1.0, section 2.6.
async function logout(body) {
  const token = new URLSearchParams(body).get('logout_token')
  if (!token) throw new Error('no logout_token')
  const { issuer } = provider.serverMetadata()
  const { payload, protectedHeader } = await jose.jwtVerify(token, keys, {
    issuer,
    audience: provider.clientMetadata().client_id,
    typ: 'logout+jwt',
    algorithms: ['RS256', 'PS256', 'ES256', 'Ed25519', 'EdDSA'],
    requiredClaims: ['iat', 'exp', 'jti', 'events'],
    maxTokenAge: '2 minutes',
  })
  const event = payload.events?.[backchannelEvent]
  if (typeof event !== 'object' || event === null || Array.isArray(event)) throw new Error('events names no back-channel logout')
  if ('nonce' in payload) throw new Error('a logout token has no nonce')
  if (!payload.sid && !payload.sub) throw new Error('neither sid nor sub')
  if (spent.has(payload.jti)) throw new Error('this jti was seen before')
  spent.add(payload.jti)
  let ended = 0
  for (const session of sessions.values()) {
    if (payload.sid ? session.claims.sid === payload.sid : session.claims.sub === payload.sub) {
      session.ended = true
      ended++
    }
  }
  return { header: protectedHeader, claims: payload, ended }
}

const asks = {
  'GET /userinfo': ['userinfo', async ({ tokens, claims }) => ({ claims: await oidc.fetchUserInfo(provider, tokens.access_token, claims.sub) })],
  'POST /refresh': ['refreshed', refresh],
  'POST /introspect': ['introspected', async ({ tokens }) => ({ claims: await oidc.tokenIntrospection(provider, tokens.access_token) })],
  'POST /revoke': ['revoked', ({ tokens }) => oidc.tokenRevocation(provider, tokens.refresh_token)],
}

async function read(req) {
  let body = ''
  for await (const chunk of req) body += chunk
  return body
}

// What the provider answered is error and status; code and message are openid-client's or jose's.
function refusal(err) {
  const why = err.cause instanceof Error ? `: ${err.cause.message}` : ''
  return { error: err.error ?? err.cause?.[0]?.parameters?.error, status: err.status, code: err.code, message: err.message + why }
}

async function serve(req, res) {
  const url = new URL(req.url, self)
  const answer = (status, body, headers = {}) => {
    res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers })
    res.end(JSON.stringify(body))
  }
  const cookie = /(?:^|; )rp_session=([^;]+)/.exec(req.headers.cookie ?? '')?.[1]
  const session = sessions.get(cookie)
  const route = `${req.method} ${url.pathname}`
  try {
    switch (route) {
      case 'GET /login':
        res.writeHead(302, { location: (await login(url)).href })
        return res.end()
      case 'GET /callback': {
        const { id, ...result } = await callback(url)
        return answer(200, say('signed_in', result), { 'set-cookie': `rp_session=${id}; Path=/; HttpOnly; SameSite=Lax` })
      }
      case 'POST /logout':
        try {
          return answer(200, say('logged_out', await logout(await read(req))))
        } catch (err) {
          return answer(400, say('logout_refused', refusal(err)))
        }
    }
    if (!session || (session.ended && route === 'GET /')) return answer(401, { step: 'nobody' })
    if (route === 'GET /') return answer(200, { step: 'session', claims: session.claims })
    if (!asks[route]) return answer(404, { step: 'unknown' })
    const [step, ask] = asks[route]
    return answer(200, say(step, await ask(session)))
  } catch (err) {
    return answer(403, say('refused', refusal(err)))
  }
}

const server = http.createServer((req, res) => void serve(req, res))
server.listen(0, '127.0.0.1', () => {
  self = `http://127.0.0.1:${server.address().port}`
  say('listening', { url: self })
})
createInterface({ input: process.stdin })
  .once('line', (line) => discover(JSON.parse(line)).catch((err) => say('refused', refusal(err))))
  .once('close', () => process.exit(0))
