// The way from the first sign-in to an update by the keyboard alone, and what a screen reader is told on it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { context, defects, launch } from './browser.mjs'
import { cleanUp, game, publish, tools } from './lab.mjs'
import { Service } from './service.mjs'

const password = 'a long password'
const first = 15_000 + (process.pid % 5_000)
const service = new Service({ images: [game, tools], required: [game], settle: '2s' })
let browser
let page

before(async () => {
  await Promise.all([publish(game, '1.0', { megabytes: 20 }), publish(tools, '1.0')])
  await service.start()
  browser = await launch()
  page = await (await context(browser, service.url)).newPage()
  await service.ask('POST', '/setup', { token: new URL(await service.link()).hash.replace('#token=', ''), username: 'admin', password })
})

after(async () => {
  await browser?.close()
  await service.remove()
  await cleanUp()
})

/** What has the focus: whether it is the element that is looked for, whether it can be seen there, and how it is named. */
const focused = (selector) => page.evaluate((wanted) => {
  const element = document.activeElement
  const box = element.getBoundingClientRect()
  const look = () => {
    const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(element)
    return JSON.stringify([outlineStyle, outlineWidth, boxShadow])
  }
  // Without the focus it has to look another way.
  const withFocus = look()
  element.blur()
  const without = look()
  element.focus()
  return {
    found: element.matches(wanted),
    isPage: element === document.body,
    isMarked: withFocus !== without,
    isInView: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    inDialog: element.closest('[role=dialog]') !== null,
    name: `${element.tagName} ${element.getAttribute('aria-label') ?? ''} ${element.getAttribute('name') ?? ''} ${element.textContent.trim().slice(0, 40)}`,
  }
}, selector)

/** Presses Tab until the element has the focus. Everything on the way shows that it has the focus, where it can be seen. */
async function tabTo(selector, { key = 'Tab', inDialog = false, most = 80 } = {}) {
  const way = []
  for (let presses = 0; presses < most; presses += 1) {
    await page.keyboard.press(key)
    const now = await focused(selector)
    way.push(now.name)
    if (now.isPage) continue
    assert.ok(now.isMarked, `${now.name} does not show that it has the focus`)
    assert.ok(now.isInView, `${now.name} has the focus and is out of sight`)
    assert.ok(!inDialog || now.inDialog, `${now.name} is outside of the dialog`)
    if (now.found) return
  }
  assert.fail(`Tab does not come to ${selector}: ${way.join(' | ')}`)
}

const announced = (words) => page.locator('[data-test=announced]').getByText(words).waitFor({ timeout: 90_000 })

test('one signs in, downloads, makes, starts and updates a server without a mouse', async () => {
  await page.goto('/login')
  // The first field has the focus.
  await page.waitForFunction(() => document.activeElement?.getAttribute('name') === 'username')
  await page.keyboard.type('admin')
  await tabTo('input[name=password]')
  await page.keyboard.type('wrong password')
  await page.keyboard.press('Enter')
  assert.equal(await page.locator('[data-code=WRONG_PASSWORD]').getAttribute('role'), 'alert')
  await tabTo('input[name=password]', { key: 'Shift+Tab' })
  await page.keyboard.press('Control+A')
  await page.keyboard.type(password)
  await page.keyboard.press('Enter')
  await page.waitForURL('**/images')

  await page.locator(`[data-image="${game}"] [data-test=download]`).waitFor()
  await tabTo(`[data-image="${game}"] [data-test=download]`)
  await page.keyboard.press('Enter')
  const bar = page.locator(`[data-image="${game}"]`).getByRole('progressbar')
  await bar.waitFor()
  assert.match((await bar.getAttribute('aria-label')) ?? '', /Progress of/)
  assert.match((await bar.getAttribute('aria-valuenow')) ?? '', /^\d+$/)
  assert.match((await bar.getAttribute('aria-valuetext')) ?? '', /%$/)
  await announced('The image was downloaded.')

  // The link at the top leads past the header.
  await page.goto('/servers')
  await page.locator('[data-test=create]').waitFor()
  await tabTo('a[href="#content"]')
  await page.keyboard.press('Enter')
  await tabTo('[data-test=create]', { most: 4 })
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog')
  await dialog.waitFor()
  await page.waitForFunction(() => document.activeElement?.closest('[role=dialog]'))
  // Round the dialog and round again, never out of it.
  await tabTo('[data-test=submit-server]', { inDialog: true })
  await tabTo('input[name=identifier]', { inDialog: true })
  await tabTo('[data-test=submit-server]', { inDialog: true, key: 'Shift+Tab' })
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  await page.waitForFunction(() => document.activeElement?.getAttribute('data-test') === 'create')
  await page.keyboard.press('Enter')
  await dialog.waitFor()
  for (const [field, value] of Object.entries({ identifier: 'keys', session_name: 'Keys', port: first, query_port: first + 4, rcon_port: first + 5, admin_password: 'secret-of-the-game' })) {
    await tabTo(`input[name=${field}]`, { inDialog: true })
    await page.keyboard.press('Control+A')
    await page.keyboard.type(String(value))
  }
  await page.keyboard.press('Enter')
  await dialog.waitFor({ state: 'detached' })
  await page.locator('article[data-server=keys]').waitFor()
  await page.waitForFunction(() => document.activeElement?.getAttribute('data-test') === 'create')
  await tabTo('article[data-server=keys] [data-test=start]')
  await page.keyboard.press('Space')
  await page.locator('article[data-server=keys] [data-state=running]').waitFor()

  await publish(game, '2.0')
  await page.goto('/images')
  await page.locator(`[data-image="${game}"]`).waitFor()
  await tabTo('[data-test=check-all]')
  await page.keyboard.press('Space')
  await page.locator(`[data-image="${game}"] [data-test=update]`).waitFor()
  await tabTo(`[data-image="${game}"] [data-test=update]`)
  await page.keyboard.press('Enter')
  await dialog.locator('[data-test=plan-now]').waitFor()
  await tabTo('[data-test=backup] input', { inDialog: true })
  await page.keyboard.press('Space')
  assert.ok(await dialog.locator('[data-test=backup] input').isChecked())
  await tabTo('[data-test=confirm]', { inDialog: true })
  await page.keyboard.press('Enter')
  await dialog.waitFor({ state: 'detached' })
  await announced('The image was updated, and its servers use the new one.')
  await page.locator('[data-test=results] [data-kind=update][data-state=done]').waitFor()
  await tabTo('[data-test=results] [data-test=dismiss]')
  await page.keyboard.press('Enter')
  assert.deepEqual([...new Set(defects)], [])
})
