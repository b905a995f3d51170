/** Every kind of fault that the suite injects. */

/** Done to daemons and to nats-server, from outside. */
export const WORLD_FAULTS = [
  'coordinator_killed',
  'coordinator_paused',
  'coordinator_cut_off',
  'node_killed',
  'node_paused',
  'node_cut_off',
  'nats_killed',
  'nats_restarted',
  'nats_paused',
  'acks_lost',
  'clock_stepped',
] as const;
export type WorldFault = (typeof WORLD_FAULTS)[number];

/** Done by the tools and by the model, as the task's own script says. */
export const TOOL_FAULTS = [
  'tool_crashed',
  'tool_hung',
  'tool_empty',
  'tool_garbled',
  'acp_crashed',
  'acp_hung',
  'acp_empty',
  'acp_garbled',
  'model_429',
  'model_503',
] as const;
export type ToolFault = (typeof TOOL_FAULTS)[number];

export const FAULT_KINDS = [...WORLD_FAULTS, ...TOOL_FAULTS, 'cancelled'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export const COORDINATORS = ['coordinator-1', 'coordinator-2'] as const;
export const NODES = ['walnut', 'ironwood', 'hornbeam'] as const;
export type Target = (typeof COORDINATORS)[number] | (typeof NODES)[number] | 'nats';

/** Which tool a task is for; each agent has it as a label. */
export const LANES = ['plain', 'acp', 'gemini_warm', 'gemini_cold'] as const;
export type Lane = (typeof LANES)[number];

/** What a run of a tool does; a task's first run takes the first, and so on. */
export const RUN_KINDS = ['ok', 'crash', 'hang', 'empty', 'garbage', 'limited', 'overloaded'] as const;
export type RunKind = (typeof RUN_KINDS)[number];
