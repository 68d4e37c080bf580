// oauth4webapi: a person signs in by code and PKCE, userinfo, refresh, and a device.
import * as oauth from 'oauth4webapi'
import { allow } from './person.mjs'
const { ISSUER, CLIENT_ID, CALLBACK, SCOPE } = process.env
const insecure = { [oauth.allowInsecureRequests]: true }
const server = await oauth.processDiscoveryResponse(new URL(ISSUER), await oauth.discoveryRequest(new URL(ISSUER), insecure))
const client = { client_id: CLIENT_ID }
const verifier = oauth.generateRandomCodeVerifier()
const [state, expectedNonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()]
const url = new URL(server.authorization_endpoint)
url.search = new URLSearchParams({
  client_id: CLIENT_ID,
  redirect_uri: CALLBACK,
  response_type: 'code',
  scope: SCOPE,
  state,
  nonce: expectedNonce,
  code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
  code_challenge_method: 'S256',
})
const back = oauth.validateAuthResponse(server, client, new URL(await allow(url, SCOPE)), state)
const answer = await oauth.authorizationCodeGrantRequest(server, client, oauth.None(), back, CALLBACK, verifier, insecure)
const tokens = await oauth.processAuthorizationCodeResponse(server, client, answer, { expectedNonce, requireIdToken: true })
const { sub } = oauth.getValidatedIdTokenClaims(tokens)
const asked = await oauth.userInfoRequest(server, client, tokens.access_token, insecure)
await oauth.processUserInfoResponse(server, client, sub, asked)
const renewing = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), tokens.refresh_token, insecure)
const renewed = await oauth.processRefreshTokenResponse(server, client, renewing)
if (renewed.refresh_token === tokens.refresh_token) throw new Error('the same refresh token')
const parameters = new URLSearchParams({ scope: SCOPE })
const asking = await oauth.deviceAuthorizationRequest(server, client, oauth.None(), parameters, insecure)
const begun = await oauth.processDeviceAuthorizationResponse(server, client, asking)
await allow(begun.verification_uri_complete, SCOPE)
const polled = await oauth.deviceCodeGrantRequest(server, client, oauth.None(), begun.device_code, insecure)
const device = await oauth.processDeviceCodeResponse(server, client, polled)
if (oauth.getValidatedIdTokenClaims(device).sub !== sub) throw new Error('another person')
console.log('good')
