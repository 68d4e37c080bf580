// Somebody's account: where they are signed in, what apps may do, and how they take it back; with the keyboard and without scripts.
import assert from 'node:assert/strict';
import { manage, withApp } from './app.mjs';
import { auditEverywhere, picture, tabTo, uncomplaining, visitor, withBrowser } from './browser.mjs';

const { ISSUER } = process.env;
const PASSWORD = 'correct horse battery staple';

const heading = (page) => page.textContent('h1');

async function person(username) {
  await manage('POST', '/v1/users', { username, password: PASSWORD });
  return username;
}

async function signIn(page, username, password = PASSWORD) {
  await page.fill('#username', username);
  await page.fill('#password', password);
  await page.click('#sign-in');
}

const FLOWS = {
  async 'an app is removed with the keyboard, and its next call is refused'(browser, app) {
    const page = await visitor(browser);
    await page.goto(app.authorize());
    await signIn(page, await person('ana'));
    await page.click('#allow');
    assert.equal(await heading(page), 'The API answered 200');
    await page.goto(`${ISSUER}/account`);
    assert.equal(await heading(page), 'Where you are signed in');
    assert.match(await page.textContent('#sessions'), /Chrome · Linux.*this browser/s);
    await picture(page, 'account-sessions');
    await auditEverywhere(page);
    await page.click('text=Apps');
    assert.equal(await heading(page), 'Apps with access to your account');
    assert.match(await page.textContent('#apps'), /Acme Invoices.*See your orders.*Change your orders/s);
    await picture(page, 'account-apps');
    await auditEverywhere(page);
    const button = page.locator('#apps button');
    for (let turn = 0; turn < 20 && !(await button.evaluate((one) => one === document.activeElement)); turn += 1) {
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.waitForSelector('text=You have not given any app access');
    await auditEverywhere(page);
    assert.equal(await app.call(), 401);
    uncomplaining(page);
  },

  async 'a session of another browser is ended without scripts, in German'(browser) {
    const [mine, lost] = [
      await visitor(browser, { javaScriptEnabled: false, locale: 'de-DE', colorScheme: 'dark' }),
      await visitor(browser, { userAgent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1' }),
    ];
    await person('ben');
    for (const page of [lost, mine]) {
      await page.goto(`${ISSUER}/account`);
      await signIn(page, 'ben');
    }
    assert.equal(await heading(mine), 'Wo Sie angemeldet sind');
    const row = mine.locator('#sessions > li', { hasText: 'Safari · iPhone' });
    assert.equal(await mine.locator('#sessions > li').count(), 2);
    await row.locator('button').click();
    assert.equal(await mine.locator('#sessions > li').count(), 1);
    await lost.reload();
    assert.equal(await heading(lost), 'Sign in');
    uncomplaining(lost);
  },

  async 'a password is changed, and everybody else is signed out'(browser) {
    const [page, other] = [await visitor(browser), await visitor(browser)];
    await person('cem');
    for (const one of [page, other]) {
      await one.goto(`${ISSUER}/login`);
      await signIn(one, 'cem');
      assert.equal(await heading(one), 'Where you are signed in');
    }
    await page.click('text=Password');
    await auditEverywhere(page);
    await page.fill('#password', 'wrong');
    await page.fill('#new-password', 'a quite different phrase');
    await page.click('#change');
    assert.match(await page.textContent('#wrong'), /do not match/);
    await auditEverywhere(page);
    await page.fill('#password', PASSWORD);
    await page.fill('#new-password', 'a quite different phrase');
    await page.click('#change');
    assert.equal(await heading(page), 'Where you are signed in');
    assert.equal(await page.locator('#sessions > li').count(), 1);
    await other.reload();
    assert.equal(await heading(other), 'Sign in');
    await tabTo(page, 'everywhere');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=status]');
    assert.equal(await heading(page), 'You are signed out');
    uncomplaining(page);
  },

  async 'a key and an application are made, each with a secret that is shown once'(browser, app) {
    const page = await visitor(browser);
    await person('dia');
    await page.goto(`${ISSUER}/account/keys`);
    await signIn(page, 'dia');
    assert.equal(await heading(page), 'Your API keys');
    await page.fill('#name', 'ci');
    await page.check('input[value="orders:read"]');
    await picture(page, 'account-keys');
    await auditEverywhere(page);
    await page.click('#create');
    assert.match(await page.textContent('#secret'), /^cs_live_/);
    await picture(page, 'account-secret');
    await auditEverywhere(page);
    await page.click('#back');
    assert.match(await page.textContent('#keys'), /ci.*orders:read.*until/s);
    await page.click('#keys button');
    assert.match(await page.textContent('#keys'), /ended/);
    await page.click('text=Your applications');
    await page.fill('#name', 'Acme Robot');
    await page.fill('#uris', `${app.url}/cb`);
    await page.check('input[value="orders:read"]');
    await auditEverywhere(page);
    await page.click('#register');
    const [id, secret] = [await page.textContent('#client-id'), await page.textContent('#secret')];
    await page.click('#back');
    await page.click('summary');
    await picture(page, 'account-clients');
    await auditEverywhere(page);
    assert.equal((await page.textContent('main')).includes(secret), false);
    // It asks somebody else, who is told that nobody has checked it.
    const before = app.client;
    app.client = { client_id: id, client_secret: secret };
    app.asks = { scope: 'openid orders:read' };
    const other = await visitor(browser);
    await other.goto(app.authorize());
    await signIn(other, await person('eli'));
    assert.match(await other.textContent('#unchecked'), /Nobody here has checked it/);
    await picture(other, 'consent-unchecked');
    await auditEverywhere(other);
    await other.click('#allow');
    assert.equal(await heading(other), 'The API answered 200');
    [app.client, app.asks] = [before, {}];
    uncomplaining(page);
    uncomplaining(other);
  },
};

await withApp({ audiences: ['https://api.example.com'] }, async (app) => {
  await withBrowser(async (browser) => {
    for (const [name, flow] of Object.entries(FLOWS)) {
      await flow(browser, app).catch((error) => {
        throw new Error(name, { cause: error });
      });
    }
  });
});
console.log('good');
