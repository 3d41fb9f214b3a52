import { useI18n } from 'vue-i18n'
import type { Operation } from './api/types'

/** What came of an operation, in the reader's language. */
export function useOperationText() {
  const { t } = useI18n()
  const title = (operation: Operation): string => t(`operation.kind.${operation.kind}`)

  function summary({ state, kind, changed, servers }: Operation): string {
    if (state !== 'done') return t(`operation.ended.${state}`)
    // The image can be current while servers were given it.
    if (changed === false && kind !== 'recover' && !servers.some((server) => server.state === 'recreated')) return t('operation.ended.unchanged')
    return t(`operation.done.${kind}`)
  }

  return { title, summary }
}
