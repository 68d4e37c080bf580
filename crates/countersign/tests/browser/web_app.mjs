// People at a web app of the house's own: with forms alone, with one script, in many tabs; and other sites that try to use them.
import assert from 'node:assert/strict';
import http from 'node:http';
import { manage } from './app.mjs';
import { visitor, withBrowser } from './browser.mjs';
import { withFrontEnd } from './front_end.mjs';

const { GATEWAY, ISSUER } = process.env;
const PASSWORD = 'correct horse battery staple';
const NAME = '__Host-countersign-app-web';

const heading = (page) => page.textContent('h1');

async function person(username) {
  return (await manage('POST', '/v1/users', { username, password: PASSWORD })).id;
}

// Signs in, and is back at the page of the web app that was wanted.
async function signIn(page, username, wanted) {
  await page.waitForSelector('#sign-in');
  await page.fill('#username', username);
  await page.fill('#password', PASSWORD);
  await page.click('#sign-in');
  await page.waitForURL(`${GATEWAY}${wanted}`).catch(async (error) => {
    throw new Error(`${page.url()}: ${await page.textContent('body')}`, { cause: error });
  });
}

async function cookie(page) {
  return (await page.context().cookies(GATEWAY)).find((one) => one.name === NAME);
}

// A page of another origin that posts a form, or calls, as soon as it is opened.
async function withSite(host, html, act) {
  const server = http.createServer((_, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(`<!doctype html><title>Evil</title>${html}`);
  });
  server.keepAliveTimeout = 1;
  server.listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  try {
    await act(`http://${host}:${server.address().port}/`);
  } finally {
    await new Promise((done) => server.close(done));
  }
}

const FLOWS = {
  async 'with forms alone, without scripts'(browser, seen, token) {
    const ana = await person(`ana-${token}`);
    const page = await visitor(browser, { javaScriptEnabled: false });
    await page.goto(`${GATEWAY}/plain?page=2`);
    assert.ok(page.url().startsWith(ISSUER), page.url());
    await signIn(page, `ana-${token}`, '/plain?page=2');
    assert.equal(await heading(page), `Hello ${ana}`);
    const kept = await cookie(page);
    assert.deepEqual([kept.httpOnly, kept.secure, kept.sameSite, kept.path], [true, true, 'Lax', '/']);
    assert.ok(kept.value.length < 3800 && kept.value.includes('.') === (token === 'jwt'), kept.value);
    const before = seen.calls;
    await page.click('#order');
    assert.equal(await page.textContent('#calls'), String(before + 1));
    await page.click('#out');
    assert.equal(await heading(page), 'Bye');
    assert.equal(await cookie(page), undefined);
    await page.goto(`${GATEWAY}/plain`);
    await page.waitForSelector('#sign-in');
    // What somebody has copied is worth nothing any more.
    await page.context().addCookies([kept]);
    await page.goto(`${GATEWAY}/plain`);
    await page.waitForSelector('#sign-in');
    assert.equal(await cookie(page), undefined, 'it is taken away');
  },

  async 'with one script, in many tabs'(browser, seen, token) {
    await person(`ben-${token}`);
    const page = await visitor(browser);
    await page.goto(`${GATEWAY}/open`);
    // A script was told 401, and sent the page.
    await signIn(page, `ben-${token}`, '/open');
    await page.waitForFunction(() => document.getElementById('who')?.textContent.startsWith('ben'));
    assert.equal(await page.evaluate(() => document.cookie), '', 'no script reads the cookie');
    await page.click('#ask');
    await page.waitForFunction(() => document.getElementById('got').textContent === '200 application/json');
    const tabs = await Promise.all(Array.from({ length: 5 }, () => page.context().newPage()));
    await Promise.all(tabs.map((tab) => tab.goto(`${GATEWAY}/single`)));
    await Promise.all(tabs.map((tab) => tab.waitForFunction(() => document.getElementById('who').textContent !== '')));
    // One tab signs out; the next call of another is told so, and nobody is sent anywhere by it.
    await tabs[0].click('#out');
    await tabs[0].waitForFunction(() => document.getElementById('got').textContent === '204');
    await tabs[1].click('#ask');
    await tabs[1].waitForFunction(() => document.getElementById('got').textContent === '401 application/problem+json');
  },

  async 'signed out in many tabs, and in again'(browser, seen, token) {
    await person(`cleo-${token}`);
    const first = await visitor(browser);
    const others = await Promise.all([0, 1].map(() => first.context().newPage()));
    const all = [first, ...others];
    await Promise.all(all.map((page, at) => page.goto(`${GATEWAY}/plain?tab=${at}`)));
    await signIn(first, `cleo-${token}`, '/plain?tab=0');
    // The other tabs have attempts of their own, which are as good as they were.
    for (const [at, page] of others.entries()) {
      await signIn(page, `cleo-${token}`, `/plain?tab=${at + 1}`);
    }
    const attempts = (await first.context().cookies(GATEWAY)).filter((one) => one.name.includes('countersign-login-'));
    assert.deepEqual(attempts, [], 'attempts are forgotten');
  },

  async 'while other sites try to use the session'(browser, seen, token) {
    await person(`dora-${token}`);
    const page = await visitor(browser);
    await page.goto(`${GATEWAY}/plain`);
    await signIn(page, `dora-${token}`, '/plain');
    assert.match(await heading(page), /^Hello/);
    const calls = seen.calls;
    const form = `<form method="post" action="${GATEWAY}/orders"></form><script>document.forms[0].submit()</script>`;
    const script = `<script>fetch('${GATEWAY}/api/orders', { method: 'POST', credentials: 'include', mode: 'no-cors' })
      .finally(() => { document.title = 'done'; });</script>`;
    const socket = `<script>const socket = new WebSocket('${GATEWAY.replace('http', 'ws')}/api/live');
      socket.onclose = socket.onerror = () => { document.title = 'done'; };</script>`;
    // Another site, and another port of the same host, which is the same site: browsers send the cookie along.
    for (const host of ['127.0.0.1', 'localhost']) {
      await withSite(host, form, async (url) => {
        const evil = await page.context().newPage();
        await evil.goto(url);
        await evil.waitForURL(/\/orders$/);
      });
      for (const html of [script, socket]) {
        await withSite(host, html, async (url) => {
          const evil = await page.context().newPage();
          await evil.goto(url);
          await evil.waitForFunction(() => document.title === 'done');
        });
      }
    }
    assert.equal(seen.calls, calls, 'nothing of it has reached the API');
    await page.click('#order');
    assert.equal(seen.calls, calls + 1, 'and the page of ours goes on');
    const out = `<form method="post" action="${GATEWAY}/.countersign/logout"></form><script>document.forms[0].submit()</script>`;
    await withSite('localhost', out, async (url) => {
      const evil = await page.context().newPage();
      await evil.goto(url);
      await evil.waitForURL(/logout$/);
    });
    await page.reload();
    assert.match(await heading(page), /^Hello/, 'nobody is signed out by another site');
  },
};

await withBrowser(async (browser) => {
  for (const token of ['opaque', 'jwt']) {
    await withFrontEnd(token, async (seen) => {
      for (const [name, flow] of Object.entries(FLOWS)) {
        try {
          await flow(browser, seen, token);
        } catch (error) {
          error.message = `${token}, ${name}: ${error.message}`;
          throw error;
        }
      }
      assert.ok(seen.cookies.every((field) => !field.includes('__Host-')), 'the upstream is told no cookie of ours');
    });
  }
});

console.log('good');
