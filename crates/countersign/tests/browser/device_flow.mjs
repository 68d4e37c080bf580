// A device asks, a person decides: with the keyboard alone, by typing the code and by the whole address, which asks all the same.
import assert from 'node:assert/strict';
import { manage } from './app.mjs';
import { auditEverywhere, picture, tabTo, uncomplaining, visitor, withBrowser } from './browser.mjs';

const { ISSUER } = process.env;
const PASSWORD = 'correct horse battery staple';
const GRANT = 'urn:ietf:params:oauth:grant-type:device_code';

const client = await manage('POST', '/v1/clients', {
  name: 'Acme television',
  grant_types: [GRANT, 'refresh_token'],
  scopes: ['orders:read', 'orders:write'],
  audiences: ['https://api.example.com'],
  token_endpoint_auth_method: 'none',
});
for (const username of ['ana', 'bo']) await manage('POST', '/v1/users', { username, password: PASSWORD });

const post = async (path, parameters) => {
  const body = new URLSearchParams({ client_id: client.client_id, ...parameters });
  return (await fetch(`${ISSUER}${path}`, { method: 'POST', body })).json();
};
const ask = () => post('/oauth/device_authorization', { scope: 'orders:read orders:write' });
const poll = (device) => post('/oauth/token', { grant_type: GRANT, device_code: device.device_code });
const heading = (page) => page.textContent('h1');

async function signIn(page, username = 'ana') {
  await page.fill('#username', username);
  await page.fill('#password', PASSWORD);
  await page.click('#sign-in');
}

await withBrowser(async (browser) => {
  // The code is typed, in small letters and without its dash; then everything with the keyboard.
  let device = await ask();
  assert.equal((await poll(device)).error, 'authorization_pending');
  const page = await visitor(browser);
  await page.goto(device.verification_uri);
  assert.equal(await heading(page), 'Sign in');
  await signIn(page);
  assert.equal(await heading(page), 'Connect a device');
  await auditEverywhere(page);
  await tabTo(page, 'user_code', 5);
  await page.keyboard.type('wrong-code');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#wrong');
  await auditEverywhere(page);
  await page.fill('#user_code', device.user_code.toLowerCase().replace('-', ''));
  await tabTo(page, 'continue');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#allow');
  assert.equal(await heading(page), 'Connect Acme television to your account?');
  const told = await page.textContent('main');
  for (const expected of [device.user_code, '127.0.0.1', 'less than a minute ago', 'Signed in as ana', 'started this yourself']) {
    assert.ok(told.includes(expected), `${expected}: ${told}`);
  }
  await picture(page, 'device');
  await auditEverywhere(page);
  await page.uncheck('input[value="orders:write"]');
  await tabTo(page, 'allow');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=status]');
  assert.equal(await heading(page), 'Your device is connected');
  await auditEverywhere(page);
  assert.equal((await poll(device)).scope, 'orders:read');

  // The whole address skips the typing, and nothing else (RFC 8628 §5.4); who says no gives nothing.
  device = await ask();
  await page.goto(device.verification_uri_complete);
  assert.equal(await heading(page), 'Connect Acme television to your account?');
  await page.click('#deny');
  assert.equal(await heading(page), 'Nothing was connected');
  assert.equal((await poll(device)).error, 'access_denied');
  uncomplaining(page);

  // Somebody who is not signed in is asked to, and comes back to the question; without scripts too.
  device = await ask();
  const other = await visitor(browser, { javaScriptEnabled: false, locale: 'de-DE' });
  await other.goto(device.verification_uri_complete);
  await signIn(other);
  assert.equal(await heading(other), 'Acme television mit Ihrem Konto verbinden?');
  await other.click('#allow');
  assert.equal(await heading(other), 'Ihr Gerät ist verbunden');
  assert.equal((await poll(device)).token_type, 'Bearer');

  // Who is somebody else says so, and is asked about the same device; without scripts, in German.
  device = await ask();
  await other.goto(device.verification_uri_complete);
  await tabTo(other, 'other-account');
  await other.keyboard.press('Enter');
  await other.waitForSelector('#sign-in');
  await signIn(other, 'bo');
  assert.match(await other.textContent('main'), /Angemeldet als bo/);
  await other.click('#allow');
  assert.equal(await heading(other), 'Ihr Gerät ist verbunden');
});

console.log('good');
