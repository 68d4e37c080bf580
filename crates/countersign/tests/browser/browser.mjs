// A real Chromium, started for one program and stopped with it; and what every page of ours has to be.
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

// Nothing is fetched but what a test asks for.
const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-default-apps', '--mute-audio',
];

// Starts the browser with a profile of its own, hands it to `act`, and stops it whatever happens. Nobody may have touched what a browser
// keeps for scripts, on any page that was opened, and nothing may be kept there.
export async function withBrowser(act) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
  browser.touched = [];
  try {
    await act(browser);
    for (const context of browser.contexts()) {
      const { origins } = await context.storageState({ indexedDB: true });
      browser.touched.push(...origins.map(({ origin }) => `${origin}: kept`));
    }
    assert.deepEqual(browser.touched, []);
  } finally {
    await browser.close();
  }
}

// Opens a page as somebody who was never here. What the browser complains about, policies among it, is a failure.
export async function visitor(browser, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 900, height: 820 }, ...options });
  context.setDefaultTimeout(20_000);
  await context.exposeBinding('__touched', ({ frame }, name) => browser.touched.push(`${frame.url()}: ${name}`));
  await context.addInitScript(watchStorage);
  const page = await context.newPage();
  page.complaints = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) page.complaints.push(message.text());
  });
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  return page;
}

// Runs in every page before it does: tells of whoever touches what a browser keeps for scripts.
function watchStorage() {
  const tell = window.__touched;
  for (const name of ['localStorage', 'sessionStorage', 'indexedDB', 'caches']) {
    const found = Object.getOwnPropertyDescriptor(window, name) ?? Object.getOwnPropertyDescriptor(Window.prototype, name);
    if (!found?.get) continue;
    Object.defineProperty(window, name, { configurable: true, get() { tell(name); return found.get.call(window); } });
  }
}

export function uncomplaining(page) {
  assert.deepEqual(page.complaints, []);
}

// Goes from one thing to the next with the Tab key alone until `id` is reached, and returns what was passed.
export async function tabTo(page, id, most = 30) {
  const passed = [];
  for (let turn = 0; turn < most; turn += 1) {
    const at = await page.evaluate(() => document.activeElement?.id ?? '');
    passed.push(at);
    if (at === id) return passed;
    await page.keyboard.press('Tab');
  }
  assert.fail(`the Tab key does not lead to #${id}: ${passed.join(' ')}`);
}

// Keeps what is seen, where somebody asked for pictures: the sheet and what is right around it.
export async function picture(page, name) {
  const { IMAGES } = process.env;
  if (!IMAGES) return;
  const { x, y, width, height } = await page.locator('main').boundingBox();
  await page.screenshot({ path: `${IMAGES}/${name}.png`, clip: { x: x - 28, y: y - 64, width: width + 56, height: height + 96 } });
}

// Judges a page by what WCAG 2.2 says that a program can see: language, one heading, names, order, size, contrast, focus.
export async function audit(page) {
  // A page reads before it looks like itself.
  await page.waitForLoadState();
  const wrong = await page.evaluate(findings);
  for (const id of await page.evaluate(focusable)) {
    await page.evaluate((at) => document.querySelectorAll('a,button,input:not([type=hidden]),summary')[at].focus({ focusVisible: true }), id);
    const seen = await page.evaluate(() => {
      const style = getComputedStyle(document.activeElement);
      return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
    });
    if (!seen) wrong.push(`2.4.7: the focus on the ${id}th control is not seen`);
  }
  assert.deepEqual(wrong, [], page.url());
}

// Judges it in both schemes of colour and on a narrow screen, where nothing may have to be scrolled sideways.
export async function auditEverywhere(page) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await audit(page);
  }
  const size = page.viewportSize();
  await page.setViewportSize({ width: 320, height: 640 });
  await audit(page);
  await page.setViewportSize(size);
  await page.emulateMedia({ colorScheme: 'light' });
}

function focusable() {
  const all = [...document.querySelectorAll('a,button,input:not([type=hidden]),summary')];
  return all.map((one, at) => [one, at]).filter(([one]) => !one.disabled).map(([, at]) => at);
}

// Runs in the page.
function findings() {
  const wrong = [];
  const numbers = (color) => color.match(/[\d.]+/g).map(Number);
  const channel = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = numbers(getComputedStyle(one).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  if (!document.documentElement.lang) wrong.push('3.1.1: no language');
  if (!document.title) wrong.push('2.4.2: no title');
  if (document.querySelectorAll('h1').length !== 1) wrong.push('1.3.1: not one heading');
  if (document.documentElement.scrollWidth > innerWidth) wrong.push('1.4.10: wider than the screen');
  if (document.querySelector('[tabindex]:not([tabindex="0"],[tabindex="-1"])')) wrong.push('2.4.3: an order of its own');
  let above = -Infinity;
  for (const control of document.querySelectorAll('main a,main button,main input:not([type=hidden]),main summary')) {
    const name = (control.labels ? [...control.labels].map((label) => label.innerText).join() : '') || control.innerText;
    if (!name.trim()) wrong.push(`4.1.2: ${control.outerHTML} has no name`);
    const box = control.getBoundingClientRect();
    if (box.top < above - 40) wrong.push(`2.4.3: ${control.outerHTML} stands above what comes before it`);
    above = box.top;
    if (control.tagName === 'BUTTON' && (box.height < 44 || box.width < 44)) wrong.push(`2.5.5: ${name} is small`);
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || element.closest('script,.skip') || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const [ink, paper] = [light(numbers(style.color)), light(ground(element))].sort((one, other) => other - one);
    const ratio = (ink + 0.05) / (paper + 0.05);
    if (ratio < 4.5) wrong.push(`1.4.3: "${texts.currentNode.data.trim()}" has ${ratio.toFixed(2)} to 1`);
  }
  return wrong;
}
