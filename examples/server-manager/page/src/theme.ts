import { ref, watch } from 'vue'

export type Theme = 'light' | 'dark'

const wanted = window.matchMedia('(prefers-color-scheme: dark)')
const stored = localStorage.getItem('theme')

/** The theme that is shown: the one that was chosen here, or the system's. */
export const theme = ref<Theme>(stored === 'light' || stored === 'dark' ? stored : wanted.matches ? 'dark' : 'light')

export function applyTheme(): void {
  watch(theme, (now) => {
    document.documentElement.classList.toggle('dark', now === 'dark')
    document.documentElement.classList.toggle('light', now === 'light')
  }, { immediate: true })
  wanted.addEventListener('change', () => {
    if (localStorage.getItem('theme') === null) theme.value = wanted.matches ? 'dark' : 'light'
  })
}

export function switchTheme(): void {
  theme.value = theme.value === 'dark' ? 'light' : 'dark'
  localStorage.setItem('theme', theme.value)
}
