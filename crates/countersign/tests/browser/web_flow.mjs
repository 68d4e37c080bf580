// Six steps, as a person takes them: the application, sign-in, consent, code, token, a call of the API. With a mouse, with the
// keyboard alone, without scripts; and everything people do on the way: go back, open two tabs, mistype, say no.
import assert from 'node:assert/strict';
import { manage, withApp } from './app.mjs';
import { auditEverywhere, picture, tabTo, uncomplaining, visitor, withBrowser } from './browser.mjs';

const PASSWORD = 'correct horse battery staple';

async function person(username) {
  await manage('POST', '/v1/users', { username, password: PASSWORD });
  return username;
}

async function signIn(page, username, password = PASSWORD) {
  await page.fill('#username', username);
  await page.fill('#password', password);
  await page.click('#sign-in');
}

const heading = (page) => page.textContent('h1');
const ticked = (page) => page.$$eval('input[name=scope]', (boxes) => boxes.map((box) => box.value));

const FLOWS = {
  async 'with a mouse'(browser, app) {
    const page = await visitor(browser);
    await page.goto(app.url);
    await page.click('#start');
    assert.equal(await heading(page), 'Sign in to continue to Acme Invoices');
    await picture(page, 'sign-in');
    await auditEverywhere(page);
    await signIn(page, await person('ana'));
    assert.equal(await heading(page), 'Allow Acme Invoices to use your account?');
    const told = await page.textContent('main');
    assert.match(told, /Signed in as ana.*See your orders.*You will be sent to an app on this computer \(127\.0\.0\.1:/s);
    await picture(page, 'consent');
    await auditEverywhere(page);
    await page.click('#allow');
    assert.equal(await heading(page), 'The API answered 200');
    // The second time nobody is asked anything.
    await page.goto(app.url);
    await page.click('#start');
    assert.equal(await heading(page), 'The API answered 200');
    uncomplaining(page);
  },

  async 'with the keyboard alone'(browser, app) {
    const page = await visitor(browser);
    await person('ben');
    await page.goto(app.url);
    await tabTo(page, 'start');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#sign-in');
    await tabTo(page, 'username', 1);
    await page.keyboard.type('ben');
    await page.keyboard.press('Tab');
    await page.keyboard.type(PASSWORD);
    assert.deepEqual(await tabTo(page, 'sign-in'), ['password', 'sign-in']);
    await page.keyboard.press('Enter');
    await page.waitForSelector('#allow');
    await tabTo(page, 'allow');
    await page.keyboard.press('Space');
    await page.waitForURL(`${app.url}/**`);
    assert.equal(await heading(page), 'The API answered 200');
    uncomplaining(page);
  },

  async 'without scripts, in German and in the dark'(browser, app) {
    const options = { javaScriptEnabled: false, locale: 'de-DE', colorScheme: 'dark' };
    const page = await visitor(browser, options);
    await page.goto(app.url);
    await page.click('#start');
    assert.equal(await heading(page), 'Anmelden, um mit Acme Invoices fortzufahren');
    await signIn(page, await person('cem'));
    assert.equal(await heading(page), 'Darf Acme Invoices Ihr Konto benutzen?');
    await picture(page, 'consent-dark');
    await page.click('#allow');
    assert.equal(await heading(page), 'The API answered 200');
  },

  async 'a box that is not ticked is not granted'(browser, app) {
    const page = await visitor(browser);
    await page.goto(app.authorize());
    await signIn(page, await person('dia'));
    assert.deepEqual((await ticked(page)).sort(), ['openid', 'orders:read', 'orders:write', 'profile']);
    await page.uncheck('input[value="orders:write"]');
    await page.click('#allow');
    assert.equal(await heading(page), 'The API answered 200');
    assert.deepEqual(new Set(app.tokens.scope.split(' ')), new Set(['openid', 'profile', 'orders:read']));
  },

  async 'who says no shares nothing'(browser, app) {
    const page = await visitor(browser);
    await page.goto(app.authorize());
    await signIn(page, await person('eli'));
    await page.click('#deny');
    assert.equal(await heading(page), 'access_denied');
    assert.deepEqual([app.answer.get('state'), app.answer.get('code')], [app.state, null]);
  },

  async 'a wrong password is told, and the next one is taken'(browser, app) {
    const page = await visitor(browser);
    await person('fay');
    await page.goto(app.authorize());
    await signIn(page, 'fay', 'wrong');
    assert.match(await page.textContent('#wrong'), /do not match/);
    assert.equal(await page.inputValue('#username'), 'fay');
    assert.equal(await page.inputValue('#password'), '');
    await auditEverywhere(page);
    const told = await page.textContent('main');
    // Somebody who is not there is told the same.
    await signIn(page, 'nobody', 'wrong');
    assert.equal(await page.textContent('main'), told);
    await signIn(page, 'fay');
    assert.equal(await page.locator('#allow').count(), 1);
  },

  async 'back, and again'(browser, app) {
    const page = await visitor(browser);
    await page.goto(app.authorize());
    await signIn(page, await person('gil'));
    await page.waitForSelector('#allow');
    await page.goBack();
    await page.goForward();
    await page.click('#allow');
    assert.equal(await heading(page), 'The API answered 200');
    // Back over the answer: the code is used, and asking again makes another.
    await page.goto(app.authorize());
    assert.equal(await heading(page), 'The API answered 200');
  },

  async 'in two tabs at once'(browser, app) {
    const one = await visitor(browser);
    const other = await one.context().newPage();
    const [first, second] = [app.authorize({ state: 'one' }), app.authorize({ state: 'two' })];
    await one.goto(first);
    await other.goto(second);
    await signIn(one, await person('hal'));
    await one.waitForSelector('#allow');
    await signIn(other, 'hal');
    await other.waitForSelector('#allow');
    app.state = 'two';
    await other.click('#allow');
    assert.equal(await heading(other), 'The API answered 200');
    // The first tab is still about the session before; it says so, and starts again.
    app.state = 'one';
    await one.click('#allow');
    await one.waitForSelector('h1');
    if (await one.locator('#again').count()) {
      assert.equal(await heading(one), 'This page is out of date');
      await auditEverywhere(one);
    }
  },

  async 'who is somebody else says so'(browser, app) {
    const page = await visitor(browser);
    await page.goto(app.authorize());
    await signIn(page, await person('jan'));
    await page.waitForSelector('#allow');
    await tabTo(page, 'other-account');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#sign-in');
    assert.equal(await heading(page), 'Sign in to continue to Acme Invoices');
    assert.equal(await page.inputValue('#username'), '');
    // Who it was is signed out, also in the page from before.
    const other = await page.context().newPage();
    await other.goto(app.authorize());
    assert.equal(await other.locator('#sign-in').count(), 1);
    await page.goto(app.authorize());
    await signIn(page, await person('kim'));
    assert.match(await page.textContent('main'), /Signed in as kim/);
    await page.click('#allow');
    assert.equal(await heading(page), 'The API answered 200');
  },

  async 'who signs out is signed out, and goes back where the application may send them'(browser, app) {
    const page = await visitor(browser);
    await page.goto(app.authorize());
    await signIn(page, await person('lea'));
    await page.click('#allow');
    assert.equal(await heading(page), 'The API answered 200');
    await page.goto(`${process.env.ISSUER}/oauth/logout`);
    assert.equal(await heading(page), 'Do you want to sign out?');
    await auditEverywhere(page);
    await tabTo(page, 'sign-out');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=status]');
    assert.equal(await heading(page), 'You are signed out');
    await page.goto(app.authorize());
    await signIn(page, 'lea');
    assert.equal(await heading(page), 'The API answered 200');
    const asks = { id_token_hint: app.tokens.id_token, post_logout_redirect_uri: `${app.url}/bye` };
    await page.goto(`${process.env.ISSUER}/oauth/logout?${new URLSearchParams(asks)}`);
    if (await page.locator('#sign-out').count()) await page.click('#sign-out');
    assert.equal(await heading(page), 'bye');
    await page.goto(app.authorize());
    assert.equal(await heading(page), 'Sign in to continue to Acme Invoices');
    uncomplaining(page);
  },

  async 'by a form, with its script and without'(browser, app) {
    app.asks = { response_mode: 'form_post' };
    await person('ida');
    for (const javaScriptEnabled of [true, false]) {
      const page = await visitor(browser, { javaScriptEnabled });
      await page.goto(app.authorize());
      await signIn(page, 'ida');
      if (await page.locator('#allow').count()) await page.click('#allow');
      if (!javaScriptEnabled) await page.click('#continue');
      await page.waitForURL(`${app.url}/**`);
      assert.equal(await heading(page), 'The API answered 200');
      uncomplaining(page);
    }
  },
};

await withApp({ audiences: ['https://api.example.com'] }, async (app) => {
  await withBrowser(async (browser) => {
    for (const [name, flow] of Object.entries(FLOWS)) {
      app.asks = {};
      await flow(browser, app).catch((error) => {
        error.message = `${name}: ${error.message}`;
        throw error;
      });
    }
  });
});

console.log('good');
