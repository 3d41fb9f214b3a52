import ui from '@nuxt/ui/vue-plugin'
import { createApp } from 'vue'
import App from './App.vue'
import { i18n } from './i18n'
import { router } from './router'
import { applyTheme } from './theme'
import './styles.css'
import 'virtual:colours.css'

applyTheme()
createApp(App).use(i18n).use(router).use(ui).mount('#app')
