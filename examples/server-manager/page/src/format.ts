import { useI18n } from 'vue-i18n'

/** Sizes, times and durations in the language of the page. */
export function useFormat() {
  const { t, locale } = useI18n()
  const tag = (): string => (locale.value === 'zh' ? 'zh-CN' : 'en-GB')

  function size(bytes: number | null | undefined): string {
    if (bytes === null || bytes === undefined) return t('app.unknown')
    const units = ['B', 'kB', 'MB', 'GB', 'TB']
    let at = 0
    let value = bytes
    while (value >= 1000 && at < units.length - 1) {
      value /= 1000
      at += 1
    }
    return `${new Intl.NumberFormat(tag(), { maximumFractionDigits: at === 0 || value >= 100 ? 0 : 1 }).format(value)} ${units[at]}`
  }

  function duration(ms: number | null | undefined): string {
    if (ms === null || ms === undefined) return t('app.unknown')
    const seconds = ms / 1000
    if (seconds < 60) return t('unit.seconds', { n: new Intl.NumberFormat(tag(), { maximumFractionDigits: seconds < 10 ? 1 : 0 }).format(seconds) })
    if (seconds < 3600) return t('unit.minutes', { m: Math.floor(seconds / 60), s: Math.floor(seconds % 60) })
    return t('unit.hours', { h: Math.floor(seconds / 3600), m: Math.floor((seconds % 3600) / 60) })
  }

  function time(at: string | null | undefined): string {
    if (!at) return t('app.never')
    const date = new Date(at)
    if (Number.isNaN(date.getTime())) return t('app.unknown')
    return new Intl.DateTimeFormat(tag(), { dateStyle: 'medium', timeStyle: 'short' }).format(date)
  }

  const percent = (permille: number): string => new Intl.NumberFormat(tag(), { style: 'percent' }).format(Math.floor(permille / 10) / 100)
  const speed = (bytes: number): string => t('unit.speed', { size: size(bytes) })

  return { size, duration, time, percent, speed }
}

/** A digest or an image id as people compare them: its first twelve digits. */
export function short(digest: string): string {
  return digest.replace(/^.*sha256:/, '').slice(0, 12)
}
