// jose: a resource makes a key pair for encryption, registers its public part, and reads the tokens that are for it alone:
// decrypted by its private key (compactDecrypt), verified by the issuer's published keys (jwtVerify).
import { compactDecrypt, createRemoteJWKSet, exportJWK, generateKeyPair, jwtVerify } from 'jose'

const { ISSUER, ADMIN, KEY } = process.env
const keys = createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`))

async function manage(path, body) {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }
  const answer = await fetch(`${ADMIN}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
  if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${await answer.text()}`)
  return answer.json()
}

for (const [alg, options] of [
  ['RSA-OAEP-256', { modulusLength: 2048 }],
  ['ECDH-ES+A256KW', { crv: 'P-256' }],
  ['ECDH-ES+A128KW', { crv: 'P-384' }],
  ['ECDH-ES', { crv: 'P-521' }],
  ['ECDH-ES', { crv: 'X25519' }],
]) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { ...options, extractable: true })
  const jwk = { ...(await exportJWK(publicKey)), kid: 'one', use: 'enc', alg }
  const audience = `https://${alg.toLowerCase().replace('+', '-')}.${options.crv ?? 'rsa'}.example`
  await manage('/v1/resources', { id: audience, jwks: { keys: [jwk] } })
  const client = await manage('/v1/clients', {
    name: 'reader', grant_types: ['client_credentials'], scopes: ['orders:read'], audiences: [audience],
  })
  const { client_id, client_secret } = client
  const answer = await fetch(`${ISSUER}/oauth/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ grant_type: 'client_credentials', client_id, client_secret, audience }),
  })
  const { access_token } = await answer.json()
  const options_ = { keyManagementAlgorithms: [alg], contentEncryptionAlgorithms: ['A256GCM'] }
  const { plaintext, protectedHeader } = await compactDecrypt(access_token, privateKey, options_)
  if (protectedHeader.cty !== 'JWT' || protectedHeader.kid !== 'one' || protectedHeader.iss !== ISSUER) {
    throw new Error(JSON.stringify(protectedHeader))
  }
  const signed = new TextDecoder().decode(plaintext)
  const { payload } = await jwtVerify(signed, keys, { issuer: ISSUER, audience, typ: 'at+jwt', algorithms: ['ES256'] })
  if (payload.client_id !== client_id) throw new Error(JSON.stringify(payload))
}
console.log('good')
