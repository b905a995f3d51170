/** What the node finds out about itself: `ccli node-agent check` there. */
import type { Check } from '../../../protocol/daemon/checks.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { type NodeCheck, NodeCheckSchema, type Verdict } from '../../../protocol/finding.ts';
import type { RemoteResult } from '../../ssh/ssh.ts';
import { type HostContext, isInstalled } from './context.ts';

const LIMIT_MS = 120_000;

export const nodeCheck: Check<HostContext> = {
  id: 'node_check',
  title: 'what the node finds out about itself',
  limit_ms: LIMIT_MS + 5_000,
  late: 'ssh_timeout',
  needs: ['installed'],
  async run(context, signal) {
    if (!isInstalled(context)) return [];
    const result = await context.host.run(
      { script: 'exec "$HOME/.local/bin/ccli" node-agent check --json\n' },
      { signal, timeout_ms: LIMIT_MS },
    );
    const told = readCheck(result);
    if (told.node !== undefined) context.learnt.node = told.node;
    return told.checks.map((finding): Verdict => finding);
  },
};

/** @throws CcliError `remote_command_failed` with its last words when it printed no document */
export function readCheck({ stdout, stderr, code }: RemoteResult): NodeCheck {
  // A login shell may greet before it.
  for (const line of stdout.trim().split('\n').reverse()) {
    if (!line.startsWith('{')) continue;
    const parsed = NodeCheckSchema.safeParse(parse(line));
    if (parsed.success) return parsed.data;
  }
  const words = stderr.trim().split('\n').slice(-3).join(' ').slice(0, 500);
  throw new CcliError(
    'remote_command_failed',
    `\`ccli node-agent check\` there ended with code ${code ?? 'none'}, and told nothing${words === '' ? '' : `: ${words}`}.`,
  );
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
