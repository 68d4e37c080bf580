// A person who opens an address that is none gets a page, in their language; a program gets its JSON.
import assert from 'node:assert/strict';
import { auditEverywhere, uncomplaining, visitor, withBrowser } from './browser.mjs';

const { ISSUER } = process.env;

await withBrowser(async (browser) => {
  for (const [locale, heading, lang] of [['en-GB', 'There is nothing here', 'en'], ['de-AT', 'Hier ist nichts', 'de']]) {
    const page = await visitor(browser, { locale });
    const answer = await page.goto(`${ISSUER}/nothing`);
    assert.equal(answer.status(), 404);
    assert.equal(await page.textContent('h1'), heading);
    assert.equal(await page.getAttribute('html', 'lang'), lang);
    await page.click('summary');
    assert.match(await page.textContent('#reference'), /^[0-9a-z]{10}$/);
    await auditEverywhere(page);
    uncomplaining(page);
  }
});
const answer = await fetch(`${ISSUER}/nothing`);
assert.deepEqual([answer.status, answer.headers.get('content-type')], [404, 'application/problem+json']);

console.log('good');
