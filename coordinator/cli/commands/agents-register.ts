/** `ccli agents register` and `ccli agents import`. */
import { CcliError, ERRORS, toErrorBody } from '../../../protocol/errors.ts';
import { readEntries } from '../agents/entries.ts';
import type { NodeFlags, RegisterFlags } from '../agents/flags.ts';
import { patiently } from '../agents/patiently.ts';
import { type FleetNow, type Preview, preview } from '../agents/preview.ts';
import { type Registered, registerAll } from '../agents/register-all.ts';
import { registerRequest } from '../agents/requests.ts';
import { tellAgent } from '../agents/tell.ts';
import { type Wanted, wantedAgents } from '../agents/wanted.ts';
import { CALLER, type Cli } from '../cli.ts';
import { previewTable, registeredTable } from '../render/registry.ts';

interface ImportFlags extends NodeFlags {
  readonly dryRun?: true;
  readonly canary: boolean;
}

export async function registerCommand(
  cli: Cli,
  agent_id: string | undefined,
  flags: RegisterFlags,
): Promise<number> {
  if (flags.file !== undefined) {
    refuseBesideFile(agent_id, flags);
    const { node, canary } = flags;
    const entries = await readEntries(flags.file, cli.io.stdin);
    return await registerList(cli, wantedAgents(entries, { kind: 'definition', node, canary }), flags);
  }
  if (agent_id === undefined)
    throw new CcliError('invalid_request', 'Which agent is to be registered? Name its id, or a --file.');
  const request = registerRequest(agent_id, flags);
  const reply = await patiently(cli, flags, {
    work: async (operations, context, progress) => {
      progress.stage(`looking at ${agent_id} through its node${flags.canary ? ', with a short prompt' : ''}`);
      return await operations.register(request, context);
    },
    interrupted: `Stopped waiting; ${agent_id} may be registered all the same: \`ccli agents\` tells.`,
  });
  if (flags.json === true) cli.json(reply);
  else tellAgent(cli, 'registered', reply.agent);
  return 0;
}

/** The file says it all, but for the node and the canary. */
function refuseBesideFile(agent_id: string | undefined, flags: RegisterFlags): void {
  const { endpoint, model, keepAlive, option, specialty, label, maxConcurrent, priority, expectedVersion } =
    flags;
  const given = [endpoint, model, keepAlive, option, specialty, label, maxConcurrent, priority];
  if (
    agent_id === undefined &&
    flags.disabled === undefined &&
    [...given, expectedVersion].every(flag => flag === undefined)
  )
    return;
  throw new CcliError(
    'invalid_request',
    'With --file the agents and their settings stand in the file; only --node and --no-canary can be added.',
  );
}

export async function importCommand(cli: Cli, file: string, flags: ImportFlags): Promise<number> {
  const { node, canary } = flags;
  const entries = await readEntries(file, cli.io.stdin);
  const wanted = wantedAgents(entries, { kind: 'list', node, canary });
  if (flags.dryRun === true) return await showPreview(cli, wanted, flags);
  return await registerList(cli, wanted, flags);
}

async function registerList(cli: Cli, wanted: readonly Wanted[], flags: NodeFlags): Promise<number> {
  const results = await patiently(cli, flags, {
    work: (operations, context, progress) => registerAll(operations, wanted, { ...context, progress }),
    interrupted: 'Stopped; `ccli agents` shows how far it came. It can be repeated.',
  });
  if (flags.json === true) cli.json({ results: results.map(forPrograms) });
  else cli.stdout.write(registeredTable(results, cli.stdout.colors));
  const failed = results.filter(({ outcome }) => outcome !== 'registered').length;
  if (failed > 0 && flags.json !== true)
    cli.stderr.line(`${failed} of ${results.length} agents were not registered; mend that and repeat.`);
  return exitCode(results);
}

async function showPreview(cli: Cli, wanted: readonly Wanted[], flags: ImportFlags): Promise<number> {
  let fleet: FleetNow | undefined;
  try {
    fleet = await cli.withClient(flags, async ({ operations }) => {
      const context = { caller: CALLER, signal: new AbortController().signal };
      const [{ agents }, { nodes }, { registration }] = await Promise.all([
        operations.agents({}, context),
        operations.nodes({}, context),
        operations.status({}, context),
      ]);
      return { agents, nodes, open: registration === 'open' };
    });
  } catch (error) {
    // A list can be looked through without a fleet.
    if (!(error instanceof CcliError) || ERRORS[error.code].exit !== UNREACHED) throw error;
    if (flags.json !== true)
      cli.stderr.line(`The fleet was not asked, only the file was looked at. ${error.message}`);
  }
  const previews = preview(wanted, fleet);
  if (flags.json === true) cli.json({ results: previews.map(forPrograms) });
  else cli.stdout.write(previewTable(previews, cli.stdout.colors));
  return exitCode(previews);
}

const UNREACHED = 4;

const forPrograms = (result: Registered | Preview) =>
  'error' in result ? { ...result, error: toErrorBody(result.error) } : result;

/** That of the failures, when they have one in common; that of an interruption goes before all. */
function exitCode(results: readonly (Registered | Preview)[]): number {
  const codes = new Set(
    results.flatMap(result => ('error' in result ? [ERRORS[result.error.code].exit] : [])),
  );
  if (codes.has(ERRORS.cancelled.exit)) return ERRORS.cancelled.exit;
  const [only, ...others] = codes;
  return only === undefined ? 0 : others.length === 0 ? only : 1;
}
