#!/usr/bin/env node
/** The node-agent daemon. */
import { isProgram, runDaemon } from '../protocol/daemon/entry.ts';
import { createLog, type Log } from '../protocol/daemon/log.ts';
import { loadNodeConfig, type NodeConfig } from './config.ts';
import { type RunningNode, startNode } from './node.ts';

export type NodeAgent = RunningNode;

/**
 * Resolves once it answers over NATS.
 *
 * @throws CcliError as `startNode`; why it can never connect
 */
export async function startNodeAgent(config: NodeConfig, log: Log): Promise<NodeAgent> {
  const node = await startNode(config, log, { role: 'daemon' });
  const failure = await Promise.race([node.connected.then(() => undefined), node.failed]);
  if (failure === undefined) return node;
  await node.stop();
  throw failure;
}

if (isProgram(import.meta.url)) {
  await runDaemon(async (config_file, service) => {
    const config = loadNodeConfig(config_file);
    const log = createLog({ level: config.log_level, name: 'node-agent' });
    const onWaiting = (): void => {
      service.ready('waiting until what stands in for this daemon has finished');
    };
    const node = await startNode(config, log, { role: 'daemon', onWaiting });
    service.status(`node ${config.node}`);
    return node;
  });
}
