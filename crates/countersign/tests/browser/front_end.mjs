// A front end of the house's own behind the gateway: a page of forms, and a page of one script; and an API that counts its calls.
import http from 'node:http';
import { writeFileSync } from 'node:fs';
import { manage } from './app.mjs';

const PLAIN = (told, calls) => `<!doctype html><html lang="en"><title>Orders</title><h1>Hello ${told}</h1><p id="calls">${calls}</p>
<form method="post" action="/orders"><button id="order">Order</button></form>
<form method="post" action="/.countersign/logout"><input type="hidden" name="return_to" value="/bye"><button id="out">Sign out</button></form>`;

const SINGLE = `<!doctype html><html lang="en"><title>Orders</title><h1>Orders</h1><p id="who"></p><p id="got"></p>
<button id="ask">Ask</button><button id="out">Sign out</button><script src="/single.js"></script>`;

const SCRIPT = `
const show = (id, text) => { document.getElementById(id).textContent = text; };
async function who() {
  const answer = await fetch('/.countersign/session');
  if (answer.status === 401) return location.assign('/.countersign/login?return_to=' + encodeURIComponent(location.pathname));
  show('who', (await answer.json()).username);
}
document.getElementById('ask').addEventListener('click', async () => {
  const answer = await fetch('/api/orders', { method: 'POST' });
  show('got', answer.status + ' ' + answer.headers.get('content-type'));
});
document.getElementById('out').addEventListener('click', async () => {
  show('got', String((await fetch('/.countersign/logout', { method: 'POST' })).status));
});
who();
`;

const ROUTES = (url, token) => `
[[upstream]]
name = "front"
url = "${url}"

[[route]]
path = "/bye"
upstream = "front"
require = { any = [ { anonymous = {} } ] }

[[route]]
path = "/single.js"
upstream = "front"
require = { any = [ { anonymous = {} } ] }

[[route]]
path = "/open"
upstream = "front"
require = { any = [ { anonymous = {} } ] }

[[route]]
path = "/{**}"
upstream = "front"
require = { session = { client = "web", token = "${token}" } }
`;

// Serves the front end behind the gateway until `act` has ended.
export async function withFrontEnd(token, act) {
  const seen = { calls: 0, cookies: [] };
  const server = http.createServer((request, response) => serve(seen, request, response));
  server.keepAliveTimeout = 1;
  server.listen(0, '127.0.0.1');
  await new Promise((ready) => server.once('listening', ready));
  try {
    writeFileSync(process.env.CONFIG, ROUTES(`http://127.0.0.1:${server.address().port}`, token));
    await manage('POST', '/v1/reload');
    await act(seen);
  } finally {
    await new Promise((done) => server.close(done));
  }
}

function serve(seen, request, response) {
  const told = request.headers['countersign-subject'] ?? 'stranger';
  seen.cookies.push(request.headers.cookie ?? '');
  const answer = (kind, text, status = 200) => {
    response.writeHead(status, { 'content-type': kind, 'cache-control': 'no-store' });
    response.end(text);
  };
  if (request.method === 'POST') seen.calls += 1;
  if (request.url === '/orders' && request.method === 'POST') {
    response.writeHead(303, { location: '/plain' });
    response.end();
  } else if (request.url === '/single.js') answer('text/javascript', SCRIPT);
  else if (request.url === '/single' || request.url === '/open') answer('text/html', SINGLE);
  else if (request.url === '/bye') answer('text/html', '<!doctype html><html lang="en"><title>Bye</title><h1>Bye</h1>');
  else if (request.url.startsWith('/api/')) answer('application/json', JSON.stringify({ told }));
  else answer('text/html', PLAIN(told, seen.calls));
}
