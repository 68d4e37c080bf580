// jose: a resource server verifies tokens by the published keys, across a rotation of the signing key; an upstream
// verifies what the gateway asserts.
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'

const { ISSUER, AUDIENCE, TOKENS, ASSERTION, GATEWAY, UPSTREAM } = process.env
const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`), { cooldownDuration: 0 })
const options = { issuer: ISSUER, audience: AUDIENCE, typ: 'at+jwt', algorithms: ['ES256'] }
for (const token of TOKENS.split(' ')) {
  const { payload } = await jwtVerify(token, keys, options)
  if (payload.sub !== payload.client_id) throw new Error(JSON.stringify(payload))
}
const [token] = TOKENS.split(' ')
const [head, body, signature] = token.split('.')
const forged = `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
const refused = await jwtVerify(forged, keys, options).then(() => null, (error) => error)
if (!(refused instanceof errors.JWSSignatureVerificationFailed)) throw new Error(String(refused))
{
  const own = createRemoteJWKSet(new URL(`${GATEWAY}/.countersign/jwks.json`))
  const { payload } = await jwtVerify(ASSERTION, own, { audience: UPSTREAM, typ: 'countersign-assertion+jwt' })
  if (payload.exp - payload.iat > 60) throw new Error(JSON.stringify(payload))
}
console.log('good')
