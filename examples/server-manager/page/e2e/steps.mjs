// What the tests do on the page again and again.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { screenshots } from './browser.mjs'

export const card = (page, image) => page.locator(`[data-image="${image}"]`)
export const server = (page, identifier) => page.locator(`article[data-server="${identifier}"]`)

/** The newest result on the page, when it is one of this kind and has one of these states. */
export async function result(page, kind, state, timeout = 90_000) {
  const found = page.locator(`[data-test=results] [data-kind=${kind}][data-state=${state}]`).first()
  await found.waitFor({ timeout })
  return found
}

/** Puts all results away, so that the next one is the only one. */
export async function putAway(page) {
  const buttons = page.locator('[data-test=dismiss]')
  while (await buttons.count()) await buttons.first().click()
}

export async function check(page, image) {
  await page.goto('/images')
  await card(page, image).locator('[data-test=check]').click()
  await card(page, image).locator('[data-test=check]:not([disabled])').waitFor()
}

/** Opens the question before an update and waits for the plan. */
export async function ask(page, image) {
  await card(page, image).locator('[data-test=update]').click()
  const dialog = page.getByRole('dialog')
  await dialog.locator('[data-test=plan-now]').waitFor()
  return dialog
}

export async function update(page, image) {
  const dialog = await ask(page, image)
  await dialog.locator('[data-test=confirm]').click()
  await dialog.waitFor({ state: 'detached' })
}

/** The values that a progress bar shows until it is gone or `until` is visible. */
export async function watch(page, bar, until) {
  const seen = []
  const end = Date.now() + 90_000
  while (Date.now() < end && !(await until.isVisible())) {
    const value = await bar.first().getAttribute('aria-valuenow', { timeout: 200 }).catch(() => null)
    if (value !== null && seen.at(-1) !== Number(value)) seen.push(Number(value))
    if (seen.length === 3) await page.screenshot({ path: join(screenshots, 'progress.png') })
    await page.waitForTimeout(30)
  }
  assert.deepEqual(seen, seen.toSorted((a, b) => a - b), 'a bar never goes back')
  return seen
}

export async function create(page, identifier, name, ports) {
  await page.goto('/servers')
  await page.locator('[data-test=create]').click()
  await fill(page, identifier, name, ports)
  await page.locator('[data-test=submit-server]').click()
}

async function fill(page, identifier, name, ports) {
  const form = page.locator('#create-server')
  const values = { identifier, session_name: name, admin_password: 'secret-of-the-game', ...ports }
  for (const [field, value] of Object.entries(values)) await form.locator(`[name=${field}]`).fill(String(value))
}
