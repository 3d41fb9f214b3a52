import { ref } from 'vue'
import { trouble } from './api/client'
import type { Trouble } from './api/types'

/** One thing that can be tried: whether it is being tried, and why it did not succeed. */
export function useAttempt() {
  const busy = ref(false)
  const error = ref<Trouble | null>(null)

  /** Whether it succeeded. */
  async function attempt(work: () => Promise<unknown>): Promise<boolean> {
    busy.value = true
    error.value = null
    try {
      await work()
    } catch (thrown) {
      error.value = trouble(thrown)
    }
    busy.value = false
    return error.value === null
  }

  return { busy, error, attempt }
}
