// What is wrong with the texts of the page: sentences, one for each problem.

/** Latin words that stand in Chinese sentences as they are: names and units. */
const ALLOWED_IN_CHINESE = new Set(['MiB', 'English'])
/** The switch to the other language is named in that language. */
const OTHER_LANGUAGE = ['app.language', 'app.languageLabel']

/** The texts by their full keys. */
export function flatten(texts, before = '') {
  return Object.entries(texts).flatMap(([key, value]) => (typeof value === 'string' ? [[before + key, value]] : flatten(value, `${before}${key}.`)))
}

const placeholders = (text) => [...new Set([...text.matchAll(/\{(\w+)\}/g)].map((found) => found[1]))].sort().join(' ')

function compare(en, zh) {
  const problems = []
  for (const [key, text] of en) {
    if (!zh.has(key)) problems.push(`zh.json has no ${key}`)
    else if (placeholders(text) !== placeholders(zh.get(key))) problems.push(`${key} has other placeholders in zh.json`)
    if (!text.trim()) problems.push(`en.json: ${key} is empty`)
    if (/[\u3000-\u9fff\uff00-\uffef]/.test(text) && !OTHER_LANGUAGE.includes(key)) problems.push(`en.json: ${key} has Chinese characters: ${text}`)
  }
  for (const [key, text] of zh) {
    if (!en.has(key)) problems.push(`en.json has no ${key}`)
    if (!text.trim()) problems.push(`zh.json: ${key} is empty`)
    const words = text.replace(/\{\w+\}/g, '').match(/[A-Za-z]+/g) ?? []
    const foreign = words.filter((word) => !ALLOWED_IN_CHINESE.has(word))
    if (foreign.length && !OTHER_LANGUAGE.includes(key)) problems.push(`zh.json: ${key} has an English word: ${foreign.join(' ')}`)
  }
  return problems
}

/** The keys that a source names; a key with an expression in it is a pattern. */
function named(text) {
  const literal = [...text.matchAll(/(?<=['"`])((?:[a-z]\w*)(?:\.\w+)+)(?=['"`])/g)].map((found) => found[1])
  const patterns = [...text.matchAll(/`((?:[a-z]\w*\.)[^`\s]*\$\{[^`]*)`/g)].map((found) => found[1])
  return { literal, patterns: patterns.map((one) => new RegExp(`^${one.replace(/\$\{(?:[^{}]|\{[^}]*\})*\}/g, '*').split('*').map((part) => part.replace(/[.]/g, '\\.')).join('[\\w-]+')}$`)) }
}

function uses(en, sources) {
  const problems = []
  const used = new Set()
  for (const { name, text } of sources) {
    const { literal, patterns } = named(text)
    for (const key of literal) if (en.has(key)) used.add(key)
    // t('…'): the key has to be there.
    for (const [, key] of text.matchAll(/\bt\(\s*['"]([\w.]+)['"]/g)) if (!en.has(key)) problems.push(`${name} names ${key}, which en.json does not have`)
    for (const pattern of patterns) {
      const fits = [...en.keys()].filter((key) => pattern.test(key))
      if (fits.length === 0) problems.push(`${name} names ${pattern.source}, which no key of en.json fits`)
      fits.forEach((key) => used.add(key))
    }
  }
  // The page says the same of every code of the service, found by its name.
  for (const key of en.keys()) if (!used.has(key)) problems.push(`no source names ${key}`)
  return problems
}

/** Words in templates that are not from the two files. */
function written(sources) {
  const problems = []
  for (const { name, text } of sources.filter((one) => one.name.endsWith('.vue'))) {
    const template = /<template>([\s\S]*)<\/template>/.exec(text)?.[1] ?? ''
    const nodes = template.replace(/<!--[\s\S]*?-->/g, '').replace(/\{\{[\s\S]*?\}\}/g, '').replace(/<(?:"[^"]*"|[^">])*>/g, '\n').split('\n')
    for (const node of nodes) if (/[A-Za-z\u4e00-\u9fff]{2,}/.test(node)) problems.push(`${name} has a text of its own: ${node.trim()}`)
    for (const [, attribute, words] of template.matchAll(/\s(aria-label|title|placeholder|alt|label|description)="([^"]*[A-Za-z\u4e00-\u9fff]{2,}[^"]*)"/g)) {
      if (words !== 'Game.ini') problems.push(`${name} has a text of its own in ${attribute}: ${words}`)
    }
  }
  return problems
}

export function examine(english, chinese, sources) {
  const [en, zh] = [new Map(flatten(english)), new Map(flatten(chinese))]
  return [...compare(en, zh), ...uses(en, sources), ...written(sources)]
}
