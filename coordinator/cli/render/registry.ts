/** What was done to the registry of agents, for people. */
import type { CcliError } from '../../../protocol/errors.ts';
import type { AgentView, OperationReply } from '../../../protocol/operation.ts';
import type { Preview } from '../agents/preview.ts';
import type { Registered } from '../agents/register-all.ts';
import type { About, Asked } from '../agents/wanted.ts';
import { agentState } from './agents.ts';
import type { Colors } from './colors.ts';
import { duration } from './quantity.ts';
import { table } from './table.ts';

type VerifyReply = OperationReply<'verify'>;
type TestReply = OperationReply<'test'>;

/** `walnut-llama3 of walnut: ready, 2 slots, llama3.1:8b at http://10.0.0.7:11434`. */
export function agentSentence(agent: AgentView, colors: Colors): string {
  const { agent_id, node, max_concurrent, model, endpoint, expected_version } = agent;
  const { ssh_fallback } = agent;
  const parts = [
    agentState(agent, colors),
    max_concurrent === 1 ? '1 slot' : `${max_concurrent} slots`,
    `${model === undefined ? '' : `${model} `}at ${endpoint}`,
    expected_version === undefined ? undefined : `pinned to ${expected_version}`,
    ssh_fallback === undefined ? undefined : `ssh fallback ${ssh_fallback}`,
  ].filter(part => part !== undefined);
  return `${agent_id} of ${node}: ${parts.join(', ')}`;
}

const head = ['AGENT', 'NODE', 'RESULT', 'MODEL', 'ENDPOINT', 'SPECIALTY'];

export function registeredTable(results: readonly Registered[], colors: Colors): string {
  const rows = results.map(result => {
    const { agent_id } = result;
    switch (result.outcome) {
      case 'registered': {
        const { node, model, endpoint, specialty } = result.agent;
        return [agent_id, node, colors.green('registered'), model ?? '-', endpoint, specialty.join(',')];
      }
      case 'failed':
        return [agent_id, result.node ?? '-', colors.red(result.error.code), ...askedCells(result)];
      case 'not_tried':
        return [agent_id, result.node ?? '-', colors.yellow('not tried'), ...askedCells(result)];
    }
  });
  return table(head, rows, colors) + results.map(result => reason(result, colors)).join('');
}

const askedCells = ({ model, endpoint, specialty }: Asked): string[] => [
  model ?? '-',
  endpoint ?? '-',
  specialty?.join(',') ?? '-',
];

const PREVIEWED = {
  would_register: 'would be registered',
  would_update: 'would be registered anew',
  would_fail: 'would fail',
} as const;

export function previewTable(previews: readonly Preview[], colors: Colors): string {
  const rows = previews.map(one => [
    one.agent_id,
    one.node ?? '-',
    (one.outcome === 'would_fail' ? colors.red : colors.green)(PREVIEWED[one.outcome]),
    ...askedCells(one),
  ]);
  return table(head, rows, colors) + previews.map(one => reason(one, colors)).join('');
}

/** What is too long for a cell. */
function reason(result: About & { readonly error?: CcliError }, { dim }: Colors): string {
  const { agent_id, line, error, ignored, remarks } = result;
  if (error !== undefined) {
    const { message } = error;
    return `${dim(message.startsWith(`${agent_id},`) ? message : `${agent_id}, line ${line}: ${message}`)}\n`;
  }
  const one = ignored.length === 1;
  const left = `${ignored.join(', ')} ${one ? 'means' : 'mean'} nothing here, and ${one ? 'was' : 'were'} left out`;
  return [...remarks, ...(ignored.length === 0 ? [] : [left])]
    .map(remark => `${dim(`${agent_id}: ${remark}`)}\n`)
    .join('');
}

/** What a look at an agent has found. */
export function finding(
  { agent, problem, took_ms }: TestReply,
  { canary, colors }: { readonly canary: boolean; readonly colors: Colors },
): string {
  const head = `${agentSentence(agent, colors)}\n`;
  const looked = canary ? 'it answered a short prompt' : 'it was looked at, and not asked anything';
  if (problem === undefined) return `${head}${colors.green('ok')}: ${looked}, in ${duration(took_ms)}\n`;
  const { code, message, cause } = problem;
  const more =
    cause === undefined || message.includes(cause) ? '' : `${colors.dim(`cause: ${oneLine(cause)}`)}\n`;
  return `${head}${colors.red(code)}: ${oneLine(message)}\n${more}`;
}

const OUTCOME = { passed: 'green', failed: 'red', skipped: 'yellow' } as const;

export function verification(reply: VerifyReply, colors: Colors): string {
  const rows = reply.checks.map(({ check, outcome, took_ms, detail, error }) => [
    check,
    colors[OUTCOME[outcome]](outcome),
    duration(took_ms),
    `${shortened(detail)}${error === undefined ? '' : ` (${error.code})`}`,
  ]);
  const failures = reply.checks.flatMap(({ check, outcome, detail, error }) => {
    if (outcome !== 'failed') return [];
    // A failure is worth its whole text, and nothing twice.
    const texts = [detail, error?.message ?? ''].filter((text, at) => at === 0 || !detail.includes(text));
    return [`${colors.dim(`${check}: ${texts.map(oneLine).join(' ')}`)}\n`];
  });
  const version = reply.cli_version === undefined ? '' : ` ${reply.cli_version}`;
  const verdict = reply.passed ? colors.green('passes') : colors.red('does not pass');
  const end = `${reply.agent_id}${version} on ${reply.node} ${verdict}\n`;
  return `${table(['CHECK', 'OUTCOME', 'TIME', 'DETAIL'], rows, colors)}${failures.join('')}${end}`;
}

const DETAIL_CHARS = 80;

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ');
const shortened = (text: string): string => {
  const line = oneLine(text);
  return line.length > DETAIL_CHARS ? `${line.slice(0, DETAIL_CHARS - 1)}…` : line;
};
