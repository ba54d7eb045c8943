/** An OCI image of busybox, made here: there is no registry to pull from. It serves as a container's and as the pause image. */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'

export const IMAGE = 'localhost/flatnet-conformance:1'

const APPLETS = ['sh', 'sleep', 'httpd', 'ping', 'nc', 'ip']
const LAYOUT = 'application/vnd.oci.image'

/** Makes the image below `folder`; the path of its archive. */
export function makeImage(folder: string): string {
  const [root, layout] = [`${folder}/rootfs`, `${folder}/layout`]
  const blobs = `${layout}/blobs/sha256`
  for (const path of [blobs, `${root}/bin`, `${root}/www`, `${root}/etc`, `${root}/tmp`])
    mkdirSync(path, { recursive: true })
  copyFileSync(existsSync('/bin/busybox') ? '/bin/busybox' : '/usr/bin/busybox', `${root}/bin/busybox`)
  for (const applet of APPLETS) symlinkSync('busybox', `${root}/bin/${applet}`)
  archive(root, `${folder}/layer.tar`)

  const blob = (type: string, data: Buffer) => {
    const hash = createHash('sha256').update(data).digest('hex')
    writeFileSync(`${blobs}/${hash}`, data)
    return { mediaType: `${LAYOUT}.${type}`, digest: `sha256:${hash}`, size: data.length }
  }
  const json = (value: unknown) => Buffer.from(JSON.stringify(value))
  const layer = blob('layer.v1.tar', readFileSync(`${folder}/layer.tar`))
  const architecture = { x64: 'amd64' }[process.arch as string] ?? process.arch
  const run = { Env: ['PATH=/bin'], Cmd: ['/bin/sleep', '2147483647'] }
  const rootfs = { type: 'layers', diff_ids: [layer.digest] }
  const config = blob('config.v1+json', json({ architecture, os: 'linux', config: run, rootfs }))
  const manifest = blob(
    'manifest.v1+json',
    json({ schemaVersion: 2, mediaType: `${LAYOUT}.manifest.v1+json`, config, layers: [layer] }),
  )
  const annotations = { 'io.containerd.image.name': IMAGE }
  writeFileSync(`${layout}/oci-layout`, json({ imageLayoutVersion: '1.0.0' }))
  writeFileSync(`${layout}/index.json`, json({ schemaVersion: 2, manifests: [{ ...manifest, annotations }] }))
  archive(layout, `${folder}/image.tar`)
  return `${folder}/image.tar`
}

function archive(folder: string, file: string): void {
  const { status, stderr } = spawnSync('tar', ['-C', folder, '-cf', file, '.'], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}
