import { computed, reactive } from 'vue'
import type { User } from './api/types'

/** Who is signed in. All tabs of the browser share it; a token ends by itself. */
export const session = reactive<{ token: string; me: User | null; ended: '' | 'expired' }>({
  token: localStorage.getItem('token') ?? '',
  me: read(),
  ended: '',
})

export const isAdmin = computed(() => session.me?.administrator === true)

function read(): User | null {
  try {
    return JSON.parse(localStorage.getItem('me') ?? 'null') as User | null
  } catch {
    return null
  }
}

export function signIn(token: string, me: User): void {
  localStorage.setItem('token', token)
  localStorage.setItem('me', JSON.stringify(me))
  Object.assign(session, { token, me, ended: '' })
}

export function signOut(why: '' | 'expired' = ''): void {
  localStorage.removeItem('token')
  localStorage.removeItem('me')
  Object.assign(session, { token: '', me: null, ended: why })
}

// Another tab has signed in or out.
window.addEventListener('storage', (event) => {
  if (event.key === 'token') Object.assign(session, { token: event.newValue ?? '', me: read() })
})
