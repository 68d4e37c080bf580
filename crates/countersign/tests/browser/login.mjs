// `countersign login` has shown an address: a person goes there, signs in and connects the command line, with the keyboard alone.
import assert from 'node:assert/strict';
import { tabTo, uncomplaining, visitor, withBrowser } from './browser.mjs';

const heading = (page) => page.textContent('h1');

await withBrowser(async (browser) => {
  const page = await visitor(browser);
  await page.goto(process.env.ADDRESS);
  assert.equal(await heading(page), 'Sign in');
  await tabTo(page, 'username');
  await page.keyboard.type('ana');
  await tabTo(page, 'password');
  await page.keyboard.type('correct horse');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#allow');
  assert.equal(await heading(page), 'Connect Countersign command line to your account?');
  const shown = new URL(process.env.ADDRESS).searchParams.get('user_code');
  assert.ok((await page.textContent('main')).includes(shown), 'the code that the terminal shows');
  await tabTo(page, 'allow');
  await page.keyboard.press('Enter');
  await page.waitForSelector('[role=status]');
  assert.equal(await heading(page), 'Your device is connected');
  uncomplaining(page);
});

console.log('good');
