import { call, listen, Refused } from './api.js'
import { buttons, confirmRevert, convergence, head, historyList, metricsTable } from './detail.js'
import { card, h, refreshTimes, signInForm } from './draw.js'

const at = (id) => document.getElementById(id)
const state = {
  token: sessionStorage.getItem('pipit-token') ?? undefined,
  environment: sessionStorage.getItem('pipit-environment') ?? 'production',
  me: undefined,
  environments: [],
  rollouts: new Map(),
  ready: false,
  online: undefined,
  stop: undefined,
}

const query = () => `environment=${encodeURIComponent(state.environment)}`
const path = (key) => `/rollouts/${encodeURIComponent(key)}`
const selectedKey = () => decodeURIComponent(location.hash.replace(/^#\/?/, ''))

/** Parts of the page by name; a part is drawn again only where what it shows has changed, so that focus and selection stay. */
const drawn = new Map()
function part(name, shows, build) {
  const signature = JSON.stringify(shows)
  const known = drawn.get(name)
  if (known?.signature === signature) return known.element
  const element = build()
  drawn.set(name, { signature, element })
  return element
}

function place(...elements) {
  const main = at('main')
  if (main.children.length === elements.length && elements.every((element, i) => main.children[i] === element)) return
  main.replaceChildren(...elements)
}

function notice(text) {
  const element = at('notice')
  element.textContent = text
  element.hidden = text === ''
}

function draw() {
  drawTop()
  if (state.me === undefined) return
  const key = selectedKey()
  if (key === '') drawList()
  else drawDetail(key)
}

function drawTop() {
  const connection = at('connection')
  connection.className = state.online === undefined ? '' : state.online ? 'live' : 'lost'
  connection.textContent =
    state.me === undefined || state.online === undefined ? '' : state.online ? 'live' : 'connection lost, trying again…'
  document.body.classList.toggle('stale', state.me !== undefined && state.online === false)
  const who = part('who', [state.me, state.environment, state.environments], () =>
    h(
      'span',
      {},
      state.me === undefined
        ? undefined
        : [
            h(
              'select',
              { 'aria-label': 'environment', onchange: (event) => enter(event.target.value) },
              state.environments.map((name) =>
                h('option', { value: name, selected: name === state.environment }, name),
              ),
            ),
            h(
              'button',
              {
                type: 'button',
                class: 'plain',
                id: 'sign-out',
                title: `signed in with the token ${state.me.name}`,
                onclick: signOut,
              },
              'Sign out',
            ),
          ],
    ),
  )
  if (at('who').firstChild !== who) at('who').replaceChildren(who)
}

function drawList() {
  const order = {
    'awaiting-approval': 0,
    running: 1,
    paused: 1,
    scheduled: 2,
    draft: 3,
    reverted: 4,
    succeeded: 5,
    archived: 6,
  }
  const rollouts = [...state.rollouts.values()].sort(
    (a, b) => order[a.phase] - order[b.phase] || (a.key < b.key ? -1 : 1),
  )
  if (rollouts.length === 0) {
    const text = state.ready ? 'There is no rollout here yet. Make one with pipit apply -f rollout.yaml.' : 'Loading…'
    return place(part('empty', text, () => h('p', { class: 'quiet empty' }, text)))
  }
  place(...rollouts.map((rollout) => part(`card ${rollout.key}`, rollout, () => card(rollout))))
}

const details = new Map()

function drawDetail(key) {
  const rollout = state.rollouts.get(key)
  const back = part('back', [], () => h('p', { class: 'back' }, h('a', { href: '#/' }, '← All rollouts')))
  if (rollout === undefined) {
    const text = state.ready ? `There is no rollout ${key} in ${state.environment}.` : 'Loading…'
    return place(
      back,
      part('missing', text, () => h('p', { class: 'quiet empty' }, text)),
    )
  }
  const more = details.get(key)
  if (more?.seen !== `${rollout.version} ${rollout.verdict?.at}`) void loadDetail(rollout)
  const { phase, version, weight } = rollout
  place(
    back,
    part('head', rollout, () => head(rollout)),
    part('buttons', [key, phase, version, weight, state.me.role], () =>
      buttons(rollout, state.me.role, (name) => act(rollout, name)),
    ),
    ...(more === undefined
      ? []
      : [
          part('metrics', more.judgement ?? null, () => metricsTable(more.judgement)),
          part('convergence', [more.versions, more.instances], () => convergence(more.versions, more.instances)),
          part('history', more.history, () => historyList(more.history)),
        ]),
  )
}

async function loadDetail(rollout) {
  const { key } = rollout
  const seen = `${rollout.version} ${rollout.verdict?.at}`
  details.set(key, { ...(details.get(key) ?? { history: [], versions: [], instances: { items: [], total: 0 } }), seen })
  try {
    const get = (what) => call(state.token, 'GET', `${what}${what.includes('?') ? '&' : '?'}${query()}`)
    const [analysis, history, versions, instances] = await Promise.all([
      get(`${path(key)}/analysis`),
      get(`${path(key)}/history?limit=30`),
      get(`${path(key)}/convergence?limit=1`),
      get('/instances?limit=20'),
    ])
    details.set(key, {
      seen,
      judgement: analysis.judgement,
      history: history.items,
      versions: versions.items,
      instances,
    })
    draw()
  } catch (error) {
    details.delete(key)
    tellError(error)
  }
}

async function act(rollout, name) {
  if (name === 'revert') {
    // A revert is meant whatever has changed meanwhile, so it names no version.
    return confirmRevert(at('confirm'), rollout, (reason) => send(rollout.key, name, reason === '' ? {} : { reason }))
  }
  await send(rollout.key, name, { version: rollout.version })
}

async function send(key, name, body) {
  notice('')
  try {
    const answer = await call(state.token, 'POST', `${path(key)}/${name}?${query()}`, body)
    state.rollouts.set(key, listed(answer))
    draw()
  } catch (error) {
    tellError(error)
  }
}

/** What the stream would say of it, so that the next event is no change. */
function listed({
  definition: _definition,
  overrides: _overrides,
  dismissed: _dismissed,
  thresholds: _thresholds,
  ...view
}) {
  return view
}

function tellError(error) {
  if (error instanceof Refused && error.status === 401) return signOut(error.message)
  notice(error instanceof Refused ? error.message : 'The server cannot be reached.')
}

function enter(environment) {
  state.environment = environment
  sessionStorage.setItem('pipit-environment', environment)
  state.stop?.abort()
  state.stop = new AbortController()
  state.rollouts.clear()
  details.clear()
  state.ready = false
  state.online = undefined
  location.hash = '#/'
  void listen({
    token: state.token,
    environment,
    signal: state.stop.signal,
    heard,
    online(isOnline) {
      if (state.online === isOnline) return
      state.online = isOnline
      draw()
    },
    refused: tellError,
  })
  draw()
}

/** The first picture may follow a lost connection: what it does not name is gone. */
let picture = new Set()
function heard(event, data) {
  if (event === 'rollout') {
    picture.add(data.key)
    state.rollouts.set(data.key, data)
  } else if (event === 'removed') state.rollouts.delete(data.key)
  else if (event === 'ready') {
    for (const key of state.rollouts.keys()) if (!picture.has(key)) state.rollouts.delete(key)
    picture = new Set()
    state.ready = true
  }
  if (state.ready) draw()
}

function signOut(message) {
  state.stop?.abort()
  sessionStorage.removeItem('pipit-token')
  Object.assign(state, { token: undefined, me: undefined, online: undefined, ready: false })
  state.rollouts.clear()
  details.clear()
  drawn.clear()
  drawTop()
  showSignIn(typeof message === 'string' ? message : '')
}

function showSignIn(message) {
  const form = signInForm((token) => void signIn(token))
  at('main').replaceChildren(form)
  notice(message)
  form.querySelector('input').focus()
}

async function signIn(token) {
  notice('')
  try {
    const [me, environments] = await Promise.all([call(token, 'GET', '/me'), call(token, 'GET', '/environments')])
    state.token = token
    state.me = me
    state.environments = environments.items.map(({ name }) => name)
    sessionStorage.setItem('pipit-token', token)
    const hash = location.hash
    enter(state.environments.includes(state.environment) ? state.environment : (state.environments[0] ?? 'production'))
    if (hash !== '') location.hash = hash
  } catch (error) {
    if (state.token !== undefined) sessionStorage.removeItem('pipit-token')
    showSignIn(error instanceof Refused ? error.message : 'The server cannot be reached.')
  }
}

addEventListener('hashchange', () => {
  notice('')
  draw()
})
setInterval(refreshTimes, 5000)
if (state.token === undefined) showSignIn('')
else void signIn(state.token)
