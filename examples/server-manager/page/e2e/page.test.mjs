// The page in a browser, against the service, an engine and a registry: one story, in order.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { accessible, context, defects, examine, inItsLanguage, launch, signIn } from './browser.mjs'
import { cleanUp, engine, game, name, publish, tools } from './lab.mjs'
import { Service } from './service.mjs'
import { ask, card, check, create, putAway, result, server, update, watch } from './steps.mjs'

// A registry that refuses connections.
const away = `127.0.0.1:1/${name}-away:latest`
const password = 'a long password'
const another = 'another long password'
const names = [game, tools, away, name, 'Castaways', 'Guests', 'castaways', 'guests', 'admin', 'player', 'TheIsland', 'First.ini', 'Game.ini']
const first = 21_000 + (process.pid % 20_000)
const ports = (at) => ({ port: first + at * 10, query_port: first + at * 10 + 4, rcon_port: first + at * 10 + 5 })

const service = new Service({ images: [game, tools, away], required: [game, tools], helper_image: tools })
let browser
let page
let player

before(async () => {
  await Promise.all([publish(game, '1.0', { megabytes: 80 }), publish(tools, '1.0')])
  await service.start()
  browser = await launch()
  page = await (await context(browser, service.url)).newPage()
})

after(async () => {
  await browser?.close()
  await service.remove()
  await cleanUp()
})

// One step fails, and so does all that needs it: the rest is not tried.
let failed = ''
const step = (what, work) => test(what, async (t) => {
  if (failed) return t.skip(`"${failed}" has failed`)
  failed = what
  await work(t)
  failed = ''
})

const container = (id) => engine(`/containers/${name}-${id}/json`)

step('the first administrator is made with the link that the service prints', async () => {
  await page.goto('/login')
  await page.locator('[data-test=setup-needed]').waitFor()
  await page.goto(await service.link())
  // The token does not stay in the address.
  await page.waitForURL((url) => url.pathname === '/setup' && url.hash === '')
  const input = (field) => page.locator(`input[name=${field}]`)
  await input('username').fill('admin')
  await input('password').fill(password)
  await input('again').fill('another password')
  await page.locator('[data-test=submit]').click()
  await page.getByText('The two passwords differ.').waitFor()
  await examine(page, 'setup', names)
  await input('again').fill(password)
  await page.locator('[data-test=submit]').click()
  await page.waitForURL('**/images')
})

step('a wrong password is an error that says what to do, and the right one signs in', async () => {
  await page.locator('[data-test=sign-out]').click()
  await page.locator('input[name=username]').fill('admin')
  await page.locator('input[name=password]').fill('not this one')
  await page.locator('[data-test=submit]').click()
  await page.locator('[data-code=WRONG_PASSWORD]').waitFor()
  await examine(page, 'login', names)
  await signIn(page, 'admin', password)
  await page.getByRole('link', { name: 'Users' }).click()
  await page.locator('input[name=username]').fill('player')
  await page.locator('input[name=password]').fill(password)
  await page.locator('[data-test=create-user]').click()
  await page.locator('[data-user=player]').waitFor()
  await examine(page, 'users', names)
})

step('a password is changed with the old one, and an administrator gives a user a new one', async () => {
  await page.locator('[data-user=player] [data-test=reset-password]').click()
  const dialog = page.getByRole('dialog')
  await dialog.locator('input[name=password]').fill(another)
  await dialog.locator('input[name=again]').fill(password)
  await dialog.locator('[data-test=confirm]').click()
  await dialog.getByText('The two passwords differ.').waitFor()
  await examine(page, 'reset-password', names, { like: true })
  await dialog.locator('input[name=again]').fill(another)
  await page.keyboard.press('Enter')
  await dialog.waitFor({ state: 'detached' })
  await page.locator('[data-test=password-reset]').getByText('player has a new password.').waitFor()
  await page.locator('[data-test=me]').click()
  const change = async (old) => {
    for (const [field, value] of Object.entries({ old, password: another, again: another })) await page.locator(`input[name=${field}]`).fill(value)
    await page.locator('[data-test=change-password]').click()
  }
  await change('not this one')
  await page.locator('[data-code=OLD_PASSWORD]').waitFor()
  await examine(page, 'account', names, { like: true })
  await change(password)
  await page.locator('[data-test=password-changed]').getByText('The password is changed.').waitFor()
  // The old token has ended, and the page has the new one.
  await page.reload()
  await page.locator('[data-test=me]').waitFor()
  await page.goto('/users')
  await page.locator('[data-user=player]').waitFor()
})

step('without an image no server is made, and the page leads to the download', async () => {
  await create(page, 'castaways', 'Castaways', ports(0))
  await page.getByRole('dialog').locator('[data-code=IMAGE_MISSING]').waitFor()
  await examine(page, 'create-refused', names)
  await page.getByRole('dialog').locator('[data-test=to-images]').click()
  await page.getByRole('dialog').locator(`[data-image="${game}"] [data-word=missing]`).waitFor()
  await page.goto('/images')
  await card(page, game).waitFor()
  await examine(page, 'images-missing', names)
  assert.equal((await engine(`/images/json?filters=${encodeURIComponent(JSON.stringify({ reference: [game] }))}`)).length, 0, 'nothing was pulled')
})

step('a download shows a bar that moves, and its layers when asked', async () => {
  await card(page, game).locator('[data-test=download]').click()
  const seen = await watch(page, card(page, game).getByRole('progressbar'), card(page, game).locator('[data-word=ready]'))
  assert.ok(seen.filter((value) => value > 0 && value < 100).length >= 3, `the bar has shown ${seen}`)
  await page.locator('[data-test=manual-download]').click()
  await card(page, tools).locator('[data-word=ready]').waitFor()
  await result(page, 'pull', 'done')
  await putAway(page)
})

step('a server is made and started, and its log, its use and its files are shown', async () => {
  await create(page, 'castaways', 'Castaways', ports(0))
  await server(page, 'castaways').locator('[data-test=start]').click()
  await server(page, 'castaways').locator('[data-state=running]').waitFor()
  await server(page, 'castaways').getByRole('link', { name: 'Castaways' }).click()
  await page.locator('[data-test=log]').getByText('version 1.0 serves').waitFor()
  await page.locator('[data-test=stats]').getByRole('progressbar').first().waitFor()
  await page.locator('[data-test=config]').getByText('First.ini').waitFor()
  await page.locator('input[name=new-file]').fill('Game.ini')
  await page.getByRole('button', { name: 'Create', exact: true }).click()
  await page.locator('textarea[name=content]').fill('[Server]\nMaxPlayers=20\n')
  await page.locator('[data-test=save-config]').click()
  await page.getByText('Saved.').waitFor()
  await examine(page, 'server', names)
})

step('a server whose required image is missing is not started, and the page leads to the download', async () => {
  await page.goto('/servers')
  await server(page, 'castaways').locator('[data-test=stop]').click()
  await page.getByRole('dialog').locator('[data-test=confirm]').click()
  await server(page, 'castaways').locator('[data-state=stopped]').waitFor()
  await engine(`/images/${encodeURIComponent(tools)}?force=1`, 'DELETE')
  await server(page, 'castaways').locator('[data-test=start]').click()
  await server(page, 'castaways').locator('[data-code=IMAGE_MISSING]').waitFor()
  assert.equal((await container(1)).State.Running, false)
  await examine(page, 'start-refused', names)
  await server(page, 'castaways').locator('[data-test=to-images]').click()
  const dialog = page.getByRole('dialog')
  await dialog.locator(`[data-image="${tools}"] [data-test=download]`).click()
  await dialog.locator(`[data-image="${tools}"] [data-word=ready]`).waitFor()
  await page.keyboard.press('Escape')
  await putAway(page)
  await server(page, 'castaways').locator('[data-test=start]').click()
  await server(page, 'castaways').locator('[data-state=running]').waitFor()
})

step('another user makes a server of their own, and sees no image actions and no foreign server', async () => {
  player = await (await context(browser, service.url)).newPage()
  await signIn(player, 'player', another)
  await card(player, game).waitFor()
  await player.locator('[data-test=read-only]').waitFor()
  for (const action of ['check', 'check-all', 'download', 'update', 'update-all', 'go-back', 'manual-download']) {
    assert.equal(await player.locator(`[data-test=${action}]`).count(), 0, action)
  }
  await create(player, 'guests', 'Guests', ports(1))
  await server(player, 'guests').waitFor()
  assert.equal(await player.locator('article[data-server]').count(), 1)
  await player.goto('/images')
  await card(player, game).waitFor()
  await examine(player, 'images-user', names)
  await player.goto('/servers/1')
  await player.locator('[data-code=NOT_FOUND]').waitFor()
})

step('a new version is shown after a check, and a check that failed is an error', async () => {
  await publish(game, '2.0', { megabytes: 30, env: ['NEW=1'] })
  await page.goto('/images')
  await card(page, game).waitFor()
  assert.equal(await card(page, game).locator('[data-test=update]').count(), 0, 'no update is known before a check')
  await page.locator('[data-test=check-all]').click()
  await card(page, game).locator('[data-state=update_available]').waitFor()
  await card(page, tools).locator('[data-state=up_to_date]').waitFor()
  await card(page, away).locator('[data-code=CHECK_UNREACHABLE]').waitFor()
  // The results are shown before the last answer is there.
  await page.locator('[data-test=check-all]:not([disabled])').waitFor()
  await examine(page, 'images-update', names)
})

step('the dialog lists the right servers and what changes for each', async () => {
  const dialog = await ask(page, game)
  assert.equal(await dialog.locator('[data-affected]').count(), 2)
  assert.equal(await dialog.locator('[data-affected=castaways]').getAttribute('data-action'), 'recreate_and_start')
  assert.equal(await dialog.locator('[data-affected=guests]').getAttribute('data-action'), 'recreate')
  assert.match(await dialog.locator('[data-test=plan-now]').innerText(), /^1\.0/)
  assert.match(await dialog.locator('[data-test=plan-then]').innerText(), /^2\.0/)
  assert.match(await dialog.locator('[data-test=plan-download]').innerText(), /3\d(\.\d)? MB/)
  assert.match(await dialog.locator('[data-test=plan-changes]').innerText(), /VERSION=1\.0[\s\S]*VERSION=2\.0[\s\S]*NEW=1/)
  await examine(page, 'confirm', names)
  // What a backup adds to the downtime is said with the choice.
  await dialog.locator('[data-affected=castaways] [data-test=downtime]').getByText('as long as it takes to stop').waitFor()
  await dialog.locator('[data-test=backup]').getByText('the data is restored as it was').waitFor()
  await dialog.locator('[data-test=backup] input').check()
  await dialog.locator('[data-affected=castaways] [data-test=downtime]').getByText(/about 1 s|as long as the backup takes/).waitFor()
  await dialog.locator('[data-test=cancel]').focus()
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'detached' })
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('data-test')), 'update', 'the keyboard is where it was before')
  assert.match((await container(1)).Config.Env.join(' '), /VERSION=1\.0/, 'a cancelled question changes nothing')
})

step('an update is followed in two tabs and over a reload, and the server keeps its data', async () => {
  const second = await page.context().newPage()
  await second.goto('/servers')
  await server(second, 'castaways').waitFor()
  const dialog = await ask(page, game)
  await dialog.locator('[data-test=backup]').locator('input').check()
  await dialog.locator('[data-test=confirm]').click()
  const moving = '[data-test=running] [data-kind=update]'
  await Promise.all([page.locator(moving).waitFor(), second.locator(moving).waitFor()])
  await page.reload()
  await page.locator(moving).waitFor()
  await second.locator(`${moving} [data-server=castaways][data-state=running]`).waitFor({ timeout: 60_000 })
  await accessible(second, 'an update that runs')
  await inItsLanguage(second, names)
  const done = await result(page, 'update', 'done')
  await result(second, 'update', 'done')
  await done.locator('[data-server=castaways][data-state=recreated]').waitFor()
  await done.locator('[data-server=guests][data-state=recreated]').waitFor()
  assert.match(await done.innerText(), /Backup:/)
  const [one, two] = [await container(1), await container(2)]
  assert.ok(one.State.Running && one.Config.Env.includes('VERSION=2.0'))
  assert.ok(!two.State.Running && two.Config.Env.includes('VERSION=2.0'), 'the stopped one stays stopped')
  await second.goto('/servers/1')
  await second.locator('[data-test=log]').getByText('version 2.0 serves, and its data is of first=1.0').waitFor()
  await examine(page, 'updated', names, { like: true })
  await second.close()
  await putAway(page)
})

step('a version that does not run is rolled back, and the page says so and why', async () => {
  await publish(game, '3.0', { isBroken: true })
  await check(page, game)
  await update(page, game)
  const shown = await result(page, 'update', 'rolled_back')
  await shown.locator('[data-server=castaways][data-state=rolled_back]').waitFor()
  assert.match(await shown.innerText(), /the level file is corrupt/)
  const one = await container(1)
  assert.ok(one.State.Running && one.Config.Env.includes('VERSION=2.0'))
  await examine(page, 'rolled-back', names)
  await putAway(page)
})

step('a version that overwrites the data is rolled back with the data as it was', async () => {
  await publish(game, '3.1', { isRuinous: true })
  await check(page, game)
  const dialog = await ask(page, game)
  await dialog.locator('[data-test=backup] input').check()
  await dialog.locator('[data-test=confirm]').click()
  const shown = await result(page, 'update', 'rolled_back')
  await shown.locator('[data-server=castaways][data-state=rolled_back] [data-test=data-restored]').getByText('it is as it was before').waitFor()
  assert.match(await shown.innerText(), /converted and is corrupt[\s\S]*Backup:[\s\S]*\.tar\.zst/)
  await examine(page, 'data-restored', names, { like: true })
  await putAway(page)
  await page.goto('/servers/1')
  await page.locator('[data-test=config]').getByRole('button', { name: 'Edit First.ini' }).click()
  await page.waitForFunction(() => document.querySelector('textarea[name=content]')?.value !== '')
  assert.equal((await page.locator('textarea[name=content]').inputValue()).trim(), 'first=1.0')
  await page.goto('/history')
  await page.locator('[data-entry=update][data-result=rolled_back] [data-test=history-backups]').first().getByText('.tar.zst').first().waitFor()
})

step('the history is filtered, and an image goes back to the version before', async () => {
  await page.goto('/history')
  await page.locator('[data-entry=update][data-result=rolled_back]').first().waitFor()
  await page.locator('[data-test=filter-result] select').selectOption('done')
  await page.locator('[data-entry=update][data-result=rolled_back]').first().waitFor({ state: 'detached' })
  await examine(page, 'history', names)
  const entry = page.locator('[data-entry=update][data-result=done]').first()
  await entry.locator('[data-test=history-go-back]').click()
  await page.getByRole('dialog').locator('[data-affected=castaways]').waitFor()
  await examine(page, 'go-back', names)
  await page.getByRole('dialog').locator('[data-test=confirm]').click()
  await result(page, 'rollback', 'done')
  assert.ok((await container(1)).Config.Env.includes('VERSION=1.0'))
  assert.ok((await container(1)).State.Running)
  await player.goto('/history')
  await player.locator('[data-entry]').first().waitFor()
  assert.equal(await player.locator('[data-test=history-go-back]').count(), 0)
  await putAway(page)
})

step('several images are updated at once', async () => {
  await Promise.all([publish(game, '4.0'), publish(tools, '2.0')])
  await page.goto('/images')
  await page.locator('[data-test=check-all]').click()
  await page.locator('[data-test=update-all]').click()
  const dialog = page.getByRole('dialog')
  await dialog.locator('[data-affected=castaways]').waitFor()
  await dialog.locator('[data-test=confirm]:not([disabled])').waitFor()
  await examine(page, 'batch', names, { like: true })
  await dialog.locator('[data-test=confirm]').click()
  await page.locator('[data-test=results] [data-kind=update][data-state=done]').nth(1).waitFor({ timeout: 90_000 })
  assert.ok((await container(1)).Config.Env.includes('VERSION=4.0'))
  await putAway(page)
})

step('the service is killed in the middle of an update, and says afterwards what it recovers when asked', async () => {
  await publish(game, '5.0')
  await check(page, game)
  await update(page, game)
  await page.locator('[data-test=running] [data-server=castaways]').getByText('Watching whether it keeps running').waitFor({ timeout: 60_000 })
  await service.end('SIGKILL')
  await page.locator('[data-test=offline]').waitFor()
  await service.start()
  await page.locator('[data-test=offline]').waitFor({ state: 'detached' })
  await page.locator('[data-test=recovery]').waitFor()
  const found = page.locator('[data-test=recovery] [data-found=castaways]')
  await found.waitFor()
  // The claim of the killed run ends by itself; it is looked at again meanwhile, and nothing is recovered.
  await page.locator('[data-test=recovery] [data-found=castaways]:is([data-action=would_finish], [data-action=would_undo])').waitFor({ timeout: 60_000 })
  const left = await engine(`/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify({ name: [`${name}-1`] }))}`)
  assert.ok(left.length > 1, 'the two containers of the interrupted run are both there')
  await examine(page, 'recovery', names)
  await page.locator('[data-test=recover]').click()
  await result(page, 'recover', 'done')
  await page.locator('[data-test=recovery]').waitFor({ state: 'detached' })
  const one = await container(1)
  assert.ok(one.State.Running)
  const after = await engine(`/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify({ name: [`${name}-1`] }))}`)
  assert.equal(after.length, 1)
  await page.goto('/servers')
  await server(page, 'castaways').locator('[data-state=running]').waitFor()
  await examine(page, 'servers', names)
})

step('a server is deleted, and its data only when its name is typed', async () => {
  await page.goto('/servers')
  await server(page, 'castaways').locator('[data-test=delete]').click()
  const dialog = page.getByRole('dialog')
  await dialog.getByRole('checkbox').check()
  assert.ok(await dialog.locator('[data-test=confirm]').isDisabled())
  await dialog.locator('input[name=typed]').fill('castaways')
  await examine(page, 'delete', names)
  await dialog.locator('[data-test=confirm]').click()
  await server(page, 'castaways').waitFor({ state: 'detached' })
})

test('no page has shown an error of its own, broken its policy or asked another host', () => {
  assert.deepEqual([...new Set(defects)], [])
})
