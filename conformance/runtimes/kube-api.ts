/**
 * The part of a Kubernetes API server that Multus needs: a pod with its annotations, network attachment definitions, and
 * a place for the pod's status, whose bytes are kept as they came.
 *   kube-api.js PORT FILE    FILE: {"pods": {name: annotations}, "networks": {name: CNI configuration}}
 */

import { appendFileSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'

export interface Cluster {
  readonly pods: Readonly<Record<string, Record<string, string>>>
  readonly networks: Readonly<Record<string, unknown>>
}

export const STATUS_FILE = '/run/kube-status'

function find(cluster: Cluster, path: string): object | undefined {
  const [kind, name] = path.split('/namespaces/default/')[1]?.split('/') ?? []
  const metadata = { name, namespace: 'default', uid: `uid-${name}`, resourceVersion: '1' }
  const annotations = cluster.pods[name ?? '']
  if (kind === 'pods' && annotations !== undefined) {
    return {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { ...metadata, annotations },
      spec: { containers: [] },
      status: {},
    }
  }
  const network = cluster.networks[name ?? '']
  if (kind === 'network-attachment-definitions' && network !== undefined) {
    const apiVersion = 'k8s.cni.cncf.io/v1'
    return { kind: 'NetworkAttachmentDefinition', apiVersion, metadata, spec: { config: JSON.stringify(network) } }
  }
  return undefined
}

export function serveCluster(port: number, cluster: Cluster): void {
  createServer((request, answer) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const found = find(cluster, (request.url ?? '').split('?')[0] ?? '')
      if (request.method !== 'GET') appendFileSync(STATUS_FILE, Buffer.concat(chunks))
      const missing = { kind: 'Status', apiVersion: 'v1', status: 'Failure', reason: 'NotFound', code: 404 }
      answer.writeHead(found === undefined ? 404 : 200, { 'content-type': 'application/json' })
      answer.end(JSON.stringify(found ?? missing))
    })
  }).listen(port, '127.0.0.1')
}

const [, program, port, file] = process.argv
if (program?.endsWith('kube-api.js') && port !== undefined && file !== undefined) {
  serveCluster(Number(port), JSON.parse(readFileSync(file, 'utf8')) as Cluster)
}
