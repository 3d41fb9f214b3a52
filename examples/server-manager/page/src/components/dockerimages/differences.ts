/** One line of a comparison. */
export interface Difference {
  added: boolean
  text: string
}

/** What is in `before` alone, and then what is in `after` alone: items of lists, members of objects, or the values themselves. */
export function differences(before: unknown, after: unknown): Difference[] {
  const [old, now] = [lines(before), lines(after)]
  const changed = (list: string[], other: string[]): string[] => list.filter((line) => !other.includes(line))
  // Lists that differ in nothing but their order are shown whole.
  const same = changed(old, now).length === 0 && changed(now, old).length === 0
  return [
    ...(same ? [old.join(' ')] : changed(old, now)).map((text) => ({ added: false, text })),
    ...(same ? [now.join(' ')] : changed(now, old)).map((text) => ({ added: true, text })),
  ].filter((line) => line.text !== '')
}

function lines(value: unknown): string[] {
  if (value === null || value === undefined || value === '') return []
  if (Array.isArray(value)) return value.map(text)
  if (typeof value === 'object') return Object.entries(value).map(([key, member]) => (isEmpty(member) ? key : `${key}=${text(member)}`))
  return [text(value)]
}

const isEmpty = (value: unknown): boolean => value === null || (typeof value === 'object' && Object.keys(value).length === 0)
const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))
