import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { CcliError, ERRORS } from '../../../protocol/errors.ts';
import { names } from '../../../protocol/subjects.ts';
import type { Fleet, FleetOptions } from '../../embedded/fleet.ts';
import { defaultStateDir } from '../../embedded/runtime-file.ts';
import type { Action } from '../action.ts';
import type { Cli } from '../cli.ts';
import { openClient } from '../client.ts';
import { type FleetAddress, withCredentials } from '../discovery.ts';
import { type Interrupts, takeInterrupts } from '../interrupts.ts';
import { startOrJoin } from '../join-fleet.ts';
import {
  jsonOption,
  natsOption,
  type PromptFlags,
  parseInteger,
  quietOption,
  taskOptions,
  withPromptOptions,
} from '../options.ts';
import type { Progress } from '../progress.ts';
import { readPrompt, withPromptArguments } from '../prompt.ts';
import { runPrompt } from '../run-prompt.ts';

interface UpFlags extends PromptFlags {
  readonly port?: number;
  readonly config?: string;
  readonly ollama?: string[];
  /** False with `--no-http`. */
  readonly http?: boolean;
  readonly httpPort?: number;
}

export function addUp(program: Command, action: Action): void {
  const up = withPromptArguments(
    program.command('up').description('start a fleet on this machine: NATS, coordinator and node-agent'),
    'run this and stop the fleet again; "-" reads stdin',
  )
    .addOption(new Option('--state <dir>', 'where the fleet keeps its state'))
    .addOption(
      new Option('--port <n>', 'port for NATS (default: 4222, or a free one)').argParser(
        parseInteger(1, 65_535),
      ),
    )
    .addOption(
      new Option('--http-port <n>', 'port for HTTP (default: 8000, or a free one)').argParser(
        parseInteger(1, 65_535),
      ),
    )
    .addOption(new Option('--no-http', 'serve no HTTP'))
    .addOption(natsOption('use this NATS server instead of starting one'))
    .addOption(new Option('--config <file>', 'configuration of the node-agent'))
    .addOption(
      new Option(
        '--ollama <url>',
        "an Ollama server to register agents on, besides this machine's; remembered for later starts; may be repeated",
      ).argParser((url, before: readonly string[] | undefined) => [...(before ?? []), url]),
    )
    .addHelpText(
      'after',
      `
Without GEMINI_API_KEY a built-in demo model answers, and a line says so.
Without a prompt the fleet stays up until Ctrl-C.

Examples:
  ccli up "What is 2+2?"
  ccli up --state ./fleet --port 4222
  ccli up --ollama http://10.0.0.7:11434`,
    );
  withPromptOptions(up).addOption(jsonOption()).addOption(quietOption()).action(action(upCommand));
}

async function upCommand(
  cli: Cli,
  argument: string | undefined,
  dash: true | undefined,
  flags: UpFlags,
): Promise<number> {
  const prompt =
    argument === undefined
      ? undefined
      : await readPrompt({ prompt: argument, appendStdin: dash === true }, cli.io.stdin);
  const progress = cli.progress(flags);
  const interrupts = takeInterrupts(cli.io);
  try {
    if (prompt === undefined) return await stay(cli, flags, progress, interrupts);
    return await once(cli, prompt, flags, progress, interrupts);
  } finally {
    progress.pause();
    interrupts.release();
  }
}

/** A fleet that is gone after one prompt serves nobody else, unless somebody wants that. */
function httpOf({ http, httpPort }: UpFlags, prompt?: string): Pick<FleetOptions, 'http'> {
  if (http === false) return { http: 'off' };
  if (httpPort !== undefined) return { http: httpPort };
  return prompt === undefined ? {} : { http: 'off' };
}

const stateDir = (cli: Cli, flags: UpFlags): string =>
  flags.state === undefined ? defaultStateDir(cli.io.environment) : resolve(flags.state);

async function start(
  cli: Cli,
  flags: UpFlags,
  progress: Progress,
  interrupts: Interrupts,
  prompt?: string,
): Promise<Fleet> {
  const fleet = await cli.io.startFleet({
    state_dir: stateDir(cli, flags),
    environment: cli.io.environment,
    signal: interrupts.first,
    onStage: text => {
      progress.stage(text);
    },
    ...(flags.port !== undefined && { port: flags.port }),
    ...httpOf(flags, prompt),
    ...(flags.nats !== undefined && { nats_url: flags.nats }),
    ...(flags.config !== undefined && { config_file: resolve(flags.config) }),
    ...(flags.ollama !== undefined && { ollama: flags.ollama }),
  });
  if (fleet.warning !== undefined) progress.note(fleet.warning);
  for (const sentence of fleet.unusable ?? []) progress.note(sentence);
  if (fleet.demo) progress.note('GEMINI_API_KEY is not set: a built-in demo model answers.');
  return fleet;
}

/** A fleet for one prompt; or, when one is up in the state directory already, that one. */
async function once(
  cli: Cli,
  prompt: string,
  flags: UpFlags,
  progress: Progress,
  interrupts: Interrupts,
): Promise<number> {
  let fleet: Fleet | undefined;
  try {
    let address: FleetAddress;
    try {
      const found = await startOrJoin({
        start: () => start(cli, flags, progress, interrupts, prompt),
        state_dir: stateDir(cli, flags),
        environment: cli.io.environment,
        progress,
        signal: interrupts.first,
      });
      if ('nats_url' in found) {
        fleet = found;
        address = { nats: { url: found.nats_url }, prefix: found.prefix };
      } else {
        refuseStartFlags(cli, flags);
        address = found;
        progress.stage('using the fleet that is up already');
      }
    } catch (error) {
      if (interrupts.first.aborted) throw new CcliError('cancelled', 'Interrupted; nothing was submitted.');
      throw error;
    }
    if (interrupts.first.aborted) throw new CcliError('cancelled', 'Interrupted; nothing was submitted.');
    const client = await openClient(withCredentials(address, cli.io.environment));
    try {
      const running = runPrompt(cli, client, {
        prompt,
        options: taskOptions(flags),
        json: flags.json === true,
        progress,
        interrupts,
      });
      return await unlessEnded(running, fleet);
    } finally {
      await client.close();
    }
  } finally {
    await fleet?.stop();
  }
}

/** @throws CcliError `state_in_use` when a flag says how a fleet is to be started that is up already. */
function refuseStartFlags(cli: Cli, flags: UpFlags): void {
  const given = (
    [
      ['config', flags.config],
      ['nats', flags.nats],
      ['ollama', flags.ollama],
      ['port', flags.port],
      ['http-port', flags.httpPort],
    ] as const
  ).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`]));
  if (given.length === 0) return;
  const names = given.join(' and ');
  throw new CcliError(
    'state_in_use',
    `A fleet is up in ${stateDir(cli, flags)} already, so ${names} cannot apply. Leave ${given.length > 1 ? 'them' : 'it'} out, stop that fleet first, or start another beside it with --state DIR.`,
  );
}

async function stay(cli: Cli, flags: UpFlags, progress: Progress, interrupts: Interrupts): Promise<number> {
  let fleet: Fleet;
  try {
    fleet = await start(cli, flags, progress, interrupts);
  } catch (error) {
    if (!interrupts.first.aborted) throw error;
    throw new CcliError('cancelled', 'Interrupted; the fleet was not up yet, and nothing of it is left.');
  }
  const up = !interrupts.first.aborted;
  try {
    if (up) {
      progress.pause();
      if (flags.json === true) {
        const { nats_url, http_url, prefix, node, demo } = fleet;
        cli.json({ state_dir: stateDir(cli, flags), nats_url, http_url, prefix, node, demo });
      } else {
        cli.stdout.write(howToTalk(cli, flags, fleet));
      }
      const interrupted = new Promise<void>(settle => {
        interrupts.first.addEventListener('abort', () => {
          settle();
        });
      });
      await unlessEnded(interrupted, fleet);
    }
    progress.stage('stopping…');
    return up ? 0 : ERRORS.cancelled.exit;
  } finally {
    await fleet.stop();
  }
}

/** A fleet that lost one of its parts by itself is of no more use. */
async function unlessEnded<T>(work: Promise<T>, fleet: Fleet | undefined): Promise<T> {
  if (fleet === undefined) return await work;
  const ended = fleet.ended.then(reason => {
    throw reason;
  });
  return await Promise.race([work, ended]);
}

function howToTalk(cli: Cli, flags: UpFlags, fleet: Fleet): string {
  const { bold, dim } = cli.stdout.colors;
  const { prefix } = names(fleet.prefix);
  // `npm start` knows no `ccli` on the path.
  const ccli = cli.io.environment['npm_lifecycle_event'] === undefined ? 'ccli' : 'npx ccli';
  const state = flags.state === undefined ? '' : ` --state ${quoted(flags.state)}`;
  const nats = `nats -s ${fleet.nats_url}`;
  return `${bold(`The fleet is up: node ${fleet.node}, NATS at ${fleet.nats_url}`)}

  ${ccli} run${state} "What is 2+2?"
  ${ccli} agents${state}
  ${nats} req ${prefix}.task.run '{"prompt":"What is 2+2?"}' --timeout 60s
  ${nats} micro ls
${fleet.http_url === undefined ? '' : howToCall(fleet.http_url)}
${dim('Ctrl-C stops it.')}
`;
}

const howToCall = (url: string): string => `
  ${url}/docs  ${url}/v1 for clients of OpenAI  ${url}/mcp for clients of MCP
  curl -X POST ${url}/api/tasks -H 'Content-Type: application/json' -d '{"prompt":"What is 2+2?","wait":true}'
`;

const quoted = (text: string): string =>
  /^[\w./~-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
