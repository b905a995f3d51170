/** A long answer comes as it is made, not all at once. */
import { type Check, failedAs, failedWith, passed, skipped } from './check.ts';

export const checkStream: Check = async ({ agent, run }) => {
  const end = await run('Count from 1 to 60, each number written as a word on a line of its own.');
  if (end.failure !== undefined) return failedWith(end.failure);
  if (end.chunks > 1) return passed(`The answer came in ${end.chunks} chunks.`);
  // What a tool with a print mode holds back until it has it all is its own affair.
  if (agent.driver === 'headless' && agent.agent_type !== 'cli_gemini')
    return skipped('The tool prints its answer at once.');
  return failedAs('cli_garbled', `The answer came in one piece, ${end.run_ms} ms after the question.`);
};
