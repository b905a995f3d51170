import { ERRORS } from '../../../protocol/errors.ts';
import { fail, ok, rowOf, skipped, type Verdict, warn } from '../../../protocol/finding.ts';
import type { AgentView } from '../../../protocol/operation.ts';

/** What the fleet tells of an agent, without asking its tool. */
export function judgeAgent(agent: AgentView): readonly Verdict[] {
  const { agent_id, alive, enabled } = agent;
  if (!alive) return [skipped('Its node is lost.', { agent_id })];
  if (!enabled) return [skipped('Disabled: it takes nothing, by the registry or its node.', { agent_id })];
  const found = [...setUp(agent), ...permission(agent), ...pause(agent), ...driver(agent), ...slots(agent)];
  return found.length > 0 ? found : [ok(portrait(agent), { agent_id })];
}

function setUp({ agent_id, health, problem, signed_in }: AgentView): readonly Verdict[] {
  if (health === 'unavailable') {
    const code = problem?.code ?? 'cli_crashed';
    const [meaning, advice] = rowOf(code);
    const says = problem === undefined || problem.message === ERRORS[code].says ? meaning : problem.message;
    return [fail(says, advice, { agent_id, code })];
  }
  if (health === 'starting') {
    return [
      warn('It is still starting.', 'Ask again in a moment; its node looks at its tool.', {
        agent_id,
        code: 'agent_starting',
      }),
    ];
  }
  if (signed_in === 'no') {
    const [meaning, advice] = rowOf('cli_not_signed_in');
    return [fail(meaning, advice, { agent_id, code: 'cli_not_signed_in' })];
  }
  return [];
}

const permission = ({ agent_id, allowed }: AgentView): readonly Verdict[] =>
  allowed
    ? []
    : [
        warn(
          'It is not registered, and this fleet gives work to registered agents alone.',
          `Register it with \`ccli agents register ${agent_id}\`.`,
          { agent_id, code: 'agent_not_registered' },
        ),
      ];

function pause({ agent_id, cooldown_ms, cooldown_code }: AgentView): readonly Verdict[] {
  if (cooldown_ms === undefined || cooldown_ms === 0) return [];
  const code = cooldown_code ?? 'rate_limited';
  return [
    warn(
      `It pauses for another ${Math.ceil(cooldown_ms / 1_000)} s (${code}).`,
      'Tasks wait or go elsewhere meanwhile; lower max_concurrent of the agent, or raise the quota of its account.',
      { agent_id, code },
    ),
  ];
}

const driver = ({ agent_id, fallback_driver, driver: own }: AgentView): readonly Verdict[] =>
  fallback_driver === undefined
    ? []
    : [
        warn(
          `Its driver ${own} keeps failing; ${fallback_driver} stands in, which is slower.`,
          'Look at the log of its node; `ccli agents verify` tries the tool step by step.',
          { agent_id },
        ),
      ];

const slots = ({ agent_id, max_concurrent }: AgentView): readonly Verdict[] =>
  max_concurrent > 0
    ? []
    : [
        warn(
          'It has no slots, so it takes nothing.',
          `\`ccli agents update ${agent_id} --max-concurrent 1\``,
          {
            agent_id,
          },
        ),
      ];

const SIGNED_IN = {
  yes: 'signed in',
  no: 'not signed in',
  unknown: 'whether it is signed in only a prompt tells',
} as const;

function portrait(agent: AgentView): string {
  const { agent_type, cli_version, node_version, expected_version, signed_in, model } = agent;
  const { max_concurrent, warm, registration, endpoint } = agent;
  const tool =
    agent_type === 'ollama'
      ? `ollama ${cli_version ?? ''} at ${endpoint}`.replace(/ {2,}/g, ' ')
      : `${agent_type} ${cli_version ?? '(of an unknown version)'}`;
  const parts = [
    tool,
    expected_version === undefined ? undefined : `pinned to ${expected_version}`,
    node_version === undefined ? undefined : `Node ${node_version.replace(/^v/, '')}`,
    model,
    agent_type === 'ollama' ? undefined : SIGNED_IN[signed_in],
    max_concurrent === 1 ? '1 slot' : `${max_concurrent} slots`,
    warm ? 'warm' : 'cold',
    registration,
  ];
  return `${parts.filter(part => part !== undefined).join(', ')}.`;
}
