/// <reference types="vite/client" />
import type en from './src/locales/en.json'

declare module 'vue-i18n' {
  // A key that is not in en.json does not compile.
  export interface DefineLocaleMessage extends Texts {}
}
type Texts = typeof en
