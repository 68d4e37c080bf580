// oauth4webapi: discovery, client_credentials by two methods, introspection, revocation.
import * as oauth from 'oauth4webapi'

const { ISSUER, CLIENT_ID, CLIENT_SECRET } = process.env
const insecure = { [oauth.allowInsecureRequests]: true }
const issuer = new URL(ISSUER)
const found = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
const server = await oauth.processDiscoveryResponse(issuer, found)
const client = { client_id: CLIENT_ID }
for (const method of [oauth.ClientSecretBasic, oauth.ClientSecretPost]) {
  const proof = method(CLIENT_SECRET)
  const answer = await oauth.clientCredentialsGrantRequest(server, client, proof, new URLSearchParams(), insecure)
  const { access_token: token, token_type: type } = await oauth.processClientCredentialsResponse(server, client, answer)
  if (type !== 'bearer') throw new Error(type)
  const ask = async () => {
    const told = await oauth.introspectionRequest(server, client, proof, token, insecure)
    return (await oauth.processIntrospectionResponse(server, client, told)).active
  }
  if (!(await ask())) throw new Error('the token is not active')
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, proof, token, insecure))
  if (await ask()) throw new Error('the token is active after its revocation')
}
console.log('good')
