// A person opens a page that Apache protects, signs in with us, and is let in by name.
import assert from 'node:assert/strict';
import { manage } from './app.mjs';
import { visitor, withBrowser } from './browser.mjs';

const PASSWORD = 'correct horse battery staple';
await manage('POST', '/v1/users', { username: 'ana', password: PASSWORD });

await withBrowser(async (browser) => {
  const page = await visitor(browser);
  await page.goto(process.env.SECRET);
  assert.equal(await page.textContent('h1'), 'Sign in to continue to The intranet');
  await page.fill('#username', 'ana');
  await page.fill('#password', PASSWORD);
  await page.click('#sign-in');
  await page.click('#allow');
  await page.waitForURL(process.env.SECRET);
  assert.equal(await page.textContent('h1'), 'Inside');
  const again = await page.reload();
  assert.equal(again.headers().person, 'ana');
});

console.log('good');
