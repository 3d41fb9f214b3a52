import { reactive, ref } from 'vue'
import { api, trouble } from '../../api/client'
import type { BackupRequest, Operation, Server, Trouble } from '../../api/types'
import { take } from '../../live'

export type Action = 'start' | 'stop' | 'recreate'

/** Starts, stops and recreates a server; an error stays with the server until the next attempt. */
export function useServerActions(done: () => void) {
  const busy = reactive(new Map<number, Action>())
  const errors = ref<Record<number, Trouble>>({})

  async function act(server: Server, action: Action, backup?: BackupRequest): Promise<void> {
    busy.set(server.id, action)
    const { [server.id]: _, ...others } = errors.value
    errors.value = others
    try {
      const answer = await api<Server | { operation: Operation }>('POST', `/servers/${server.id}/${action}`, backup)
      if ('operation' in answer) take(answer.operation)
    } catch (thrown) {
      errors.value = { ...errors.value, [server.id]: trouble(thrown) }
    }
    busy.delete(server.id)
    done()
  }

  return { busy, errors, act }
}
