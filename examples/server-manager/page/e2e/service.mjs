// The service, as a process of its own that can be killed and started again.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { game, name, root, tools } from './lab.mjs'

const binary = process.env.SERVER_MANAGER ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'server-manager')
const dist = fileURLToPath(new URL('../dist', import.meta.url))

export class Service {
  constructor(settings = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'refit-page-'))
    this.config = join(this.folder, 'config.json')
    this.settings = {
      listen: '127.0.0.1:0', data_dir: join(this.folder, 'data'), page_dir: dist, images: [game, tools], required: [game],
      container_name: `${name}-%d`, data_volume: `${name}-data-%d`, plugins_volume: `${name}-plugins-%d`, data_mount: '/data', plugins_mount: '/plugins',
      settle: '4s', login_attempts: 50, ...settings,
    }
  }

  /** Starts it, and waits until it has printed its address; after the first start it has the same one. */
  async start() {
    writeFileSync(this.config, JSON.stringify(this.settings))
    this.process = spawn(binary, ['-config', this.config], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.output = ''
    for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (text) => { this.output += text })
    const address = await this.printed(/https?:\/\/[\d.]+:(\d+)/)
    this.url = `http://127.0.0.1:${address[1]}`
    this.settings.listen = `127.0.0.1:${address[1]}`
  }

  /** The first administrator's link. */
  async link() {
    return (await this.printed(/\S+\/setup#token=\S+/))[0]
  }

  async printed(pattern) {
    for (let tries = 0; tries < 300; tries += 1) {
      const found = pattern.exec(this.output)
      if (found) return found
      if (this.process.exitCode !== null) break
      await new Promise((done) => { setTimeout(done, 100) })
    }
    throw new Error(`the service did not print ${pattern}:\n${this.output}`)
  }

  async end(signal = 'SIGTERM') {
    if (!this.process || this.process.exitCode !== null || this.process.signalCode !== null) return
    const gone = new Promise((done) => { this.process.once('exit', done) })
    this.process.kill(signal)
    await gone
  }

  async remove() {
    await this.end('SIGKILL')
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** A request of another client than the page. */
  async ask(method, path, body, token) {
    const response = await fetch(`${this.url}/api${path}`, {
      method, body: body && JSON.stringify(body),
      headers: { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) },
    })
    const answer = await response.json()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${answer.error}`)
    return answer.data
  }
}
