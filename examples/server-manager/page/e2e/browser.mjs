// Debian's Chromium, and what is asked of every page that it shows.
import { mkdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { root } from './lab.mjs'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
export const screenshots = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'screenshots')
mkdirSync(screenshots, { recursive: true })

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] })

/**
 * Defects that any page has shown: errors, what the policy forbids, requests to other hosts, and what `examine` finds. They are asserted at the end,
 * so that a colour does not hide what comes after it.
 */
export const defects = []

/** A browser context of its own: nobody is signed in. */
export async function context(browser, url, options = {}) {
  const made = await browser.newContext({ baseURL: url, viewport: { width: 1440, height: 900 }, locale: 'en-GB', timezoneId: 'UTC', colorScheme: 'light', ...options })
  // As long as a machine may take that builds something else beside.
  made.setDefaultTimeout(60_000)
  const { host } = new URL(url)
  made.on('request', (request) => {
    if (new URL(request.url()).host !== host) defects.push(`a request to another host: ${request.url()}`)
  })
  made.on('page', (page) => {
    page.on('pageerror', (error) => defects.push(`${page.url()}: ${error.stack}`))
    page.on('console', (message) => {
      // The browser itself logs each answer of 4xx, and a stream that was cut when the service was killed.
      if (message.type() === 'error' && !/Failed to load resource|net::ERR_/.test(message.text())) defects.push(`${page.url()}: ${message.text()}`)
      if (message.type() === 'warning' && /\[intlify\]|\[Vue/.test(message.text())) defects.push(`${page.url()}: ${message.text()}`)
    })
  })
  return made
}

export async function signIn(page, username, password) {
  await page.goto('/login')
  await page.locator('input[name=username]').fill(username)
  await page.locator('input[name=password]').fill(password)
  await page.locator('[data-test=submit]').click()
  await page.waitForURL('**/images')
}

/** What axe finds wrong. */
export async function accessible(page, what) {
  // A colour on its way to another one is not the one that is read.
  await page.evaluate(() => Promise.all(document.getAnimations().filter((one) => one.effect?.getTiming().iterations !== Infinity).map((one) => one.finished.catch(() => {}))))
  await page.evaluate(axe)
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }))
  for (const one of violations) defects.push(`axe, ${what}: ${one.id}: ${one.help}\n${one.nodes.map((node) => `    ${node.html}\n    ${node.failureSummary}`).join('\n')}`)
}

/** Names and units that are the same in both languages. */
const SAME = new Set(['MB', 'kB', 'GB', 'MiB', 'RCON', 'English'])

/** What the page shows and reads out, without what is not translated: names of images and servers, digests, logs, the service's own sentences. */
function words() {
  const found = []
  const skipped = (element) => element?.closest('[translate=no], [lang=en], script, style, option[value*="/"]') !== null
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (walker.nextNode()) {
    const { parentElement, textContent } = walker.currentNode
    if (!skipped(parentElement) && parentElement.checkVisibility()) found.push(textContent)
  }
  for (const element of document.querySelectorAll('[aria-label], [title], [placeholder], [alt]')) {
    if (skipped(element)) continue
    for (const name of ['aria-label', 'placeholder', 'alt']) if (element.getAttribute(name)) found.push(element.getAttribute(name))
  }
  return found.map((text) => text.trim()).filter(Boolean)
}

/** Words of the other language. Names that the test has given are taken out first. */
export async function inItsLanguage(page, names) {
  const language = (await page.evaluate(() => document.documentElement.lang)).slice(0, 2)
  for (let text of await page.evaluate(words)) {
    for (const name of names) text = text.replaceAll(name, '')
    if (language === 'zh') {
      const foreign = (text.match(/[A-Za-z]{2,}/g) ?? []).filter((word) => !SAME.has(word))
      if (foreign.length) defects.push(`English in the Chinese page ${page.url()}: ${text}`)
    } else if (!text.startsWith('中文') && /[\u3000-\u9fff\uff00-\uffef]/.test(text)) {
      defects.push(`Chinese in the English page ${page.url()}: ${text}`)
    }
  }
}

/** Whether something has to be scrolled sideways. */
export async function fits(page) {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth])
  if (content > window) defects.push(`${page.url()} is ${content} px wide in a window of ${window} px`)
}

const every = process.env.SCREENSHOTS === 'all'
/** Every language is seen with every theme and every width; SCREENSHOTS=all takes all eight. */
const LOOKS = ['en light 1440', 'en dark 390', 'zh light 390', 'zh dark 1440',
  ...(every ? ['en light 390', 'en dark 1440', 'zh light 1440', 'zh dark 390'] : [])]
/** Each language, theme and width once: of a state that is like another one. */
const FEW = ['en dark 390', 'zh light 1440']

/**
 * One state of a page in both languages, both themes and both widths: in its language, accessible, not too wide, and a screenshot of each.
 * `names` are those of the test's images, servers and users.
 */
export async function examine(page, what, names = [], { like = false } = {}) {
  await page.evaluate(() => { document.activeElement?.blur() })
  for (const [language, theme, width] of (like && !every ? FEW : LOOKS).map((look) => look.split(' '))) {
    await choose(page, language, theme)
    await page.setViewportSize({ width: Number(width), height: width === '390' ? 844 : 900 })
    await inItsLanguage(page, names)
    await fits(page)
    await accessible(page, `${what}, ${language}, ${theme}, ${width} px`)
    const isDialog = (await page.getByRole('dialog').count()) > 0
    await page.screenshot({ path: join(screenshots, `${what}-${language}-${theme}-${width}.png`), fullPage: !isDialog })
  }
  await page.setViewportSize({ width: 1440, height: 900 })
  await choose(page, 'en', 'light')
}

/** Switches as the reader does; a dialog covers the buttons, so the press is sent to them. */
async function choose(page, language, theme) {
  const now = await page.evaluate(() => ({ language: document.documentElement.lang.slice(0, 2), theme: document.documentElement.classList.contains('dark') ? 'dark' : 'light' }))
  if (now.language !== language) await page.locator('[data-test=language]').dispatchEvent('click')
  if (now.theme !== theme) await page.locator('[data-test=theme]').dispatchEvent('click')
  await page.waitForFunction(([l, t]) => document.documentElement.lang.startsWith(l) && document.documentElement.classList.contains(t), [language, theme])
}
