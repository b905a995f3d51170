/** `ccli agents test`. */
import { ERRORS } from '../../../protocol/errors.ts';
import type { NodeFlags } from '../agents/flags.ts';
import { patiently } from '../agents/patiently.ts';
import type { Cli } from '../cli.ts';
import { finding } from '../render/registry.ts';

export interface TestFlags extends NodeFlags {
  readonly canary: boolean;
}

export async function testCommand(cli: Cli, agent_id: string, flags: TestFlags): Promise<number> {
  const { node, canary } = flags;
  const reply = await patiently(cli, flags, {
    work: async (operations, context, progress) => {
      progress.stage(`looking at ${agent_id} through its node${canary ? ', with a short prompt' : ''}`);
      return await operations.test({ agent_id, canary, ...(node !== undefined && { node }) }, context);
    },
    interrupted: `Stopped waiting; the test of ${agent_id} may go on for a while.`,
  });
  if (flags.json === true) cli.json(reply);
  else cli.stdout.write(finding(reply, { canary, colors: cli.stdout.colors }));
  return reply.problem === undefined ? 0 : ERRORS[reply.problem.code].exit;
}
