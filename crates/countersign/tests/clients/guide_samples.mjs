// The commonest published samples, unchanged but for the client's id and secret.
import { createLocalJWKSet, jwtVerify } from 'jose'
import { createHash, randomBytes } from 'node:crypto'

const { CLIENT_ID, CLIENT_SECRET, ADMIN, KEY } = process.env

// A machine obtains a token.
const response = await fetch('https://auth.example.com/oauth/token', {
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify({
    grant_type: 'client_credentials',
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    audience: 'https://api.example.com',
  }),
})
const { access_token } = await response.json()

// An API verifies it.
const jwks = await (await fetch('https://auth.example.com/.well-known/jwks.json')).json()
const publicKey = createLocalJWKSet(jwks)
const { payload } = await jwtVerify(access_token, publicKey, {
  algorithms: ['RS256'],
  issuer: 'https://auth.example.com',
  audience: 'https://api.example.com',
})
if (payload.sub !== CLIENT_ID) throw new Error(JSON.stringify(payload))

// The machine calls the API.
const orders = await fetch('https://api.example.com/orders', {
  headers: { Authorization: `Bearer ${access_token}` },
})
if (orders.status !== 200) throw new Error(`${orders.status} ${await orders.text()}`)

// A key that was made in Node and is stored as its SHA-256 in hexadecimal is imported, and used.
for (const [prefix, key] of [
  ['sk_live', `sk_live_${randomBytes(32).toString('base64url')}`],
  ['shss', `shss_${randomBytes(24).toString('base64url')}`],
]) {
  const hash = createHash('sha256').update(key).digest('hex')
  const imported = await fetch(`${ADMIN}/v1/keys/import`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${KEY}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ algorithm: 'sha256', prefix: `${prefix}_`, keys: [{ hash, name: prefix }] }),
  })
  if (!imported.ok) throw new Error(await imported.text())
  const answer = await fetch('https://api.example.com/orders', { headers: { Authorization: `Bearer ${key}` } })
  if (answer.status !== 200) throw new Error(`${prefix}: ${answer.status} ${await answer.text()}`)
}
console.log('good')
