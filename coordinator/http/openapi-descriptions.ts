/** What fields of the wire mean, where their name does not tell: for readers of the document. By component. */
type Descriptions = Readonly<Record<string, Readonly<Record<string, string>>>>;

const OPTIONS = {
  agent_id: 'Only this agent.',
  agent_type: 'Only agents of this type.',
  specialty: 'Only agents that are for this.',
  model: 'The model to answer with; the one of the agent otherwise.',
  labels: 'Only agents with all of these.',
  timeout_ms: "Longest one attempt may take; the agent's own default otherwise.",
  max_queue_ms: 'Longest the task may wait for a slot; past it, it fails with `slots_taken`.',
  deadline_ms: 'Longest from its acceptance to its end; past it, it fails with `deadline_passed`.',
  max_attempts: '1 when the side effects of the task must not be repeated.',
  priority: 'Larger goes first.',
  tool_policy: "Can only narrow the agent's own.",
  fallback:
    'Types or ids of agents, best first. A later one is taken only while those before it cannot answer, or have failed this task.',
  session_id:
    'One conversation: its tasks run one after another, and each knows what was said before. Sessions of different callers never meet.',
  min_gpu_memory_bytes: 'GPU memory its agent must have in all.',
  group: 'Tasks that belong together.',
  generation:
    'How the model is to sample. An agent honours what its tool can be told, and passes over the rest.',
  cold: 'Runs in a process started for it alone: for measuring.',
};

export const DESCRIPTIONS: Descriptions = {
  TaskOptions: { ...OPTIONS, retry_of: 'The finished task that this one was made from.' },
  TaskRequest: {
    ...OPTIONS,
    task_id: 'Made by the caller; one that was seen before is answered with the task it named.',
    idempotency_key: 'One that this caller used before is answered with the task it named.',
    conversation: 'The prompt is a conversation in JSON: `instructions`, `turns`, `prompt`, `format`.',
  },
  Task: {
    caller: 'The name of the API key, or `local`.',
    waiting_for: 'Why a queued task has not been given to an agent.',
    completeness: 'Whether the answer is whole; `unknown` where the tool gives no way to tell.',
    execution_time_ms: 'Of the attempt that gave the answer, on its node.',
    warm: 'Whether it found a process that was already up.',
    load_ms: 'What loading the model took of it.',
    fallback: 'Set when its agent is not of the first choice.',
    stop_confirmed: 'Of a cancelled task: whether its node has confirmed that it ended.',
    transport: 'How the node of the current or last attempt was reached, once there is one.',
    suspect: 'The node of the current attempt is silent: it may come back, or the task goes to another one.',
  },
  Attempt: {
    why: 'Why this agent.',
    refused: 'The node said no for a reason of its own: nothing ran, and it uses up none of `max_attempts`.',
    epoch: 'Of the coordinator that planned it.',
    instance_id: 'Of the daemon that ran it.',
    transport: 'Set when the request went out, or the answer came in, over SSH.',
  },
  Agent: {
    driver: 'What speaks to its tool.',
    model: 'The model a task gets when it names none.',
    models: 'The only models a task may name; absent when any may be tried.',
    health: '`starting` takes tasks soon, `unavailable` once somebody mends `problem`.',
    signed_in: 'Whether its CLI has an account; `unknown` where that cannot be told.',
    warm: 'Whether the next task finds a process that is already up.',
    tool_policy: 'Which tool calls of its model are allowed; a task may only narrow it.',
    cooldown_ms: 'What remains of the pause after a rate limit, a used-up quota or an overload.',
    cooldown_code: 'Which of them it was.',
    fallback_driver: "The driver that stands in while the agent's own keeps failing.",
    endpoint: 'The URL of a model server, or `cli://` and the node.',
    loaded_models: 'In memory already; absent where that cannot be known.',
    recent: 'How it did lately, from its last runs.',
    alive: 'Whether its node speaks.',
    draining: 'Whether its node takes nothing new.',
    available: 'Whether a task would be placed there now.',
    registration: '`discovered`: advertised by a node, and not in the registry.',
    allowed: 'Whether the fleet lets it take work: one that is only discovered may be kept from it.',
    transport: 'How it is reached at this moment; absent for NATS.',
    ssh_fallback:
      'Whether tasks may reach it over SSH: `on` while NATS does not reach its node, `only` never otherwise. Absent where no SSH is set up.',
  },
  AgentChanges: {
    max_concurrent: "Counts up to what the node's file allows.",
    priority: 'Larger is taken first.',
    expected_version: 'Pins the CLI to this version, or range of versions.',
    ssh_fallback: 'Whether tasks may reach it over SSH.',
  },
  Error: {
    code: 'Stable: go by it, never by the message.',
    retryable: 'Whether the same may succeed later.',
    cause: 'For people.',
  },
};
