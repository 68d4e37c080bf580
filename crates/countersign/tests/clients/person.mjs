// A person with a browser, as far as forms and cookies go.
const { ISSUER, USERNAME, PASSWORD } = process.env
const jar = new Map()

async function send(url, form) {
  const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
  const body = form && new URLSearchParams(form)
  const answer = await fetch(new URL(url, ISSUER), { method: form ? 'POST' : 'GET', body, headers: { cookie }, redirect: 'manual' })
  for (const field of answer.headers.getSetCookie()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(field)
    jar.set(name, value)
  }
  return { location: answer.headers.get('location'), page: await answer.text() }
}

function hidden(page, name) {
  const value = new RegExp(`name="${name}" value="([^"]*)"`).exec(page)?.[1] ?? ''
  return value.replaceAll('&#38;', '&').replaceAll('&amp;', '&')
}

const fill = ({ page }, path, fields) =>
  send(path, [['csrf', hidden(page, 'csrf')], ['request', hidden(page, 'request')], ...fields])

// Opens a page, signs in where that is asked, and allows what is asked; where the browser is sent.
export async function allow(url, scopes) {
  let shown = await send(url)
  if (shown.page.includes('id="sign-in"')) {
    const sent = await fill(shown, '/login', [['username', USERNAME], ['password', PASSWORD]])
    shown = await send(sent.location)
  }
  if (shown.location) return shown.location
  const path = shown.page.includes('name="user_code"') || new URL(url, ISSUER).pathname === '/device' ? '/device' : '/consent'
  const ticked = scopes.split(' ').map((scope) => ['scope', scope])
  return (await fill(shown, path, [...ticked, ['decision', 'allow']])).location
}
