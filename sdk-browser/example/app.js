/* global pipit, pipitErrors */
const data = (id) => JSON.parse(document.getElementById(id).textContent)
const sdk = pipit.createClient({ ...data('config'), bootstrap: data('pipit') })
pipitErrors.watchErrors(sdk)

function render() {
  const { variant, reason } = sdk.decide()
  for (const section of document.querySelectorAll('section')) section.hidden = section.id !== variant
  const { source, transport, version } = sdk.status()
  document.getElementById('status').textContent =
    `${variant} by ${reason} · ruleset ${version} from ${source} · ${transport}`
}

// Before the first paint, from what came with the page; then with each change, because this page asks for it.
render()
sdk.on('change', render)
sdk.on('status', render)

for (const button of document.querySelectorAll('button')) {
  button.addEventListener('click', () => {
    sdk.track(undefined, 'purchase', { value: 49.9 })
    document.getElementById('thanks').textContent = 'Thank you!'
  })
}
