/** What a host has become, for whoever asked for it. */
import { findNode } from './fleet-door.ts';
import type { ServiceKind } from './record.ts';
import type { Work } from './site.ts';
import type { StepReport } from './step.ts';

export interface Summary {
  readonly host: string;
  readonly node: string;
  readonly version: string;
  readonly node_js: string;
  /** Of the gemini CLI; absent where there is none. */
  readonly gemini?: string;
  readonly agents: readonly string[];
  readonly service: ServiceKind;
  readonly unit: string;
  readonly state_dir: string;
  readonly nats_url: string;
  /** Of the coordinator's file: so that tasks reach the node while it has no NATS. */
  readonly coordinator_settings: string;
  readonly steps: readonly StepReport[];
}

export async function summarize(work: Work, steps: readonly StepReport[]): Promise<Summary> {
  const { host, node, version, facts, service, state_dir, plan, fleet, progress, signal } = work;
  const seen = await findNode(fleet, node, signal);
  return {
    host: host.name,
    node,
    version,
    node_js: seen?.node_js ?? facts.node?.version ?? 'unknown',
    ...(facts.gemini?.version !== undefined && { gemini: facts.gemini.version }),
    agents: progress.agents,
    service: service.kind,
    unit: service.unit,
    state_dir,
    nats_url: plan.facts.nats_url ?? fleet.nats_url,
    coordinator_settings: `ssh:\n  hosts: {${node}: ${JSON.stringify(host.name)}}`,
    steps,
  };
}
