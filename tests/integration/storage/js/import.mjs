// Import folders with ipfs-unixfs-importer and print {case: {cid, blocks}}.
// usage: node import.mjs CASES.json   (an array of {name, path, options})
import { readFile, readdir } from 'node:fs/promises'
import { createReadStream } from 'node:fs'
import { join, relative } from 'node:path'
import { MemoryBlockstore } from 'blockstore-core'
import { importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'

async function * candidates (root, folder) {
  const entries = await readdir(folder, { withFileTypes: true })
  if (entries.length === 0 && folder !== root) yield { path: relative(root, folder) }
  for (const entry of entries) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield * candidates(root, path)
    else yield { path: relative(root, path), content: createReadStream(path) }
  }
}

function importerOptions ({ profile, chunk, links, threshold, strategy }) {
  const options = { wrapWithDirectory: true, cidVersion: 1, rawLeaves: true }
  if (profile) options.profile = profile
  if (chunk) options.chunker = fixedSize({ chunkSize: chunk })
  if (links) options.layout = balanced({ maxChildrenPerNode: links })
  if (threshold) options.shardSplitThresholdBytes = threshold
  if (strategy) options.shardSplitStrategy = strategy
  return options
}

const results = {}
for (const { name, path, options } of JSON.parse(await readFile(process.argv[2], 'utf8'))) {
  const store = new MemoryBlockstore()
  let root
  for await (const entry of importer(candidates(path, path), store, importerOptions(options))) {
    root = entry
  }
  results[name] = { cid: root.cid.toString(), bytes: Number(root.size) }
}
console.log(JSON.stringify(results))
