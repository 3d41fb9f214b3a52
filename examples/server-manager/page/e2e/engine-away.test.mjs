// The page of a service that has no engine: it says what is wrong and how to mend it.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { context, defects, examine, launch, signIn } from './browser.mjs'
import { game, name, tools } from './lab.mjs'
import { Service } from './service.mjs'

const service = new Service({ host: 'unix:///nonexistent/docker.sock' })
let browser

before(async () => {
  await service.start()
  browser = await launch()
})

after(async () => {
  await browser?.close()
  await service.remove()
})

test('without an engine the page says what is wrong, and nothing else is offered', async () => {
  const page = await (await context(browser, service.url)).newPage()
  const token = new URL((await service.link())).hash.replace('#token=', '')
  await service.ask('POST', '/setup', { token, username: 'admin', password: 'a long password' })
  await signIn(page, 'admin', 'a long password')
  await page.locator('[data-code=ENGINE_DOWN]').waitFor()
  assert.equal(await page.locator('[data-test=download]').count(), 0)
  assert.ok(await page.locator('[data-test=check-all]').isDisabled())
  await examine(page, 'engine-away', [game, tools, name, 'admin'])
  await page.goto('/servers')
  await page.locator('[data-code=ENGINE_DOWN]').waitFor()
  assert.deepEqual([...new Set(defects)], [])
})
