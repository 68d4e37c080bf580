// A Countersign at a Countersign: people sign in at the one with their account at the other.
import assert from 'node:assert/strict';
import { manage, withApp } from './app.mjs';
import { auditEverywhere, uncomplaining, visitor, withBrowser } from './browser.mjs';

const { ISSUER, IDP, IDP_ADMIN, IDP_KEY } = process.env;
const PASSWORD = 'correct horse battery staple';

const heading = (page) => page.textContent('h1');

// Enters a person at the provider.
async function person(username) {
  const headers = { authorization: `Bearer ${IDP_KEY}`, 'content-type': 'application/json' };
  const about = { username, password: PASSWORD, email: `${username}@example.com`, email_verified: true };
  const made = await fetch(`${IDP_ADMIN}/v1/users`, { method: 'POST', headers, body: JSON.stringify(about) });
  assert.equal(made.status, 201, await made.text());
}

// Goes from our page to the provider's, and signs in there.
async function leave(page, username) {
  await page.click('#with-corp');
  await page.waitForSelector('#sign-in');
  assert.ok(page.url().startsWith(IDP), page.url());
  await page.fill('#username', username);
  await page.fill('#password', PASSWORD);
  await page.click('#sign-in');
  await page.waitForSelector('#allow');
}

async function who(page) {
  await page.goto(`${ISSUER}/account`);
  return (await page.textContent('form.who span')).replace('Signed in as ', '');
}

const FLOWS = {
  async 'a stranger becomes a person, and is the same one the next time'(browser) {
    await person('ana');
    const page = await visitor(browser, { javaScriptEnabled: false });
    await page.goto(`${ISSUER}/login`);
    assert.equal(await page.textContent('#with-corp'), 'Sign in with Example Corp');
    await leave(page, 'ana');
    await page.click('#allow');
    await page.waitForURL(`${ISSUER}/account`);
    assert.equal(await who(page), 'corp.ana');
    const kept = await page.context().cookies(ISSUER);
    assert.ok(kept.every((one) => !one.name.includes('federation') && one.httpOnly && one.sameSite === 'Lax'));
    await page.click('#sign-out');
    await page.goto(`${ISSUER}/login`);
    // They are signed in there still, and have allowed it.
    await page.click('#with-corp');
    await page.waitForURL(`${ISSUER}/account`);
    assert.equal(await who(page), 'corp.ana');
    uncomplaining(page);
  },

  async 'who has proven the same address here is known by it'(browser) {
    await person('ben');
    await manage('POST', '/v1/users', { username: 'benjamin', email: 'ben@example.com', email_verified: true });
    const page = await visitor(browser);
    await page.goto(`${ISSUER}/login`);
    await auditEverywhere(page);
    await leave(page, 'ben');
    await page.click('#allow');
    await page.waitForURL(`${ISSUER}/account`);
    assert.equal(await who(page), 'benjamin');
    uncomplaining(page);
  },

  async 'an application gets its code through both'(browser) {
    await person('cleo');
    await withApp({}, async (app) => {
      const page = await visitor(browser);
      await page.goto(app.authorize());
      assert.equal(await heading(page), 'Sign in to continue to Acme Invoices');
      await leave(page, 'cleo');
      await page.click('#allow');
      await page.waitForURL((url) => url.href.startsWith(`${ISSUER}/oauth/authorize`));
      await page.waitForSelector('#allow');
      await page.click('#allow');
      await page.waitForURL((url) => url.href.startsWith(app.url));
      assert.equal(app.tokens.status, 200, JSON.stringify(app.tokens));
      uncomplaining(page);
    });
  },

  async 'whoever says no there, or goes back, is not signed in here'(browser) {
    await person('dan');
    const page = await visitor(browser);
    await page.goto(`${ISSUER}/login`);
    await leave(page, 'dan');
    await page.click('#deny');
    await page.waitForURL((url) => url.href.startsWith(`${ISSUER}/federation/corp/callback`));
    assert.equal(await heading(page), 'You are not signed in');
    await auditEverywhere(page);
    // The same address once more: its attempt was used.
    await page.reload();
    assert.equal(await heading(page), 'You are not signed in');
    await page.click('#again');
    assert.equal(await heading(page), 'Sign in');
    uncomplaining(page);
  },
};

await withBrowser(async (browser) => {
  for (const [name, flow] of Object.entries(FLOWS)) {
    await flow(browser).catch((error) => {
      throw new Error(name, { cause: error });
    });
  }
});

console.log('good');
