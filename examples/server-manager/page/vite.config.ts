import ui from '@nuxt/ui/vite'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vite'
import coloursAreAStylesheet from './build/colours.ts'

export default defineConfig({
  plugins: [
    coloursAreAStylesheet(),
    vue(),
    ui({
      colorMode: false,
      autoImport: false,
      // The icons that the sources name are in the build: none is fetched from another host.
      icon: { clientBundle: { scan: true } },
      ui: {
        colors: { primary: 'teal', neutral: 'slate' },
        // Under the pointer a solid button would be lighter than its words can be read on (3.4 : 1 where 4.5 are needed): it underlines them instead.
        button: {
          compoundVariants: (['primary', 'success', 'warning', 'error'] as const).map((color) => (
            { color, variant: 'solid' as const, class: `hover:bg-${color} active:bg-${color} hover:underline` }
          )),
        },
      },
    }),
  ],
  // No data: URLs, which the policy forbids too.
  build: { assetsInlineLimit: 0, chunkSizeWarningLimit: 1500, rolldownOptions: { checks: { pluginTimings: false } } },
  server: { proxy: { '/api': process.env.SERVICE ?? 'http://127.0.0.1:8080' } },
})
