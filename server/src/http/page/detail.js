import { ago, evidence, figures, h, lasting, phaseBadge, sentenceOf, stageTrack } from './draw.js'
import { count, figure, ratio, span, weight } from './text.js'

/** What can be done in which phase, in the order of the buttons. */
const actions = {
  draft: ['start'],
  scheduled: ['start'],
  running: ['pause', 'advance', 'revert'],
  paused: ['resume', 'advance', 'revert'],
  'awaiting-approval': ['approve', 'reject', 'pause', 'revert'],
  succeeded: ['revert'],
}

const labels = {
  start: 'Start',
  pause: 'Pause',
  resume: 'Resume',
  advance: 'Advance',
  approve: 'Approve',
  reject: 'Reject',
  revert: 'Revert…',
}

/** The rollout's own part of its page. */
export function head(rollout) {
  return h(
    'section',
    { class: 'card detail' },
    h(
      'header',
      {},
      h('h1', {}, rollout.key),
      phaseBadge(rollout.phase),
      h('span', { class: 'since' }, lasting(rollout.since)),
    ),
    rollout.description === undefined ? undefined : h('p', { class: 'description' }, rollout.description),
    stageTrack(rollout),
    figures(rollout),
    h('p', { class: 'verdict' }, sentenceOf(rollout)),
  )
}

export function buttons(rollout, role, act) {
  if (role === 'viewer') return h('p', { class: 'actions quiet' }, 'This token may look, and change nothing.')
  return h(
    'div',
    { class: 'actions' },
    (actions[rollout.phase] ?? []).map((name) =>
      h(
        'button',
        { type: 'button', class: `act-${name}`, 'data-action': name, onclick: () => act(name) },
        labels[name],
      ),
    ),
  )
}

export function metricsTable(judgement) {
  if (judgement === undefined || judgement.metrics.length === 0) {
    return h(
      'section',
      { class: 'card' },
      h('h2', {}, 'Metrics'),
      h('p', { class: 'quiet' }, 'Nothing has been compared yet.'),
    )
  }
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'Metrics'),
    h(
      'div',
      { class: 'wide' },
      h(
        'table',
        { class: 'metrics' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            ['metric', 'canary', 'stable', 'ratio', 'evidence of harm'].map((name) => h('th', { scope: 'col' }, name)),
          ),
        ),
        h(
          'tbody',
          {},
          judgement.metrics.flatMap((metric) => metricRows(metric, judgement.logHarmNeeded)),
        ),
      ),
    ),
    h(
      'ul',
      { class: 'reasons' },
      judgement.reasons.map((reason) => h('li', {}, reason.sentence)),
    ),
  )
}

function metricRows(metric, needed) {
  const arm = (name, { n, rate }) =>
    h('td', { class: 'number', 'data-name': name }, figure(metric.kind, rate), h('small', {}, ` of ${count(n)}`))
  const guard = metric.guard === undefined ? undefined : h('small', {}, ` ${metric.guard.action}`)
  return [
    h(
      'tr',
      { class: 'metric' },
      h('th', { scope: 'row' }, metric.metric, guard),
      arm('canary', metric.canary),
      arm('stable', metric.stable),
      h('td', { class: 'number', 'data-name': 'ratio' }, ratio(metric.ratio)),
      h('td', { 'data-name': 'evidence of harm' }, evidence(metric.logHarm, needed)),
    ),
    h('tr', {}, h('td', { class: 'says', colspan: '5' }, metric.sentence)),
  ]
}

export function historyList(entries) {
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'History'),
    h(
      'ol',
      { class: 'history' },
      entries.map((entry) =>
        h(
          'li',
          {},
          h('p', {}, entry.summary),
          h(
            'p',
            { class: 'quiet' },
            entry.actor.name,
            ' · ',
            ago(entry.at),
            entry.reason === undefined ? undefined : ` · “${entry.reason}”`,
          ),
        ),
      ),
    ),
  )
}

/** Who decides by an older version yet: a change is complete when there is nobody. */
function missing({ complete, behind, unreached, unreachedCount, instances, applied }) {
  if (complete) return instances === 0 ? [] : [h('p', { class: 'quiet' }, 'Complete: everybody decides by it.')]
  const named = (laggards, count, what) => {
    if (count === 0) return []
    const names = laggards.slice(0, 10).map((one) => `${one.instance} (version ${one.version}, ${span(one.sinceMs)})`)
    const more = count > names.length ? `, and ${count - names.length} more` : ''
    return [h('p', {}, `${what}: ${names.join(', ')}${more}.`)]
  }
  return [
    ...named(behind, instances - applied - unreachedCount, 'Not complete. Connected and behind'),
    ...named(unreached, unreachedCount, 'Not complete. Hung up before it came, and may still decide by what they had'),
  ]
}

export function convergence(versions, instances) {
  const [newest] = versions
  const ms = (value) => (value === undefined ? '–' : `${Math.round(value)} ms`)
  return h(
    'section',
    { class: 'card' },
    h('h2', {}, 'Instances'),
    newest === undefined
      ? h('p', { class: 'quiet' }, 'No change was pushed since this server started.')
      : h(
          'p',
          {},
          newest.instances === 0
            ? `Version ${newest.version} was pushed while no SDK was connected.`
            : `Version ${newest.version}: confirmed by ${newest.applied} of ${newest.instances}, half of them within ${ms(newest.p50Ms)}, 99 % within ${ms(newest.p99Ms)}.`,
        ),
    ...(newest === undefined ? [] : missing(newest)),
    instances.items.length === 0
      ? h('p', { class: 'quiet' }, 'No SDK is connected.')
      : h(
          'div',
          { class: 'wide' },
          h(
            'table',
            {},
            h(
              'thead',
              {},
              h(
                'tr',
                {},
                ['instance', 'sdk', 'version', 'connected', 'breakers'].map((name) => h('th', { scope: 'col' }, name)),
              ),
            ),
            h(
              'tbody',
              {},
              instances.items.map((instance) =>
                h(
                  'tr',
                  {},
                  h('th', { scope: 'row' }, instance.labels.host ?? instance.instance),
                  h('td', {}, `${instance.sdk.name} ${instance.sdk.version}`),
                  h('td', { class: 'number' }, String(instance.appliedVersion)),
                  h('td', {}, ago(instance.connectedAt)),
                  h('td', {}, instance.breakers.join(', ') || '–'),
                ),
              ),
            ),
          ),
        ),
    instances.total > instances.items.length
      ? h('p', { class: 'quiet' }, `and ${instances.total - instances.items.length} more`)
      : undefined,
  )
}

/** Asks once before everybody is taken back. */
export function confirmRevert(dialog, rollout, confirmed) {
  const reason = h('input', { type: 'text', id: 'reason', maxlength: '2000', autocomplete: 'off' })
  dialog.replaceChildren(
    h(
      'form',
      {
        method: 'dialog',
        onsubmit: (event) => {
          if (event.submitter?.value === 'revert') confirmed(reason.value.trim())
        },
      },
      h('h2', {}, `Take ${rollout.key} back?`),
      h('p', {}, `It is at ${weight(rollout.weight)}. Everybody gets stable again, at once.`),
      h('label', { for: 'reason' }, 'Why (for the history)'),
      reason,
      h(
        'div',
        { class: 'actions' },
        h('button', { value: 'keep', type: 'submit' }, 'Keep it'),
        h('button', { value: 'revert', type: 'submit', class: 'act-revert', id: 'confirm-revert' }, 'Revert'),
      ),
    ),
  )
  dialog.showModal()
}
