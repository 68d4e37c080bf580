// Whoever touches what a browser keeps for scripts is seen, whatever it is and wherever they go afterwards: the proof that the other
// programs prove something.
import assert from 'node:assert/strict';
import { visitor, withBrowser } from './browser.mjs';

const { ISSUER } = process.env;

const touching = (script) =>
  withBrowser(async (browser) => {
    const page = await visitor(browser);
    await page.goto(`${ISSUER}/login`);
    await page.evaluate(script);
    await page.goto(`${ISSUER}/nothing`);
  });

await touching('document.title');
for (const [script, seen] of [
  ['localStorage.setItem("token", "x")', 'localStorage'],
  ['window["localStorage"].length', 'localStorage'],
  ['sessionStorage.length', 'sessionStorage'],
  ['indexedDB.open("a").readyState', 'indexedDB'],
  ['caches.keys()', 'caches'],
]) {
  await assert.rejects(touching(script), (error) => error.actual.includes(`${ISSUER}/login: ${seen}`), script);
}
// By another way than the window's.
const around = `(() => { const frame = document.createElement('iframe'); document.body.append(frame); frame.contentWindow.localStorage.setItem('a', 'b'); })()`;
await assert.rejects(touching(around), (error) => error.actual.includes(`${ISSUER}: kept`), 'around');

console.log('good');
