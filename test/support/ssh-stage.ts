/** A stage on which a coordinator also reaches its node over a real sshd, where `ccli bootstrap` would have put ccli. */
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { lockHolder } from '../../protocol/daemon/lock.ts';
import type {
  AgentView,
  NodeView,
  OperationName,
  OperationReply,
  OperationRequest,
} from '../../protocol/operation.ts';
import { built } from './built.ts';
import { callOperation } from './fleet.ts';
import { runs } from './running.ts';
import { type TestSshd, testSshd } from './sshd.ts';
import { type Stage, type StagedCoordinator, type StagedNode, stage } from './stage.ts';
import { waitFor } from './wait.ts';

export interface SshStage extends Stage {
  readonly sshd: TestSshd;
  readonly walnut: StagedNode;
  /** With SSH to walnut, over which tasks may go while NATS does not reach it. */
  readonly startCoordinator: (
    ssh?: Record<string, unknown>,
    settings?: Record<string, unknown>,
  ) => Promise<StagedCoordinator>;
  readonly call: <N extends OperationName>(
    name: N,
    request: OperationRequest<N>,
  ) => Promise<OperationReply<N>>;
  /** Waits until walnut shows like this. */
  readonly walnutIs: (what: string, fits: (node: NodeView) => boolean) => Promise<NodeView>;
  readonly agentIs: (what: string, fits: (agent: AgentView) => boolean) => Promise<AgentView>;
}

const NOBODY = 'nats://127.0.0.1:9';

interface SshStageOptions {
  readonly agents?: readonly Record<string, unknown>[];
  readonly settings?: Record<string, unknown>;
}

export async function sshStage({ agents, settings = {} }: SshStageOptions = {}): Promise<SshStage> {
  const staged = await stage();
  const walnut = await staged.node({
    ...(agents !== undefined && { agents }),
    settings: { drain_timeout: '1s', nats: { url: NOBODY }, ...settings },
  });
  const sshd = await testSshd();
  await installCcli(sshd.home, walnut.config_file);
  endStandIn(walnut.state_dir);
  const call: SshStage['call'] = (name, request) => callOperation(staged.connection, name, request);
  return {
    ...staged,
    sshd,
    walnut,
    call,
    startCoordinator: (ssh = {}, settings = {}) =>
      staged.coordinator({
        settings: {
          ...settings,
          ssh: { config_file: sshd.config_file, hosts: { walnut: 'walnut' }, ...ssh },
        },
        environment: { CCLI_HTTP: String('http' in settings) },
      }),
    walnutIs: (what, fits) =>
      waitFor(
        async () => {
          const { nodes } = await call('nodes', {});
          const found = nodes.find(({ node }) => node === 'walnut');
          return found !== undefined && fits(found) && found;
        },
        { what: `walnut being ${what}` },
      ),
    agentIs: (what, fits) =>
      waitFor(
        async () => {
          const { agents } = await call('agents', {});
          const found = agents.find(({ node }) => node === 'walnut');
          return found !== undefined && fits(found) && found;
        },
        { what: `the agent of walnut being ${what}` },
      ),
  };
}

/** The host's own ccli, which runs the compiled program. */
async function installCcli(home: string, config_file: string): Promise<void> {
  const bin = join(home, '.local', 'bin');
  await mkdir(bin, { recursive: true });
  const words = [process.execPath, built('node-agent/program.ts')].map(word => `'${word}'`).join(' ');
  const script = `#!/bin/sh\nPATH='${process.env['PATH'] ?? ''}' exec ${words} "$@" --config '${config_file}'\n`;
  await writeFile(join(bin, 'ccli'), script);
  await chmod(join(bin, 'ccli'), 0o755);
}

/** It outlives whoever started it: that is what it is for. */
function endStandIn(state_dir: string): void {
  onTestFinished(async () => {
    const pid = (await lockHolder(state_dir, 'node-agent').catch(() => undefined))?.pid;
    if (pid === undefined || !runs(pid)) return;
    process.kill(pid, 'SIGTERM');
    await waitFor(() => !runs(pid), { what: 'the end of the stand-in' });
  });
}
