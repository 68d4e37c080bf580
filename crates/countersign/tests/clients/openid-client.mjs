// openid-client: discovery, client_credentials, introspection, revocation.
import * as client from 'openid-client'
const { ISSUER, CLIENT_ID, CLIENT_SECRET } = process.env
const options = { execute: [client.allowInsecureRequests], algorithm: 'oauth2' }
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, CLIENT_SECRET, undefined, options)
const { access_token: token } = await client.clientCredentialsGrant(config, { scope: 'orders:read' })
if (!(await client.tokenIntrospection(config, token)).active) throw new Error('the token is not active')
await client.tokenRevocation(config, token)
if ((await client.tokenIntrospection(config, token)).active) throw new Error('active after its revocation')
console.log('good')
