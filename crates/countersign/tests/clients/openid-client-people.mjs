// openid-client: a person signs in by code and PKCE, userinfo, refresh, and a device.
import * as client from 'openid-client'
import { allow } from './person.mjs'
const { ISSUER, CLIENT_ID, CALLBACK, SCOPE } = process.env
const options = { execute: [client.allowInsecureRequests] }
const config = await client.discovery(new URL(ISSUER), CLIENT_ID, undefined, client.None(), options)
const pkceCodeVerifier = client.randomPKCECodeVerifier()
const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()]
const url = client.buildAuthorizationUrl(config, {
  redirect_uri: CALLBACK,
  scope: SCOPE,
  state: expectedState,
  nonce: expectedNonce,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
  code_challenge_method: 'S256',
})
const back = new URL(await allow(url, SCOPE))
const tokens = await client.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState, expectedNonce })
const { sub } = tokens.claims()
const about = await client.fetchUserInfo(config, tokens.access_token, sub)
if (about.sub !== sub) throw new Error('another person')
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token)
if (renewed.access_token === tokens.access_token) throw new Error('the same token')
const begun = await client.initiateDeviceAuthorization(config, { scope: SCOPE })
await allow(begun.verification_uri_complete, SCOPE)
const device = await client.pollDeviceAuthorizationGrant(config, begun)
if (device.claims().sub !== sub) throw new Error('another person')
console.log('good')
