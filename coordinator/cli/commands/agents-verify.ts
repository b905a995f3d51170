/** `ccli agents verify`. */
import type { NodeFlags } from '../agents/flags.ts';
import { patiently } from '../agents/patiently.ts';
import type { Cli } from '../cli.ts';
import { verification } from '../render/registry.ts';

export interface VerifyFlags extends NodeFlags {
  readonly command?: string;
}

const FAILED = 1;

export async function verifyCommand(cli: Cli, agent_id: string, flags: VerifyFlags): Promise<number> {
  const { node, command } = flags;
  const reply = await patiently(cli, flags, {
    work: async (operations, context, progress) => {
      progress.stage(`verifying ${agent_id}: prompt, stream, cancel, error, JSON`);
      const options = { ...(node !== undefined && { node }), ...(command !== undefined && { command }) };
      return await operations.verify({ agent_id, ...options }, context);
    },
    interrupted: `Stopped waiting; the checks of ${agent_id} may go on for a while.`,
  });
  if (flags.json === true) cli.json(reply);
  else {
    cli.stdout.write(verification(reply, cli.stdout.colors));
    if (reply.passed && reply.cli_version !== undefined)
      cli.stderr.line(
        `Pin it with \`ccli agents update ${agent_id} --expected-version ${reply.cli_version}\`.`,
      );
  }
  return reply.passed ? 0 : FAILED;
}
