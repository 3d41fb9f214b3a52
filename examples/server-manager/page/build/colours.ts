import colours from 'tailwindcss/colors'
import type { Plugin } from 'vite'

const names = { primary: 'teal', secondary: 'blue', success: 'green', info: 'blue', warning: 'amber', error: 'red', neutral: 'slate' } as const
const shades = [50, 100, 200, 300, 400, 500, 600, 700, 800, 900, 950] as const

// Nuxt UI writes its colours into a <style> element when the page is opened, which `default-src 'self'` forbids. Here they are a stylesheet. In
// the light theme they are darker than Nuxt UI's: white on 700, and 800 on a tenth of itself, have the contrast of 4.5 that WCAG asks for.
function sheet(): string {
  const roles = Object.entries(names)
  const each = (shade: (role: string) => number) => roles.filter(([role]) => role !== 'neutral').map(([role]) => `--ui-${role}: var(--ui-color-${role}-${shade(role)});`)
  return [
    '@layer theme {',
    ':root, :host {', ...roles.flatMap(([role, name]) => shades.map((shade) => `--ui-color-${role}-${shade}: ${colours[name][shade]};`)), '}',
    ':root, :host, .light {', ...each((role) => (role === 'primary' ? 700 : 800)), '--ui-text-muted: var(--ui-color-neutral-600); --ui-text-dimmed: var(--ui-color-neutral-500);', '}',
    '.dark {', ...each(() => 400), '--ui-text-muted: var(--ui-color-neutral-400); --ui-text-dimmed: var(--ui-color-neutral-400);', '}',
    '}',
  ].join('\n')
}

export default function coloursAreAStylesheet(): Plugin {
  return {
    name: 'colours-are-a-stylesheet',
    enforce: 'pre',
    resolveId: (id) => (id === 'virtual:colours.css' ? '\0colours.css' : null),
    load(id) {
      if (id === '\0colours.css') return sheet()
      return /@nuxt\/ui\/dist\/runtime\/plugins\/colors\.js/.test(id) ? 'export default { install() {} }' : null
    },
  }
}
