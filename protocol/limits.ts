/** Sizes that both sides agree on. Bytes are UTF-8 bytes; see README.md for why each is what it is. */

const KIB = 1024;
const MIB = 1024 * KIB;

/** Largest message either side sends or parses; nats-server's own default `max_payload` is 1 MiB. */
export const MAX_MESSAGE_BYTES = MIB;

/** A text whose JSON form is at most this travels inside its message; a longer one travels as slices. */
export const INLINE_TEXT_BYTES = 256 * KIB;

/** Bytes of text in one slice, before base64. */
export const SLICE_BYTES = 256 * KIB;

/** Ceiling for any prompt; an agent may advertise a lower one. */
export const MAX_PROMPT_BYTES = 32 * MIB;

/** Default ceiling for an answer; a node's file may set another one. */
export const DEFAULT_MAX_OUTPUT_BYTES = 8 * MIB;

/** Ceiling for any answer, whatever a node's file says: what the slice count of a report may reach. */
export const MAX_OUTPUT_BYTES = 64 * MIB;

/** Default time an attempt may take, and the longest a task may ask for. */
export const DEFAULT_TIMEOUT_MS = 300_000;
export const MAX_TIMEOUT_MS = 24 * 3_600_000;

/** The longest a task may take from its acceptance to its end. */
export const MAX_DEADLINE_MS = 30 * 24 * 3_600_000;

/** Share of a store from which on nothing new is accepted: the rest belongs to what was accepted before. */
export const STORE_FULL_SHARE = 0.8;

/** How often a node says what it can take, and how many silent intervals make it lost. */
export const ADVERT_INTERVAL_MS = 5_000;
export const LOST_AFTER_INTERVALS = 3;

/** Longest a `get` may wait for an end before it answers with what there is. */
export const MAX_WAIT_MS = 60_000;

/** How long a submit may look for an agent that fits and is still starting, before it is answered. */
export const SUBMIT_WAIT_MS = 10_000;

/** Longest a registration takes: a tool may have to start for its probe, and its model to answer the canary. */
export const REGISTER_LIMIT_MS = 180_000;

/** Longest the compatibility suite takes. */
export const VERIFY_LIMIT_MS = 600_000;

/** For a coordination that names no budget. */
export const DEFAULT_BUDGET_MS = 600_000;

/** How long a cancel waits for the end before it is answered with the task as it stands. */
export const CANCEL_WAIT_MS = 10_000;
