// The engine and the registry of `target/debug/lab run`, as a test of the page needs them.
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const root = fileURLToPath(new URL('../../../../', import.meta.url))
const run = promisify(execFile)
const lab = `${process.env.CARGO_TARGET_DIR ?? `${root}target`}/debug/lab`

if (!process.env.REFIT_LAB_REGISTRY || !process.env.DOCKER_HOST) {
  throw new Error('there is no engine: run this with `target/debug/lab run -- npm --prefix examples/server-manager/page run test:e2e`')
}

/** In the name of every image, container and volume, so that all are found at the end. */
export const name = `refit-page-${randomBytes(3).toString('hex')}`
export const game = `${process.env.REFIT_LAB_REGISTRY}/${name}-game:latest`
export const tools = `${process.env.REFIT_LAB_REGISTRY}/${name}-tools:latest`

/** A game that writes into its data which version came first, logs, and ends when it is asked to. */
const serve = JSON.stringify(['sh', '-c', `trap 'exit 0' TERM
d=/data/Config/WindowsServer; mkdir -p $d
[ -e $d/First.ini ] || echo "first=$VERSION" > $d/First.ini
echo "version $VERSION serves, and its data is of $(cat $d/First.ini)"
while :; do sleep 1 & wait $!; done`])
const broken = JSON.stringify(['sh', '-c', 'echo "the level file is corrupt"; exit 3'])
/** Overwrites the data before it ends. */
const ruinous = JSON.stringify(['sh', '-c', 'echo overwritten > /data/Config/WindowsServer/First.ini; echo "the level file was converted and is corrupt"; exit 3'])

/** Publishes a version of an image, and answers what `lab publish` prints. */
export async function publish(image, version, { isBroken = false, isRuinous = false, megabytes = 1, env = [] } = {}) {
  const [repository] = image.slice(image.indexOf('/') + 1).split(':')
  const words = ['publish', '--repo', repository, '--tag', 'latest', '--version', version, '--env', `VERSION=${version}`, '--cmd', isRuinous ? ruinous : isBroken ? broken : serve, '--random-mb', String(megabytes)]
  for (const variable of env) words.push('--env', variable)
  const { stdout } = await run(lab, words)
  return JSON.parse(stdout)
}

/** The engine's own API, for a look from the outside. */
export async function engine(path, method = 'GET') {
  const host = process.env.DOCKER_HOST
  const words = ['-sS', '--fail-with-body', '-X', method]
  if (host.startsWith('unix://')) words.push('--unix-socket', host.slice('unix://'.length), `http://engine${path}`)
  else words.push(`${host.replace(/^tcp/, 'http')}${path}`)
  const { stdout } = await run('curl', words)
  return stdout ? JSON.parse(stdout) : null
}

export async function cleanUp() {
  await run(lab, ['clean', name]).catch(() => {})
}
