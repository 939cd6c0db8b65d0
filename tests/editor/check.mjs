// What an editor and a code host make of what fieldflow publishes.
//
//   node check.mjs FOLDER-OF-NODE_MODULES sarif LOG…                    each log is valid SARIF 2.1.0
//   node check.mjs FOLDER-OF-NODE_MODULES files SCHEMA good|bad FILE…   yaml-language-server finds nothing, or something, in each
//   node check.mjs FOLDER-OF-NODE_MODULES help SCHEMA                   what it completes and what it says on hovering
//
// Prints a line for each thing that is not as it should be; no line and exit code 0 is well.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const [modules, what, ...rest] = process.argv.slice(2)
const require = createRequire(resolve(modules, 'here.js'))
let wrong = 0
const tell = (text) => {
  wrong += 1
  console.log(text)
}

// A language server, spoken to over its standard input and output.
class Server {
  constructor(schema) {
    this.child = spawn(process.execPath, [require.resolve('yaml-language-server/bin/yaml-language-server'), '--stdio'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.next = 1
    this.waiting = new Map()
    this.found = new Map()
    this.schema = schema
    let read = Buffer.alloc(0)
    this.child.stdout.on('data', (data) => {
      read = Buffer.concat([read, data])
      for (;;) {
        const end = read.indexOf('\r\n\r\n')
        if (end < 0) return
        const length = Number(/Content-Length: (\d+)/i.exec(read.subarray(0, end).toString())[1])
        if (read.length < end + 4 + length) return
        const message = JSON.parse(read.subarray(end + 4, end + 4 + length).toString())
        read = read.subarray(end + 4 + length)
        this.hear(message)
      }
    })
  }

  hear(message) {
    if (message.method === 'textDocument/publishDiagnostics') {
      const { uri, diagnostics } = message.params
      this.found.get(uri)?.(diagnostics)
    } else if (message.method === 'workspace/configuration') {
      const settings = {
        validate: true,
        hover: true,
        completion: true,
        schemaStore: { enable: false, url: '' },
        schemas: { [pathToFileURL(resolve(this.schema)).href]: '*.yaml' },
      }
      const answer = message.params.items.map((item) => (item.section === 'yaml' ? settings : null))
      this.send({ id: message.id, result: answer })
    } else if (message.id !== undefined && message.method) {
      this.send({ id: message.id, result: null })
    } else if (message.id !== undefined) {
      this.waiting.get(message.id)?.(message.result)
    }
  }

  send(message) {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message })
    this.child.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  }

  ask(method, params) {
    const id = this.next++
    this.send({ id, method, params })
    return new Promise((done) => this.waiting.set(id, done))
  }

  async start() {
    const capabilities = {
      workspace: { configuration: true, didChangeConfiguration: { dynamicRegistration: true } },
      textDocument: { completion: { completionItem: { snippetSupport: false } }, publishDiagnostics: {}, hover: {} },
    }
    await this.ask('initialize', { processId: process.pid, rootUri: null, capabilities, workspaceFolders: null })
    this.send({ method: 'initialized', params: {} })
    this.send({ method: 'workspace/didChangeConfiguration', params: { settings: null } })
  }

  // Opens a document; what is wrong with it, as soon as that is told.
  open(uri, text) {
    const told = new Promise((done) => this.found.set(uri, done))
    this.send({ method: 'textDocument/didOpen', params: { textDocument: { uri, languageId: 'yaml', version: 1, text } } })
    return told
  }

  close(uri) {
    this.send({ method: 'textDocument/didClose', params: { textDocument: { uri } } })
  }

  end() {
    this.child.kill()
  }
}

async function sarif(logs) {
  // The schema is of draft 4, which only the ajv that comes with it still reads.
  const beside = createRequire(require.resolve('@microsoft/jest-sarif/package.json'))
  const Ajv = beside('ajv')
  const ajv = new Ajv({ schemaId: 'auto', meta: false, allErrors: true, unknownFormats: 'ignore' })
  ajv.addMetaSchema(beside('ajv/lib/refs/json-schema-draft-04.json'))
  const schema = readFileSync(require.resolve('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json'), 'utf8')
  const validate = ajv.compile(JSON.parse(schema))
  for (const log of logs) {
    if (!validate(JSON.parse(readFileSync(log, 'utf8')))) tell(`${log}: ${ajv.errorsText(validate.errors)}`)
  }
}

async function files(schema, kind, paths) {
  const server = new Server(schema)
  await server.start()
  for (const path of paths) {
    const uri = pathToFileURL(resolve(path)).href
    const found = await server.open(uri, readFileSync(path, 'utf8'))
    server.close(uri)
    if (kind === 'good' && found.length !== 0) tell(`${path}: ${JSON.stringify(found.map((one) => one.message))}`)
    if (kind === 'bad' && found.length === 0) tell(`${path}: nothing is found`)
  }
  server.end()
}

async function help(schema) {
  const server = new Server(schema)
  await server.start()
  // `|` is where the cursor stands.
  const at = async (text, method) => {
    const before = text.slice(0, text.indexOf('|'))
    const lines = before.split('\n')
    const position = { line: lines.length - 1, character: lines.at(-1).length }
    const uri = `file:///cursor-${server.next}.yaml`
    await server.open(uri, text.replace('|', ''))
    return server.ask(method, { textDocument: { uri }, position })
  }
  const completes = async (text, ...words) => {
    const given = await at(text, 'textDocument/completion')
    const labels = (given?.items ?? []).map((item) => item.label)
    for (const word of words) if (!labels.includes(word)) tell(`${JSON.stringify(text)} is not completed to ${word}: ${labels}`)
  }
  const says = async (text, words) => {
    const shown = JSON.stringify((await at(text, 'textDocument/hover'))?.contents ?? '')
    if (!shown.includes(words)) tell(`hovering over ${JSON.stringify(text)} does not say "${words}": ${shown}`)
  }
  const node = 'version: 1\nname: x\nnodes:\n  plc:\n    type: modbus\n'
  await completes('version: 1\nname: x\n|', 'nodes', 'edges', 'defaults', 'require')
  await completes('version: 1\nname: x\nnodes:\n  plc:\n    type: |', 'modbus', 'sqlite', 'scale')
  await completes(`${node}    |`, 'url', 'every', 'tags', 'unit')
  await completes(`${node}    tags:\n      t:\n        |`, 'at', 'as', 'order')
  await completes('version: 1\nname: x\nnodes:\n  s:\n    type: sqlite\n    durability: |', 'power', 'process')
  await completes('version: 1\nname: x\nedges:\n  - a -> b:\n      |', 'capacity', 'when_full', 'durable')
  await completes('version: 1\nname: x\nedges:\n  - a -> b:\n      when_full: |', 'block', 'drop_oldest', 'spill')
  await completes('version: 1\nname: x\nrequire:\n  - a -> b: |', 'no_loss', 'at_least_once', 'exactly_once')
  await says('version: 1\nname: x\nrequire:\n  - a -> b: no_l|oss\n', 'what the source has handed over')
  await says(`${node}    ev|ery: 1s\n`, 'How often the tags are read')
  await says('version: 1\nname: x\nedges:\n  - a -> b:\n      dur|able: true\n', 'committed to the disk')
  await says('version: 1\nna|me: x\n', 'identity')
  server.end()
}

if (what === 'sarif') await sarif(rest)
else if (what === 'files') await files(rest[0], rest[1], rest.slice(2))
else if (what === 'help') await help(rest[0])
else tell(`${what}?`)
process.exitCode = wrong === 0 ? 0 : 1
