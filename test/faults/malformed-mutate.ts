/** A place in a JSON value, as a list of keys and indexes. */
export type Place = readonly (string | number)[]

/** `stages[2].weight`. */
export function placeText(place: Place): string {
  return place.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : text === '' ? part : `${text}.${part}`),
    '',
  )
}

/** Every place in a value, the value itself first. */
export function placesOf(value: unknown, place: Place = []): Place[] {
  if (Array.isArray(value)) return [place, ...value.flatMap((item, i) => placesOf(item, [...place, i]))]
  if (typeof value !== 'object' || value === null) return [place]
  return [place, ...Object.entries(value).flatMap(([key, item]) => placesOf(item, [...place, key]))]
}

export function at(value: unknown, place: Place): unknown {
  return place.reduce<unknown>((inner, part) => (inner as Record<string, unknown>)[part], value)
}

/** The value with another at one place. */
export function replaced(value: unknown, [part, ...rest]: Place, by: unknown): unknown {
  if (part === undefined) return by
  if (Array.isArray(value)) return value.map((item, i) => (i === part ? replaced(item, rest, by) : item))
  const record = value as Record<string, unknown>
  return { ...record, [part]: replaced(record[part], rest, by) }
}

/** Values of every JSON type and beyond every usual bound, but those of the type that stands there. */
export function wrongValues(right: unknown): unknown[] {
  const wrong = [null, true, -1, 1.5, 1e308, '', 'no such thing', 'x'.repeat(3000), [], [[]], [null], {}, { x: {} }]
  return wrong.filter((value) => kindOf(value) !== kindOf(right))
}

/** Values of the right type that no field takes. */
export function wrongAmounts(right: unknown): unknown[] {
  if (typeof right === 'number') return [-1, 1e308, -1e308]
  if (typeof right === 'string') return ['x'.repeat(100_000)]
  return []
}

const kindOf = (value: unknown): string => (Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value)
