// A third-party application, as its people write one: it sends browsers to sign in, redeems the code, and calls the API.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import http from 'node:http';

const { ADMIN, GATEWAY, ISSUER, KEY } = process.env;

// Calls the management API.
export async function manage(method, path, body) {
  const headers = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' };
  const answer = await fetch(`${ADMIN}${path}`, { method, headers, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return text ? JSON.parse(text) : {};
}

// Starts the application, registers it, and stops it when `act` has ended.
export async function withApp(registered, act) {
  const app = new App();
  await app.listen();
  try {
    app.client = await manage('POST', '/v1/clients', {
      name: 'Acme Invoices',
      grant_types: ['authorization_code', 'refresh_token'],
      scopes: ['orders:read', 'orders:write'],
      redirect_uris: [`${app.url}/cb`],
      post_logout_redirect_uris: [`${app.url}/bye`],
      ...registered,
    });
    await act(app);
  } finally {
    await new Promise((done) => app.server.close(done));
  }
}

class App {
  // What it asks for beside what it always asks for.
  asks = {};
  // What came back, the last time.
  answer = null;
  tokens = null;

  async listen() {
    this.server = http.createServer((request, response) => this.serve(request, response));
    this.server.listen(0, '127.0.0.1');
    await new Promise((ready) => this.server.once('listening', ready));
    this.url = `http://127.0.0.1:${this.server.address().port}`;
    this.server.keepAliveTimeout = 1;
  }

  // Returns where it sends a browser.
  authorize(asks = {}) {
    this.verifier = randomBytes(32).toString('base64url');
    this.state = randomBytes(16).toString('base64url');
    const parameters = {
      response_type: 'code',
      client_id: this.client.client_id,
      redirect_uri: `${this.url}/cb`,
      scope: 'openid profile orders:read orders:write',
      state: this.state,
      nonce: 'n-0S6_WzA2Mj',
      code_challenge: createHash('sha256').update(this.verifier).digest('base64url'),
      code_challenge_method: 'S256',
      ...this.asks,
      ...asks,
    };
    return `${ISSUER}/oauth/authorize?${new URLSearchParams(parameters)}`;
  }

  async serve(request, response) {
    const url = new URL(request.url, this.url);
    const page = (text) => response.end(`<!doctype html><title>Acme</title><link rel="icon" href="data:,"><h1>${text}</h1>`);
    response.setHeader('content-type', 'text/html; charset=utf-8');
    if (url.pathname === '/') return response.end(`<!doctype html><title>Acme</title><link rel="icon" href="data:,"><a id="start" href="/start">Sign in</a>`);
    if (url.pathname === '/start') return response.writeHead(303, { location: this.authorize() }).end();
    if (url.pathname !== '/cb') return page(url.pathname.slice(1));
    this.answer = url.searchParams;
    if (request.method === 'POST') this.answer = new URLSearchParams(await body(request));
    if (this.answer.get('error')) return page(this.answer.get('error'));
    assert.equal(this.answer.get('state'), this.state);
    assert.equal(this.answer.get('iss'), ISSUER);
    this.tokens = await this.redeem(this.answer.get('code'));
    return page(`The API answered ${await this.call()}`);
  }

  async redeem(code) {
    const basic = Buffer.from(`${this.client.client_id}:${this.client.client_secret}`).toString('base64');
    const parameters = { grant_type: 'authorization_code', code, redirect_uri: `${this.url}/cb`, code_verifier: this.verifier };
    const headers = { authorization: `Basic ${basic}` };
    const answer = await fetch(`${ISSUER}/oauth/token`, { method: 'POST', headers, body: new URLSearchParams(parameters) });
    return { status: answer.status, ...(await answer.json()) };
  }

  // Calls the protected API.
  async call() {
    const headers = { authorization: `Bearer ${this.tokens.access_token}` };
    return (await fetch(`${GATEWAY}/orders`, { headers })).status;
  }
}

async function body(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}
