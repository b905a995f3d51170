/**
 * The error table: every failure a person or program can meet has a row here.
 *
 * - `says`: the sentence shown when the place that fails knows nothing more precise. It tells what to do next.
 * - `retryable`: whether the same request may succeed elsewhere or later, without anybody changing anything.
 * - `http`: status at the HTTP doors. `exit`: exit code of `ccli` (see `EXIT_MEANINGS`).
 */
import { z } from 'zod';

/** What an exit code of `ccli` means; the table below refers to these. */
export const EXIT_MEANINGS = {
  0: 'the answer was printed',
  1: 'the task ran and failed, or something unexpected happened',
  2: 'the request or the configuration is wrong',
  3: 'the named task, agent or node is not known',
  4: 'no fleet could be reached',
  5: 'no agent can take the task now',
  6: 'time ran out',
  7: 'an agent is not set up: CLI, Node version or sign-in is missing',
  8: 'a rate limit or quota was reached',
  9: 'the doctor has something to say, and nothing is broken',
  130: 'cancelled',
} as const;

type ExitCode = keyof typeof EXIT_MEANINGS;

interface ErrorRow {
  readonly says: string;
  readonly retryable: boolean;
  readonly http: number;
  readonly exit: ExitCode;
}

const row = (says: string, retryable: boolean, http: number, exit: ExitCode): ErrorRow => ({
  says,
  retryable,
  http,
  exit,
});

export const ERRORS = {
  // The request itself.
  invalid_request: row('The request does not fit the schema; mend the fields named.', false, 400, 2),
  unsupported_version: row('The message is newer than this program; upgrade ccli here.', false, 400, 2),
  message_too_large: row('The message is over the size limit; send long text as slices.', false, 413, 2),
  prompt_empty: row('The prompt is empty; give some text.', false, 400, 2),
  prompt_has_nul: row(
    'The prompt contains a NUL character, which no CLI can take; remove it.',
    false,
    400,
    2,
  ),
  prompt_too_large: row('The prompt is larger than any fitting agent takes; shorten it.', false, 413, 2),
  slices_incomplete: row('The uploaded text is not whole; upload it again.', true, 409, 1),
  idempotency_conflict: row(
    'This task id or idempotency key belongs to a different request; use a new one.',
    false,
    409,
    2,
  ),
  task_not_finished: row('The task has not ended yet; wait for it, or cancel it first.', true, 409, 2),
  invalid_answer: row(
    'The answer is not the JSON that was asked for, also after one repair; relax the schema or choose another agent.',
    true,
    502,
    1,
  ),
  config_invalid: row('The configuration is wrong; mend the settings named.', false, 400, 2),
  state_in_use: row(
    'Another fleet runs in this state directory; stop it or choose another with --state.',
    false,
    409,
    2,
  ),

  // What only the doors over HTTP meet.
  not_found: row('Nothing is served at this address; see /docs for what is.', false, 404, 3),
  method_not_allowed: row('This address does not take this method; see /docs.', false, 405, 2),
  unsupported_media_type: row('Send JSON, with the header `Content-Type: application/json`.', false, 415, 2),
  unsupported_parameter: row(
    'This fleet cannot do what the named parameter asks; leave it out.',
    false,
    400,
    2,
  ),
  unauthorized: row('An API key is needed; send it as `Authorization: Bearer KEY`.', false, 401, 2),
  forbidden_origin: row(
    'Requests of other web pages are refused; add the origin or host to the configuration to allow it.',
    false,
    403,
    2,
  ),
  too_many_requests: row('Too many requests of this caller; slow down.', true, 429, 8),
  too_many_streams: row('Too many streams of this caller are open; close one first.', true, 429, 8),
  head_too_large: row('The head of the request is too large; send fewer or shorter headers.', false, 431, 2),
  request_incomplete: row('The request did not arrive in time; send it again.', true, 408, 6),
  overloaded: row('Too many large requests arrive at once; try again in a moment.', true, 503, 5),
  connectivity_test_failed: row('CLI agent connectivity test failed; the finding is named.', false, 400, 7),
  agent_differs: row(
    "The agent is not what the request says of it; leave out what its node's own file decides.",
    false,
    409,
    2,
  ),
  slow_reader: row(
    'The stream was not read fast enough and is dropped; come back with the id of the last event read.',
    true,
    503,
    1,
  ),
  shutting_down: row('This coordinator is shutting down; ask again in a moment.', true, 503, 4),
  address_in_use: row(
    'The address to listen on is taken; stop who has it, or choose another one.',
    false,
    409,
    2,
  ),

  // Names that lead nowhere.
  task_unknown: row('No task has this id; list the tasks to see those there are.', false, 404, 3),
  agent_unknown: row('No agent has this id; list the agents to see those there are.', false, 404, 3),
  agent_type_unknown: row('No agent is of this type; list the agents to see those there are.', false, 404, 3),
  no_agent_fits: row(
    'No agent fits all that was asked; ask for less, or look at the agents there are.',
    false,
    404,
    3,
  ),
  node_unknown: row('No node has this name; list the nodes to see those there are.', false, 404, 3),

  // The fleet as a whole.
  fleet_not_found: row(
    'No fleet is configured; start one with `ccli up` or name it with --nats.',
    false,
    503,
    4,
  ),
  nats_unreachable: row(
    'NATS does not answer; check that it runs and that the address is right.',
    true,
    503,
    4,
  ),
  nats_refused: row('NATS refused the credentials; check the credentials file.', false, 401, 4),
  nats_server_missing: row('No nats-server could be found or installed; install one.', false, 503, 4),
  no_coordinator: row(
    'No coordinator answers on this fleet; start one with `ccli coordinator`.',
    true,
    503,
    4,
  ),
  store_unavailable: row('The task store does not answer; nothing was accepted. Try again.', true, 503, 4),
  store_full: row('The task store is full; purge old tasks or give it more room.', true, 507, 4),
  store_newer: row('The store was written by a newer ccli; upgrade this one.', false, 500, 4),
  store_damaged: row(
    'The store is not what ccli wrote; restore a backup, or move it away to begin anew. Nothing was changed.',
    false,
    500,
    4,
  ),
  store_not_empty: row(
    'There is a store here already; move it away first. Nothing was overwritten.',
    false,
    409,
    2,
  ),
  backup_unusable: row('The backup is not whole, or of a newer ccli; use another one.', false, 400, 2),
  registration_off: row(
    'Registration is switched off for this fleet; switch registration on to register agents.',
    false,
    409,
    2,
  ),
  registration_changed: row(
    'Somebody else has changed this registration meanwhile; look at the agent, then repeat it.',
    true,
    409,
    1,
  ),
  not_permitted: row(
    "The node's own file does not permit this; its operator can change that.",
    false,
    403,
    2,
  ),
  start_failed: row('The fleet did not start; the cause is named.', false, 500, 4),

  // No room.
  no_agents: row('No agent has joined this fleet; start one with `ccli node-agent`.', true, 503, 5),
  slots_taken: row('All slots of the fitting agents are taken; wait, or raise max_concurrent.', true, 503, 5),
  agent_starting: row('The agent is still starting; try again in a moment.', true, 503, 5),
  agent_not_registered: row(
    'The agent is not registered, and this fleet gives work to registered agents only; register it.',
    false,
    409,
    5,
  ),
  agent_disabled: row('The agent is disabled; enable it or choose another one.', false, 409, 5),
  draining: row('The node is draining and takes nothing new; try another one.', true, 503, 5),
  outbox_full: row('The node has no room on its disk for results; free some.', true, 507, 5),

  // A node's refusals that only a coordinator meets.
  wrong_instance: row('Another daemon now runs under this node name; ask it instead.', true, 409, 1),
  stale_epoch: row('A newer coordinator has taken over; this one must stop planning.', false, 409, 1),
  attempt_unknown: row('The node does not know this attempt; it will refuse it from now on.', false, 404, 3),
  attempt_refused: row('This attempt was cancelled before it arrived; start another attempt.', true, 409, 1),

  // The agent's set-up.
  node_version_missing: row('The Node version named is not installed under nvm; install it.', false, 500, 7),
  cli_missing: row('The CLI is not installed on the node; install it or name its path.', false, 500, 7),
  cli_not_signed_in: row(
    'The CLI is not signed in on the node; sign in or set its key there.',
    false,
    401,
    7,
  ),
  version_mismatch: row(
    'The CLI is not of the version it is pinned to; install that one, or verify this one and pin it.',
    false,
    409,
    7,
  ),
  auth_refused: row('The model service refused the credentials; check the key.', false, 401, 7),

  // How an attempt can end.
  cli_crashed: row('The CLI ended unexpectedly; the log of its node-agent has its last words.', true, 502, 1),
  cli_garbled: row(
    'The CLI printed something that is not its protocol; check its version on the node.',
    true,
    502,
    1,
  ),
  empty_reply: row(
    'The CLI reported success with an empty answer; rephrase the prompt or choose another agent.',
    true,
    502,
    1,
  ),
  reply_truncated: row('The answer broke off before its end; run the prompt again.', true, 502, 1),
  safety_refused: row('The model refused to answer for safety reasons; rephrase the prompt.', false, 422, 1),
  output_too_large: row('The answer is over the size limit; the part that came is kept.', false, 502, 1),
  model_not_found: row('The model does not exist or this key may not use it; choose another.', false, 404, 2),
  model_rejected: row('The model service rejected the request; its reason is named.', false, 400, 1),
  model_unavailable: row(
    'The model service is failing or overloaded; try again later or choose another model.',
    true,
    503,
    1,
  ),
  endpoint_unreachable: row(
    'The model server does not answer at its endpoint; check that it runs and can be reached from the node.',
    true,
    503,
    1,
  ),
  out_of_memory: row(
    'The model does not fit into the memory that is free; unload another one, or choose a smaller one.',
    true,
    503,
    1,
  ),
  context_too_long: row(
    'The prompt is longer than the context of the model; shorten it, or raise num_ctx of the agent.',
    false,
    413,
    2,
  ),
  slow_first_token: row(
    'The model gave no first token in time; wait until it is loaded, or raise first_token_timeout of the agent.',
    true,
    504,
    6,
  ),
  rate_limited: row(
    'The model service asks to slow down; try again later or choose another agent.',
    true,
    429,
    8,
  ),
  quota_exhausted: row(
    'The quota of this account is used up; wait until it is renewed or choose another agent.',
    true,
    429,
    8,
  ),
  agent_restarted: row(
    'The node-agent restarted while this attempt ran; run the prompt again.',
    true,
    502,
    1,
  ),
  // SSH: installing a node-agent, and the way in when NATS is gone.
  ssh_unreachable: row(
    'The host does not answer over SSH; check that it is awake, and its name, port and network.',
    true,
    503,
    4,
  ),
  ssh_timeout: row(
    'A step over SSH took too long and was stopped; try again, or allow it more.',
    true,
    504,
    6,
  ),
  ssh_host_key_unknown: row(
    'The key of the host is not in known_hosts; compare its fingerprint with the host, then add it.',
    false,
    502,
    7,
  ),
  ssh_host_key_changed: row(
    'The host shows another key than known_hosts has for it: it was set up anew, or somebody stands in between.',
    false,
    502,
    7,
  ),
  ssh_host_key_revoked: row(
    'The key of the host is marked as revoked in known_hosts; give the host a new one.',
    false,
    502,
    7,
  ),
  ssh_auth_failed: row(
    'The host accepts none of the keys offered; add yours to its authorized_keys, or load it into the agent.',
    false,
    502,
    7,
  ),
  ssh_key_locked: row(
    'The key is encrypted; load it into the agent with ssh-add, or name a file with its passphrase.',
    false,
    502,
    7,
  ),
  ssh_config_unsupported: row(
    'The SSH configuration of this host asks for something ccli does not do; the option is named.',
    false,
    400,
    2,
  ),
  ssh_channel_refused: row(
    'The host opens no more sessions on its connections; raise MaxSessions there, or ask for fewer at a time.',
    true,
    503,
    5,
  ),
  ssh_connection_lost: row('The SSH connection broke off; it is opened again.', true, 503, 4),
  ssh_not_allowed: row(
    'The agent can be reached over SSH only, and its policy keeps it from that; see ssh_fallback.',
    true,
    503,
    5,
  ),
  remote_command_failed: row('A command on the host failed; its last words are named.', false, 502, 1),
  permission_denied: row(
    'The host does not let this user do that; use another user, or allow it there.',
    false,
    403,
    7,
  ),
  disk_full: row('The disk of the host has no room for this; free some there.', false, 507, 7),
  upload_damaged: row('What arrived at the host is not what was sent; try again.', true, 502, 1),
  host_not_ready: row('The host lacks something a node-agent needs; what it is is named.', false, 409, 7),
  node_not_installed: row(
    'No node-agent is installed on the host; run `ccli bootstrap` for it.',
    false,
    404,
    7,
  ),
  results_unsent: row(
    'The host still has results that the fleet has not got; let its node-agent reach NATS first.',
    false,
    409,
    5,
  ),
  bootstrap_failed: row(
    'The host was not set up; the step that failed and its cause are named.',
    false,
    502,
    1,
  ),
  node_lost: row(
    'The node fell silent while this attempt ran; the list of nodes shows whether it is back.',
    true,
    502,
    1,
  ),
  cli_silent: row(
    'The CLI gave no sign of life for too long and was stopped; run the prompt again, or raise idle_timeout.',
    true,
    504,
    6,
  ),
  all_parts_failed: row('Every agent asked has failed; the failure of each is named.', false, 502, 1),
  deadline_passed: row('The task did not end before its deadline; give it more time.', false, 504, 6),
  task_timeout: row('The attempt took longer than its timeout; raise its timeout.', false, 504, 6),
  wait_timeout: row('The task is still running; wait for it again, or look at it later.', false, 504, 6),
  cancelled: row(
    'The task was cancelled; run the prompt again if its answer is still wanted.',
    false,
    409,
    130,
  ),
  output_failed: row(
    'The answer could not be written; free some room or choose another place. `ccli task wait` prints it again.',
    false,
    500,
    1,
  ),
  internal: row('Something went wrong inside ccli; the log has the details.', false, 500, 1),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export const ErrorCodeSchema = z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]);

/** An error on any wire. `cause` is for people: never decide by it. */
export const ErrorBodySchema = z.object({
  /** A code of a newer peer reads as `internal`; `retryable` still says what it said. */
  code: ErrorCodeSchema.catch('internal'),
  message: z.string().max(4_000),
  retryable: z.boolean(),
  retry_after_ms: z.int().nonnegative().optional(),
  cause: z.string().max(4_000).optional(),
});
export type ErrorBody = z.infer<typeof ErrorBodySchema>;

interface CcliErrorOptions {
  readonly cause?: unknown;
  readonly retry_after_ms?: number;
}

/** The only error that crosses a boundary of ours. Check `code`, never the text. */
export class CcliError extends Error {
  override readonly name = 'CcliError';
  readonly code: ErrorCode;
  readonly retry_after_ms: number | undefined;

  constructor(code: ErrorCode, message?: string, options: CcliErrorOptions = {}) {
    super(message ?? ERRORS[code].says, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retry_after_ms = options.retry_after_ms;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

const MESSAGE_MAX = 4_000;
const RETRY_AFTER_MAX_MS = 30 * 24 * 3_600_000;
const clip = (text: string): string =>
  text.length > MESSAGE_MAX ? `${text.slice(0, MESSAGE_MAX - 1)}…` : text;

const causeText = (cause: unknown): string | undefined => {
  if (cause === undefined || cause === null) return undefined;
  return clip(cause instanceof Error ? cause.message : typeof cause === 'string' ? cause : 'unknown');
};

/** Services have been seen to ask for pauses that no timer can hold. */
const pauseOf = (ms: number | undefined): number | undefined =>
  ms === undefined || Number.isNaN(ms) ? undefined : Math.min(Math.max(Math.ceil(ms), 0), RETRY_AFTER_MAX_MS);

/** Any thrown value as it goes over a wire; what is not ours becomes `internal`, without its stack. */
export function toErrorBody(error: unknown): ErrorBody {
  if (!(error instanceof CcliError)) {
    const cause = causeText(error);
    return {
      code: 'internal',
      message: ERRORS.internal.says,
      retryable: false,
      ...(cause !== undefined && { cause }),
    };
  }
  const cause = causeText(error.cause);
  const retry_after_ms = pauseOf(error.retry_after_ms);
  return {
    code: error.code,
    message: clip(error.message),
    retryable: error.retryable,
    ...(retry_after_ms !== undefined && { retry_after_ms }),
    ...(cause !== undefined && { cause }),
  };
}

/** The inverse of `toErrorBody`, for whoever receives an error over a wire. */
export function fromErrorBody(body: ErrorBody): CcliError {
  return new CcliError(body.code, body.message, {
    ...(body.cause !== undefined && { cause: new Error(body.cause) }),
    ...(body.retry_after_ms !== undefined && { retry_after_ms: body.retry_after_ms }),
  });
}
