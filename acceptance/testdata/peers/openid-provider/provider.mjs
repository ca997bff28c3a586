// An OpenID provider that is entirely oidc-provider's: its own pages for signing in, consent and signing out, its own tokens and logout
// tokens. People may be called anything and have any password.
//
// It prints one JSON line per step, {"step": ...}, and reads one command per line until its input is closed:
//   {"issuer", "port", "clients", "conform"}   serve, on localhost; step "listening"
//   {"rotate": true}                a new key signs, the one before stays published; step "rotated" with "kid"
//   {"forget": true}                the keys before the newest are not published any more; step "forgotten"
// Steps by themselves: "asked" for each request with its "path", "told" for each logout token with the "status" that it was
// answered, "failed" for what went wrong inside.
import http from 'node:http'
import { createInterface } from 'node:readline'
import { randomBytes } from 'node:crypto'
import * as jose from 'jose'
import Provider from 'oidc-provider'

const keys = [] // the newest first
const secret = randomBytes(16).toString('hex')
let config, answer

function say (step, more) {
  console.log(JSON.stringify({ step, ...more }))
}

async function newKey () {
  const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true })
  const jwk = await jose.exportJWK(privateKey)
  keys.unshift({ ...jwk, kid: `key-${randomBytes(4).toString('hex')}`, alg: 'RS256', use: 'sig' })
}

// Kept is what the provider remembers. Nothing here outlives a test, so nothing expires.
const kept = new Map()
class Kept {
  constructor (model) { this.model = model }
  async upsert (id, payload) {
    kept.set(`${this.model}:${id}`, payload)
    if (payload.uid) kept.set(`uid:${payload.uid}`, payload)
  }

  async find (id) { return kept.get(`${this.model}:${id}`) }
  async findByUid (uid) { return kept.get(`uid:${uid}`) }
  async consume (id) { kept.get(`${this.model}:${id}`).consumed = Math.floor(Date.now() / 1000) }
  async destroy (id) { kept.delete(`${this.model}:${id}`) }
  async revokeByGrantId (grant) {
    for (const [key, payload] of kept) if (payload.grantId === grant) kept.delete(key)
  }
}

// build makes the provider anew with the keys as they are. What it remembers is kept beside it, so that nobody is signed out.
function build () {
  const provider = new Provider(config.issuer, {
    adapter: Kept,
    clients: config.clients,
    jwks: { keys },
    cookies: { keys: [secret] },
    pkce: { required: () => true },
    conformIdTokenClaims: config.conform ?? true, // with false the claims are in the ID token; with true they are at userinfo, and no at_hash says so
    claims: { openid: ['sub', 'groups'], email: ['email', 'email_verified'], profile: ['name', 'given_name', 'family_name'] },
    features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
    async findAccount (ctx, id) {
      const [given, family] = id.split('.').map(part => part[0].toUpperCase() + part.slice(1))
      return {
        accountId: id,
        claims: async () => ({
          sub: `sub-of-${id}`, email: `${id}@partner.test`, email_verified: true, name: `${given} ${family}`, given_name: given, family_name: family, groups: ['Peer-Admins'],
        }),
      }
    },
    // It calls nobody on this machine by itself, and here everybody is.
    async fetch (url, { dispatcher, ...options }) {
      const response = await fetch(url, options)
      if (String(options.body ?? '').includes('logout_token')) say('told', { status: response.status, url: String(url) })
      return response
    },
  })
  provider.on('server_error', (ctx, err) => say('failed', { error: String(err.stack ?? err) }))
  provider.on('backchannel.error', (ctx, err) => say('failed', { error: String(err) }))
  provider.on('grant.error', (ctx, err) => say('refused', { error: String(err), detail: err.error_detail }))
  answer = provider.callback()
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line)
  if (command.issuer) {
    config = command
    await newKey()
    build()
    const server = http.createServer((req, res) => {
      say('asked', { path: req.url.split('?')[0] })
      answer(req, res)
    })
    server.listen(command.port, '127.0.0.1', () => say('listening', { kid: keys[0].kid }))
    server.unref()
  } else if (command.rotate) {
    await newKey()
    build()
    say('rotated', { kid: keys[0].kid })
  } else if (command.forget) {
    keys.length = 1
    build()
    say('forgotten')
  }
}
process.exit(0)
