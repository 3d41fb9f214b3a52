// The check of the texts finds what it is for.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { examine } from '../scripts/texts.mjs'

const source = (template) => [{ name: 'One.vue', text: `<template><p>{{ t('a.b') }}</p>${template ?? ''}</template>` }]
const found = (en, zh, sources = source()) => examine(en, zh, sources)

test('complete texts have no problem', () => {
  assert.deepEqual(found({ a: { b: 'Delete {name}' } }, { a: { b: '删除 {name}' } }), [])
})

test('a text that one language lacks is a problem', () => {
  assert.match(found({ a: { b: 'Delete' } }, {})[0], /zh\.json has no a\.b/)
  assert.match(found({ a: { b: 'Delete' } }, { a: { b: '删除', c: '停止' } })[0], /en\.json has no a\.c/)
})

test('other placeholders are a problem', () => {
  assert.match(found({ a: { b: 'Delete {name}' } }, { a: { b: '删除' } })[0], /a\.b has other placeholders/)
})

test('a word of the other language is a problem', () => {
  assert.match(found({ a: { b: 'Delete' } }, { a: { b: '删除 server' } })[0], /a\.b has an English word: server/)
  assert.match(found({ a: { b: 'Delete 服务器' } }, { a: { b: '删除' } })[0], /a\.b has Chinese characters/)
})

test('a key that no source names, and a name without a key, are problems', () => {
  assert.match(found({ a: { b: 'Delete', c: 'Stop' } }, { a: { b: '删除', c: '停止' } })[0], /no source names a\.c/)
  const sources = [...source(), { name: 'two.ts', text: "t('a.missing')" }]
  assert.match(found({ a: { b: 'Delete' } }, { a: { b: '删除' } }, sources)[0], /two\.ts names a\.missing/)
})

test('a text that a component has of its own is a problem', () => {
  const texts = [{ a: { b: 'Delete' } }, { a: { b: '删除' } }]
  assert.match(found(...texts, source('<b>Stop it</b>'))[0], /text of its own: Stop it/)
  assert.match(found(...texts, source('<b aria-label="Stop it" />'))[0], /text of its own in aria-label: Stop it/)
  assert.deepEqual(found(...texts, source('<b :aria-label="t(\'a.b\')" />')), [])
})
