// A person with a browser, as far as forms and cookies go. With PROVIDER set, they sign in at that identity provider.
const { ISSUER, CALLBACK, PROVIDER, USERNAME, PASSWORD } = process.env
const jars = new Map()

async function send(url, form) {
  const { origin } = new URL(url)
  if (!jars.has(origin)) jars.set(origin, new Map())
  const jar = jars.get(origin)
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const body = form && new URLSearchParams(form)
  const answer = await fetch(url, { method: form ? 'POST' : 'GET', body, headers: { cookie }, redirect: 'manual' })
  for (const field of answer.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(field)
    jar.set(name, value)
  }
  const location = answer.headers.get('location')
  return { url, location: location && new URL(location, url).href, page: await answer.text() }
}

function hidden(page, name) {
  const value = new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? ''
  return value.replaceAll('&#38;', '&').replaceAll('&amp;', '&')
}

const fill = ({ url, page }, path, fields) =>
  send(new URL(path, url), [['csrf', hidden(page, 'csrf')], ['request', hidden(page, 'request')], ...fields])

// Does what a page asks for; null: it asks for nothing.
function answer(shown, scopes) {
  if (shown.location) return send(shown.location)
  if (PROVIDER && shown.page.includes(`id="with-${PROVIDER}"`)) return fill(shown, `/federation/${PROVIDER}`, [])
  if (shown.page.includes('id="sign-in"')) return fill(shown, '/login', [['username', USERNAME], ['password', PASSWORD]])
  if (!shown.page.includes('id="allow"')) return null
  const path = shown.page.includes('name="user_code"') ? '/device' : '/consent'
  return fill(shown, path, [...scopes.split(' ').map((scope) => ['scope', scope]), ['decision', 'allow']])
}

// Opens a page, signs in where that is asked, and allows what is asked; where the browser is sent.
export async function allow(url, scopes) {
  let shown = await send(new URL(url, ISSUER))
  for (let turn = 0; turn < 20 && !shown.location?.startsWith(CALLBACK); turn += 1) {
    const next = await answer(shown, scopes)
    if (!next) break
    shown = next
  }
  return shown.location
}
