/** An advert that is too long for a message goes without what is told elsewhere, or can be missed best. */
import type { Advert } from '../../protocol/advert.ts';
import type { AgentStatus } from '../../protocol/agent.ts';
import { MAX_MESSAGE_BYTES } from '../../protocol/limits.ts';

const PROBLEM_CHARS = 200;

const each =
  (shorten: (status: AgentStatus) => AgentStatus) =>
  (advert: Advert): Advert => ({ ...advert, agents: advert.agents.map(shorten) });

/** What is left out, in this order, as far as it must be. */
const STEPS: readonly ((advert: Advert) => Advert)[] = [
  // For people.
  each(({ cli_path: _cli, node_path: _node, ...status }) => status),
  // Likewise, and in the log of the node as well.
  each(({ problem, ...status }) => {
    if (problem === undefined) return status;
    const { cause: _cause, message, ...rest } = problem;
    return { ...status, problem: { ...rest, message: message.slice(0, PROBLEM_CHARS) } };
  }),
  // What runs is told by reports as well. Results are still to come from it, so it does not count as forgotten.
  advert => ({ ...advert, outbox: advert.outbox + advert.running.length, running: [] }),
  each(({ loaded_models: _models, ...status }) => status),
  // Last, for tasks may ask for them; those of the registry are known to a coordinator without the node.
  each(status => ({ ...status, labels: {} })),
];

/** As it is when it fits. One that does not even fit without all that is the shortest there is. */
export function fitAdvert(advert: Advert, max_bytes: number = MAX_MESSAGE_BYTES): Advert {
  let fitting = advert;
  for (const step of STEPS) {
    if (Buffer.byteLength(JSON.stringify(fitting)) <= max_bytes) break;
    fitting = step(fitting);
  }
  return fitting;
}
