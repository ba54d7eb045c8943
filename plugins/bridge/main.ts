/**
 * bridge: joins the container to a Linux bridge with a veth pair, at layer 2 or with addresses from an
 * IPAM plugin and the bridge as their gateway. https://www.cni.dev/plugins/current/main/bridge/
 */

import { defineInterface } from '../../lib/interface/define-interface.js'
import { ownMac } from '../../lib/interface/mac.js'
import { holderOf } from './address-holder.js'
import { announced } from './announced.js'
import { beGateway } from './be-gateway.js'
import { check } from './check.js'
import { schema } from './config.generated.js'
import { type BridgeConfig, type Settings, settingsOf } from './config.js'
import { connect } from './connect.js'
import { keysWithoutEffect } from './doubts.js'
import { interfaces } from './interfaces.js'
import type { Joined } from './model.js'
import { forget } from './neighbours.js'
import { openPort } from './port.js'
import { status } from './status.js'

export const { main } = defineInterface<BridgeConfig, Settings, Joined>({
  name: 'bridge',
  schema,
  usesArgs: true,
  kind: 'veth',
  settings: settingsOf,
  doubts: keysWithoutEffect,
  connect,
  holder: holderOf,
  mac: ({ ipam }, addresses) => ownMac(ipam, addresses),
  addressed: beGateway,
  opened: openPort,
  announced,
  interfaces,
  forget,
  check,
  status,
})
