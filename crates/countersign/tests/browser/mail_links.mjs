// What people do with links that were mailed to them: replace a password, confirm an address. With the keyboard alone, without
// scripts, in another browser than they asked in, and twice.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { manage } from './app.mjs';
import { auditEverywhere, tabTo, uncomplaining, visitor, withBrowser } from './browser.mjs';

const { ISSUER, MAIL } = process.env;
const OLD = 'correct horse battery staple';
const NEW = 'a heron stands in the rain';
const STALE = 'This link is no longer good';

const ana = await manage('POST', '/v1/users', { username: 'ana', password: OLD, email: 'Ana@example.com' });
const heading = (page) => page.textContent('h1');
const seen = new Set();

// Waits for the next letter, and returns its text and its link.
async function letter() {
  for (let turn = 0; turn < 400; turn += 1) {
    let names = [];
    try {
      names = readdirSync(MAIL).filter((name) => name.endsWith('.eml') && !seen.has(name));
    } catch {
      // No letter was written yet.
    }
    if (names.length) {
      seen.add(names[0]);
      // RFC 2045 §6.7: quoted-printable.
      const text = readFileSync(`${MAIL}/${names[0]}`, 'utf8').replace(/=\r\n/g, '').replace(/=3D/g, '=');
      const link = text.split(/\s+/).find((word) => word.startsWith(`${ISSUER}/`));
      assert.ok(link, text);
      return { text, link };
    }
    await pause(50);
  }
  return assert.fail('no letter was written');
}

async function signIn(page, username, password) {
  await page.goto(`${ISSUER}/login`);
  await page.fill('#username', username);
  await page.fill('#password', password);
  await page.click('#sign-in');
}

const isSignedIn = async (page) => (await page.context().cookies()).some(({ name }) => name === '__Host-countersign-session');

const LINKS = {
  async 'an address is confirmed by who opens the link and says so'(browser) {
    await manage('POST', `/v1/users/${ana.id}/mail`, { link: 'verify' });
    const { text, link } = await letter();
    assert.match(text, /To: Ana@example\.com/);
    // Opening it does nothing, in however many browsers.
    const [page, other] = [await visitor(browser), await visitor(browser, { javaScriptEnabled: false, locale: 'de-DE' })];
    await other.goto(link);
    assert.equal(await heading(other), 'E-Mail-Adresse bestätigen');
    await page.goto(link);
    assert.equal(await heading(page), 'Confirm your e-mail address');
    assert.match(await page.textContent('main'), /Confirm that Ana@example\.com is your address/);
    await auditEverywhere(page);
    assert.equal((await manage('GET', `/v1/users/${ana.id}`)).email_verified_at ?? null, null);
    const before = await visitor(browser);
    await signIn(before, 'ana@example.com', OLD);
    assert.match(await before.textContent('#wrong'), /do not match/);
    await tabTo(page, 'continue');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=status]');
    assert.equal(await heading(page), 'Your e-mail address is confirmed');
    await auditEverywhere(page);
    assert.ok((await manage('GET', `/v1/users/${ana.id}`)).email_verified_at);
    // The browser that was slower, and whoever opens it again.
    await other.click('#continue');
    assert.equal(await heading(other), 'Dieser Link gilt nicht mehr');
    await page.goto(link);
    assert.equal(await heading(page), STALE);
    await auditEverywhere(page);
    uncomplaining(page);
    await signIn(before, 'ana@example.com', OLD);
    assert.ok(await isSignedIn(before));
  },

  async 'a password is replaced in another browser than it was asked in, with the keyboard alone'(browser) {
    const page = await visitor(browser);
    await page.goto(`${ISSUER}/login`);
    await tabTo(page, 'forgotten');
    await page.keyboard.press('Enter');
    await page.waitForSelector('#reset');
    assert.equal(await heading(page), 'Reset your password');
    await auditEverywhere(page);
    await tabTo(page, 'username');
    await page.keyboard.type('ANA@example.com');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[role=status]');
    assert.equal(await heading(page), 'Check your e-mail');
    await auditEverywhere(page);
    const { text, link } = await letter();
    assert.match(text, /To: Ana@example\.com/);

    const other = await visitor(browser);
    await other.goto(link);
    assert.equal(await heading(other), 'Choose a new password');
    await auditEverywhere(other);
    await tabTo(other, 'password');
    await other.keyboard.type('short');
    await other.keyboard.press('Enter');
    await other.waitForSelector('#wrong');
    assert.match(await other.textContent('#wrong'), /too short or too well known/);
    await auditEverywhere(other);
    await tabTo(other, 'password');
    await other.keyboard.type(NEW);
    await tabTo(other, 'reset');
    await other.keyboard.press('Space');
    await other.waitForSelector('[role=status]');
    assert.equal(await heading(other), 'Your password is changed');
    await auditEverywhere(other);
    // Nobody is signed in by a link; it worked once, here and there.
    assert.ok(!(await isSignedIn(other)));
    for (const one of [other, page]) {
      await one.goto(link);
      assert.equal(await heading(one), STALE);
      uncomplaining(one);
    }
    await signIn(page, 'ana', OLD);
    assert.match(await page.textContent('#wrong'), /do not match/);
    await signIn(page, 'ana@example.com', NEW);
    assert.ok(await isSignedIn(page));
  },

  async 'without scripts, in German; the page from before does nothing twice'(browser) {
    const page = await visitor(browser, { javaScriptEnabled: false, locale: 'de-DE', colorScheme: 'dark' });
    await page.goto(`${ISSUER}/reset-password`);
    assert.equal(await heading(page), 'Passwort zurücksetzen');
    await page.fill('#username', 'ana');
    await page.click('#reset');
    assert.equal(await heading(page), 'Sehen Sie in Ihre E-Mail');
    const { link } = await letter();
    const other = await page.context().newPage();
    for (const one of [page, other]) {
      await one.goto(link);
      assert.equal(await heading(one), 'Neues Passwort wählen');
      await one.fill('#password', OLD);
    }
    await page.click('#reset');
    assert.equal(await heading(page), 'Ihr Passwort ist geändert');
    await other.click('#reset');
    assert.equal(await heading(other), 'Dieser Link gilt nicht mehr');
    await page.goBack();
    assert.equal(await heading(page), 'Dieser Link gilt nicht mehr');
    await signIn(page, 'ana', OLD);
    assert.ok(await isSignedIn(page));
  },

  async 'whoever is not there is told the same'(browser) {
    const page = await visitor(browser);
    const told = [];
    for (const typed of ['ana@example.com', 'nobody@example.com']) {
      await page.goto(`${ISSUER}/reset-password`);
      await page.fill('#username', typed);
      await page.click('#reset');
      told.push(await page.textContent('main'));
    }
    assert.equal(told[0], told[1]);
  },
};

await withBrowser(async (browser) => {
  for (const [name, act] of Object.entries(LINKS)) {
    await act(browser).catch((error) => {
      error.message = `${name}: ${error.message}`;
      throw error;
    });
  }
});

console.log('good');
