import { now } from './platform/browser.js'
import { count, odds, percent, phaseWords, span, weight } from './text.js'

/**
 * An element. Children are texts or elements, and texts stay texts: nothing that comes from the server is ever read as HTML.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else if (name === 'class') element.className = value
    else element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== false))
  return element
}

/** A time as `12 s ago`; `refreshTimes` keeps it true. */
export const ago = (at) => time(at, 'ago')

/** A time as `for 12 s`: how long something has been so. */
export const lasting = (at) => time(at, 'for')

const forms = { ago: (text) => `${text} ago`, for: (text) => `for ${text}` }

function time(at, form) {
  const date = new Date(at)
  const attributes = {
    datetime: date.toISOString(),
    title: date.toLocaleString(),
    'data-at': String(at),
    'data-form': form,
  }
  return h('time', attributes, forms[form](span(now() - at)))
}

export function refreshTimes() {
  for (const element of document.querySelectorAll('time[data-at]')) {
    element.textContent = forms[element.dataset.form](span(now() - Number(element.dataset.at)))
  }
}

export const phaseBadge = (phase) => h('span', { class: `phase phase-${phase}` }, phaseWords[phase] ?? phase)

/** The stages as a track: done, current, to come. */
export function stageTrack(rollout) {
  const at = rollout.phase === 'succeeded' ? rollout.stages.length : (rollout.stageIndex ?? -1)
  return h(
    'ol',
    { class: `track track-${rollout.phase}`, 'aria-label': 'stages' },
    rollout.stages.map((stage, i) =>
      h(
        'li',
        {
          class: i < at ? 'done' : i === at ? 'current' : 'coming',
          'aria-current': i === at ? 'step' : undefined,
          title: stage.approval ? `${stage.name}: asks for an approval` : stage.name,
        },
        h('span', { class: 'name' }, stage.name),
        h('span', { class: 'share' }, weight(stage.weight)),
      ),
    ),
  )
}

/** Evidence of harm as a bar that is full where it acts. */
export function evidence(log, needed) {
  const share = log === null || needed === null || !(needed > 0) ? 0 : Math.min(1, Math.max(0, log / needed))
  return h(
    'span',
    { class: 'evidence' },
    h('meter', {
      min: '0',
      max: '1',
      low: '0.5',
      high: '0.9',
      optimum: '0',
      value: String(share),
      'aria-label': 'evidence of harm',
    }),
    h('span', { class: 'number' }, odds(log)),
  )
}

const figure = (name, ...values) => h('div', { class: 'figure' }, h('dt', {}, name), h('dd', {}, ...values))

/** One rollout in the list. */
export function card(rollout) {
  const { verdict } = rollout
  return h(
    'article',
    { class: 'card', id: `rollout-${rollout.key}` },
    h(
      'header',
      {},
      h('h2', {}, h('a', { href: `#/${encodeURIComponent(rollout.key)}` }, rollout.key)),
      phaseBadge(rollout.phase),
      h('span', { class: 'since' }, lasting(rollout.since)),
    ),
    rollout.description === undefined ? undefined : h('p', { class: 'description' }, rollout.description),
    stageTrack(rollout),
    figures(rollout),
    h('p', { class: 'verdict' }, sentenceOf(rollout)),
    verdict === undefined ? undefined : h('p', { class: 'when' }, 'judged ', ago(verdict.at)),
  )
}

export function figures(rollout) {
  const { verdict } = rollout
  const rates = verdict?.errorRate
  const worst = verdict?.worst
  return h(
    'dl',
    { class: 'figures' },
    figure('weight', weight(rollout.weight)),
    figure(
      'units',
      arms(verdict === undefined ? undefined : [count(verdict.units.canary), count(verdict.units.stable)]),
    ),
    figure('errors', arms(rates === undefined ? undefined : [percent(rates.canary.rate), percent(rates.stable.rate)])),
    figure(
      worst === undefined ? 'evidence of harm' : `evidence of harm in ${worst.metric}`,
      worst === undefined ? '–' : evidence(worst.logHarm, verdict.logHarmNeeded),
    ),
  )
}

function arms(values) {
  if (values === undefined) return '–'
  const arm = (name, value) => h('span', { class: name }, value, h('small', {}, name))
  return h('span', { class: 'arms' }, arm('canary', values[0]), arm('stable', values[1]))
}

/** What to read out: why it ended or waits, else what the judge says. */
export function sentenceOf(rollout) {
  if (rollout.why !== undefined && rollout.why !== '') return rollout.why
  if (rollout.phase === 'succeeded') return `Everybody gets ${rollout.winner}.`
  if (rollout.phase === 'draft') return 'Not started yet.'
  if (rollout.phase === 'scheduled') return `Starts ${new Date(rollout.startAt).toLocaleString()}.`
  return rollout.verdict?.sentence ?? 'Not judged yet.'
}

/** Asks for the token; `given` gets what was typed. */
export function signInForm(given) {
  const attributes = { placeholder: 'adm_…', autocomplete: 'off', required: true, spellcheck: 'false' }
  const token = h('input', { type: 'password', id: 'token', ...attributes })
  const onsubmit = (event) => {
    event.preventDefault()
    given(token.value.trim())
  }
  return h(
    'form',
    { class: 'card sign-in', onsubmit },
    h('h1', {}, 'Sign in'),
    h('label', { for: 'token' }, 'Admin token'),
    token,
    h('button', { type: 'submit', class: 'primary' }, 'Sign in'),
    h('p', { class: 'quiet' }, 'The first start of the server printed it. It is kept in this tab only.'),
  )
}
