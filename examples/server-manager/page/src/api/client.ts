import { session, signOut } from '../session'
import type { Trouble } from './types'

/** An answer that is no success: what the page says about it is chosen by its code. */
export class ApiError extends Error implements Trouble {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly body: Record<string, unknown> = {},
  ) {
    super(message)
  }

  get missing(): string[] {
    return Array.isArray(this.body.missing) ? this.body.missing.map(String) : []
  }

  get retry_after(): number | null {
    return typeof this.body.retry_after === 'number' ? this.body.retry_after : null
  }
}

/** Whatever was thrown, as the page shows it. */
export function trouble(thrown: unknown): Trouble {
  if (thrown instanceof ApiError) return thrown
  return { code: 'PAGE', message: thrown instanceof Error ? thrown.message : String(thrown) }
}

async function ask(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  const { token } = session
  if (token) headers.Authorization = `Bearer ${token}`
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  let response: Response
  try {
    response = await fetch(`/api${path}`, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store' })
  } catch {
    throw new ApiError(0, 'SERVICE_UNREACHABLE', 'The service does not answer.')
  }
  const text = await response.text()
  let parsed: Record<string, unknown>
  try {
    parsed = text ? (JSON.parse(text) as Record<string, unknown>) : {}
  } catch {
    parsed = { error: text }
  }
  if (response.ok) return parsed
  // A token that has ended is no fault of what was asked: the login page says so. One that was replaced meanwhile is of no interest.
  if (response.status === 401 && token && token === session.token && !path.startsWith('/auth/')) signOut('expired')
  const code = typeof parsed.code === 'string' ? parsed.code : `HTTP_${response.status}`
  throw new ApiError(response.status, code, typeof parsed.error === 'string' ? parsed.error : response.statusText, parsed)
}

/** The `data` of an answer. */
export async function api<T>(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<T> {
  return (await ask(method, path, body)).data as T
}

/** The whole answer, where there is something beside `data`. */
export async function whole<T>(method: 'GET' | 'POST', path: string, body?: unknown): Promise<T> {
  return (await ask(method, path, body)) as T
}
