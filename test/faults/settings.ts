/** The daemons' configuration files: everything that takes its time in earnest is short here. */
import { join } from 'node:path';
import { stringify } from 'yaml';
import { built, root } from '../support/built.ts';
import type { Lane, NODES } from './kinds.ts';
import { MODEL } from './model.ts';

export const coordinatorSettings = (): string =>
  stringify({
    tick: '500ms',
    settle: '1s',
    accept_timeout: '1s',
    lease: '2s',
    lost_after: '5s',
    discovered: 'allow',
    nats: { sync_always: true },
    http: { enabled: false },
    // Nothing of a run is to be cleaned away before it was looked at.
    store: { tasks: '1GiB', blobs: '2GiB', reports: '256MiB', events: '64MiB', output: '64MiB' },
  });

type NodeName = (typeof NODES)[number];

const PLACES: Readonly<Record<Lane, readonly NodeName[]>> = {
  plain: ['walnut', 'ironwood', 'hornbeam'],
  acp: ['walnut', 'ironwood', 'hornbeam'],
  gemini_warm: ['walnut', 'ironwood'],
  gemini_cold: ['walnut', 'hornbeam'],
};

const gemini = {
  agent_type: 'cli_gemini',
  command: join(root, 'node_modules', '@google', 'gemini-cli', 'bundle', 'gemini.js'),
  model: MODEL,
  // Its start takes seconds on a busy machine.
  idle_timeout: '20s',
  timeout: '30s',
};
const scripted = { agent_type: 'cli_generic', idle_timeout: '4s', timeout: '15s' };

const agentOf = (lane: Lane): Record<string, unknown> => {
  switch (lane) {
    case 'plain':
      return { ...scripted, command: built('test/faults/tools/scripted-tool.ts'), max_concurrent: 4 };
    case 'acp':
      return {
        ...scripted,
        command: built('test/faults/tools/acp-tool.ts'),
        driver: 'acp',
        max_concurrent: 3,
        max_sessions: 40,
        health_interval: '2s',
      };
    case 'gemini_warm':
      return { ...gemini, driver: 'acp', max_concurrent: 3, max_sessions: 40 };
    case 'gemini_cold':
      return { ...gemini, driver: 'headless', max_concurrent: 1 };
  }
};

export const agentId = (node: string, lane: Lane): string => `${node}-${lane}`;

interface NodeSettings {
  readonly node: NodeName;
  readonly state_dir: string;
  /** Where the tools keep their log. */
  readonly runs_directory: string;
}

export const nodeSettings = ({ node, state_dir, runs_directory }: NodeSettings): string =>
  stringify({
    node,
    state_dir,
    nvm_dir: join(state_dir, 'no-nvm'),
    advert_interval: '500ms',
    drain_timeout: '10s',
    agents: Object.entries(PLACES).flatMap(([name, nodes]) => {
      const lane = name as Lane;
      if (!nodes.includes(node)) return [];
      const id = agentId(node, lane);
      return [
        {
          id,
          ...agentOf(lane),
          labels: { lane },
          env: { FAULTS_DIRECTORY: runs_directory, FAULTS_AGENT: id },
        },
      ];
    }),
  });

/** How many agents there are in all. */
export const AGENTS = Object.values(PLACES).flat().length;
