/**
 * tuning: sets sysctls in the container's namespace, and MAC, MTU, promiscuous mode, multicast and queue length of its link.
 * https://www.cni.dev/plugins/current/meta/tuning/
 */

import { defineChained } from '../../lib/attachment/chained.js'
import { readAllowList } from './allow-list.js'
import { schema } from './config.generated.js'
import { type Settings, settingsOf, type TuningConfig } from './config.js'
import { differences } from './differences.js'
import { isOf } from './earlier.js'
import { putBackAll, putBackLink } from './put-back.js'
import { SHAPE, type Tuned, unchanged } from './record.js'
import { putBackReference } from './reference-backup.js'
import { tune } from './tune.js'
import { type Wanted, wantedTuning } from './wanted.js'

export const { main } = defineChained<TuningConfig, Settings, Wanted, Tuned, undefined>({
  name: 'tuning',
  schema,
  usesArgs: true,
  settings: settingsOf,
  using: (work) => work(undefined),
  usingIfAny: (work) => work(undefined),
  wanted: (_tools, request, settings, previous) => wantedTuning(request, settings, previous),
  record: ({ netns }) => unchanged(netns),
  shape: SHAPE,
  keeps: (_tools, at, earlier) => isOf(at, earlier),
  apply: (_tools, at, wanted, progress) => tune(at, wanted, progress),
  undo: (_tools, at, recorded) => putBackAll(at, recorded),
  withdraw: (_tools, at, recorded) => putBackLink(at, recorded),
  // Nothing in the kernel bears an attachment's key.
  withdrawKey: () => undefined,
  stale: () => [],
  withdrawUnrecorded: putBackReference,
  differences: (_tools, at, wanted) => differences(at, wanted),
  subject: ({ ifName }) => ({ what: `settings of ${ifName} are` }),
  status({ config }) {
    if (Object.keys(settingsOf(config).sysctl).length > 0) readAllowList()
  },
})
