import { computed, onScopeDispose, reactive, ref, watch } from 'vue'
import { api } from './api/client'
import { follow } from './api/stream'
import type { Operation, Topic } from './api/types'
import { session } from './session'

// One stream for the whole page: the operations as they go on, and what has to be read again. The operations are the service's, so a reload and
// a second tab show the same.

export const operations = reactive(new Map<string, Operation>())
export const online = ref(true)

const listeners = new Map<Topic, Set<() => void>>()
const dismissed = reactive(new Set<string>(JSON.parse(localStorage.getItem('dismissed') ?? '[]') as string[]))

export const isActive = (operation: Operation): boolean => operation.state === 'running' || operation.state === 'waiting'

/** What runs, oldest first: the order in which it is done. */
export const active = computed(() => [...operations.values()].filter(isActive).sort((a, b) => a.started_at.localeCompare(b.started_at)))

/** What has ended within the last hour and was not dismissed, newest first. */
export const ended = computed(() =>
  [...operations.values()]
    .filter((one) => !isActive(one) && one.state !== 'interrupted' && !dismissed.has(one.id))
    .filter((one) => Date.now() - Date.parse(one.finished_at ?? one.started_at) < 3_600_000)
    .sort((a, b) => (b.finished_at ?? '').localeCompare(a.finished_at ?? '')),
)

export function dismiss(id: string): void {
  dismissed.add(id)
  localStorage.setItem('dismissed', JSON.stringify([...dismissed].slice(-200)))
}

window.addEventListener('storage', (event) => {
  if (event.key === 'dismissed') for (const id of JSON.parse(event.newValue ?? '[]') as string[]) dismissed.add(id)
})

const listening = new Set<(operation: Operation) => void>()

/** Calls it with each operation that ends from now on; gives what ends that. */
export function onEnd(heard: (operation: Operation) => void): () => void {
  listening.add(heard)
  return () => listening.delete(heard)
}

/** Takes what an answer or the stream says of an operation; an older word does not replace a newer one. */
export function take(operation: Operation): void {
  const known = operations.get(operation.id)
  if (known && !isActive(known) && isActive(operation)) return
  operations.set(operation.id, operation)
  if (known && isActive(known) && !isActive(operation)) listening.forEach((heard) => heard(operation))
}

/** Calls it now and whenever the service says that the topic has changed, until the component is gone. */
export function onChange(topics: Topic[], read: () => void): void {
  let planned = false
  const soon = (): void => {
    if (planned) return
    planned = true
    setTimeout(() => { planned = false; read() }, 100)
  }
  for (const topic of topics) listeners.set(topic, (listeners.get(topic) ?? new Set()).add(soon))
  onScopeDispose(() => topics.forEach((topic) => listeners.get(topic)?.delete(soon)))
  read()
}

function changed(topics: Iterable<Topic>): void {
  for (const topic of topics) listeners.get(topic)?.forEach((read) => read())
}

let stop: AbortController | null = null

watch(() => session.token, (token) => {
  stop?.abort()
  operations.clear()
  if (!token) return
  stop = new AbortController()
  const { signal } = stop
  let lost = false
  // The stream begins with what runs; what has ended before is asked for.
  const recent = (): void => void api<{ operations: Operation[] }>('GET', '/servers/images/operations').then((list) => list.operations.forEach(take), () => {})
  recent()
  void follow('/servers/images/events', signal, (event) => {
    if (event.name === 'operation') take(event.data as Operation)
    if (event.name === 'changed') changed([(event.data as { topic: Topic }).topic])
  }, (yes) => {
    online.value = yes
    if (!yes) lost = true
    else if (lost) {
      // What changed while there was no connection.
      lost = false
      recent()
      changed(listeners.keys())
    }
  })
}, { immediate: true })
