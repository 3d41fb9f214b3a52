import { session, signOut } from '../session'

/** One server-sent event. */
export interface StreamEvent {
  id: string
  name: string
  data: unknown
}

/**
 * Reads a stream of server-sent events until the signal ends it, and connects again when it is cut, from the last event that arrived. It is read
 * with fetch, because an EventSource sends neither the token nor, after a new start, the last id.
 */
export async function follow(
  path: string,
  signal: AbortSignal,
  heard: (event: StreamEvent) => void,
  connected: (yes: boolean) => void = () => {},
  again = true,
): Promise<void> {
  let last = ''
  let pause = 500
  while (!signal.aborted) {
    try {
      const { token } = session
      const headers: Record<string, string> = { Accept: 'text/event-stream', Authorization: `Bearer ${token}` }
      if (last) headers['Last-Event-ID'] = last
      const response = await fetch(`/api${path}`, { headers, signal, cache: 'no-store' })
      if (response.status === 401 && token === session.token) return signOut('expired')
      if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`)
      connected(true)
      pause = 500
      await read(response.body, (event) => {
        if (event.id) last = event.id
        heard(event)
      })
    } catch {
      // The connection was cut or the service is away: connected below.
    }
    if (signal.aborted) return
    connected(false)
    if (!again) return
    await wait(pause, signal)
    pause = Math.min(pause * 2, 8000)
  }
}

async function read(body: ReadableStream<Uint8Array>, heard: (event: StreamEvent) => void): Promise<void> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader()
  let rest = ''
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    rest += value
    const blocks = rest.replaceAll('\r\n', '\n').split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const event = parse(block)
      if (event) heard(event)
    }
  }
}

/** The fields of one block; null for a comment. */
export function parse(block: string): StreamEvent | null {
  const event: StreamEvent = { id: '', name: 'message', data: null }
  const data: string[] = []
  for (const line of block.split('\n')) {
    const [, field, value = ''] = /^([a-z]+):? ?(.*)$/.exec(line) ?? []
    if (field === 'id') event.id = value
    if (field === 'event') event.name = value
    if (field === 'data') data.push(value)
  }
  if (data.length === 0) return null
  event.data = JSON.parse(data.join('\n')) as unknown
  return event
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', () => { clearTimeout(timer); done() }, { once: true })
  })
}
