import { watch } from 'vue'
import { createI18n } from 'vue-i18n'
import en from './locales/en.json'
import zh from './locales/zh.json'

export type Language = 'en' | 'zh'
type Texts = typeof en

function first(): Language {
  const stored = localStorage.getItem('language')
  if (stored === 'en' || stored === 'zh') return stored
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

// A key that zh.json lacks does not compile: both files have the type of en.json.
const messages: Record<Language, Texts> = { en, zh }

export const i18n = createI18n<[Texts], Language, false>({ legacy: false, locale: first(), fallbackLocale: 'en', messages })

watch(i18n.global.locale, (language) => {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  localStorage.setItem('language', language)
}, { immediate: true })

export function switchLanguage(): void {
  i18n.global.locale.value = i18n.global.locale.value === 'zh' ? 'en' : 'zh'
}
