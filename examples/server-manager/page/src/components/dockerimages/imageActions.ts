import { reactive, ref } from 'vue'
import { api, trouble, whole } from '../../api/client'
import type { AffectedServer, BackupRequest, Check, ImageStatusData, Operation, Plan, Trouble } from '../../api/types'
import { onChange, take } from '../../live'

/** What the image pages know and can do. Nothing is asked of a registry, pulled or updated unless one of the functions is called. */
export function useImageActions() {
  const status = ref<ImageStatusData | null>(null)
  const error = ref<Trouble | null>(null)
  const checking = ref<string[]>([])
  const checked = ref<Record<string, Check> | null>(null)
  const asked = reactive({
    image: '', show: false, loading: false,
    servers: [] as AffectedServer[], plan: null as Plan | null, error: null as Trouble | null,
  })

  async function guarded<T>(work: () => Promise<T>): Promise<T | null> {
    error.value = null
    try {
      return await work()
    } catch (thrown) {
      error.value = trouble(thrown)
      return null
    }
  }

  async function refresh(): Promise<void> {
    await guarded(async () => { status.value = await api<ImageStatusData>('GET', '/servers/images/status') })
  }

  async function check(image?: string): Promise<void> {
    checking.value = image ? [image] : Object.keys(status.value?.images ?? {})
    const query = image ? `?image_name=${encodeURIComponent(image)}` : ''
    const answer = await guarded(() => whole<{ details: Record<string, Check> }>('GET', `/servers/images/check-updates${query}`))
    checking.value = []
    if (answer) checked.value = answer.details
    // The error of the check stays where it is shown.
    const kept = error.value
    await refresh()
    error.value = kept ?? error.value
  }

  async function download(images: string[]): Promise<void> {
    for (const image of images) {
      const answer = await guarded(() => api<{ operation: Operation }>('POST', '/servers/images/pull', { image_name: image }))
      if (answer) take(answer.operation)
    }
    if (!error.value) await refresh()
  }

  /** Opens the question before an update, with what the update would do. */
  async function ask(image: string): Promise<void> {
    Object.assign(asked, { image, show: true, loading: true, servers: [], plan: null, error: null })
    const name = encodeURIComponent(image)
    try {
      const [affected, plan] = await Promise.all([
        api<{ servers: AffectedServer[] }>('GET', `/servers/images/affected?image_name=${name}`),
        api<Plan>('GET', `/servers/images/plan?image_name=${name}`),
      ])
      Object.assign(asked, { servers: affected.servers, plan })
    } catch (thrown) {
      asked.error = trouble(thrown)
    }
    asked.loading = false
  }

  /** Whether it was begun. */
  async function update(choice: { imageName: string; updateImageOnly: boolean } & BackupRequest): Promise<boolean> {
    asked.error = null
    try {
      const answer = await api<{ operation: Operation }>('POST', '/servers/images/update', {
        image_name: choice.imageName, update_image_only: choice.updateImageOnly, backup: choice.backup, restore_on_rollback: choice.restore_on_rollback,
        expect_digest: asked.plan?.expect_digest ?? null,
      })
      take(answer.operation)
      asked.show = false
      await refresh()
      return true
    } catch (thrown) {
      asked.error = trouble(thrown)
      return false
    }
  }

  onChange(['images', 'servers'], () => void refresh())
  return { status, error, checking, checked, asked, refresh, check, download, ask, update }
}
