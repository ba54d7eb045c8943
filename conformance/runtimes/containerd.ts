import type { Claims } from './claims.js'
import type { PluginSet } from './plugin-sets.js'
export function containerd(_set: PluginSet, _claims: Claims): void {}
