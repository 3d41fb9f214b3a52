// Fails the build when a text is missing, left over, in the wrong language, or written into a component instead of the two files.
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { examine } from './texts.mjs'

const source = fileURLToPath(new URL('../src/', import.meta.url))
const read = (name) => readFileSync(source + name, 'utf8')
const files = readdirSync(source, { recursive: true }).filter((name) => /\.(vue|ts)$/.test(name) && !name.endsWith('schema.ts'))
const problems = examine(JSON.parse(read('locales/en.json')), JSON.parse(read('locales/zh.json')), files.map((name) => ({ name, text: read(name) })))

for (const problem of problems) process.stderr.write(`${problem}\n`)
if (problems.length) process.exit(1)
process.stdout.write('texts: complete in both languages\n')
