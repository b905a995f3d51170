/** `ccli agents`: the list, and below it what an operator does with the registry. */
import { Argument, type Command, Option } from 'commander';
import { CcliError, ERRORS } from '../../../protocol/errors.ts';
import type { Action } from '../action.ts';
import {
  type NodeFlags,
  nodeOption,
  type RegisterFlags,
  type UpdateFlags,
  withRegisterOptions,
  withUpdateOptions,
} from '../agents/flags.ts';
import { updateRequest } from '../agents/requests.ts';
import { tellAgent } from '../agents/tell.ts';
import { CALLER, type Cli } from '../cli.ts';
import { type CommonFlags, parseName, quietOption, withFleetOptions } from '../options.ts';
import { agentTable } from '../render/agents.ts';
import { importCommand, registerCommand } from './agents-register.ts';
import { type TestFlags, testCommand } from './agents-test.ts';
import { type VerifyFlags, verifyCommand } from './agents-verify.ts';

const never = (): AbortSignal => new AbortController().signal;

export function addAgentCommands(program: Command, action: Action): void {
  const agents = withFleetOptions(
    program.command('agents').description('list the agents, or do one of the commands below'),
  )
    .helpCommand(false)
    // A word that is no command of ours deserves better than "too many arguments".
    .allowExcessArguments(true)
    .addHelpText(
      'after',
      `
Examples:
  ccli agents
  ccli agents --json | jq -r ".agents[] | select(.available) | .agent_id"
  ccli agents register walnut-gemini
  ccli agents register ash-llama3 --endpoint http://10.0.0.7:11434 --model llama3.1:8b
  ccli agents import --dry-run ollama-agents.yaml`,
    );
  agents.action(
    action((cli, flags: CommonFlags, command: Command) => {
      const [word] = command.args;
      if (word === undefined) return list(cli, flags);
      const known = agents.commands.map(child => child.name()).join(', ');
      throw new CcliError('invalid_request', `\`ccli agents\` has no command "${word}"; it has ${known}.`);
    }),
  );
  // The list's own flags stand on the same line, and are read there before the command below is known.
  const act = <F extends CommonFlags, A = string>(
    work: (cli: Cli, argument: A, flags: F) => Promise<number>,
  ) =>
    action((cli, argument: A, _own: F, command: Command) =>
      work(cli, argument, command.optsWithGlobals<F>()),
    );
  const command = (name: string, description: string, argument: Argument): Command =>
    withFleetOptions(agents.command(name).description(description).addArgument(argument));
  const one = (name: string, description: string): Command =>
    command(
      name,
      description,
      new Argument('<agent-id>', 'as `ccli agents` shows it').argParser(parseName),
    ).addOption(nodeOption());

  const register = command(
    'register',
    'let an agent take work, once its node has tried it',
    new Argument(
      '[agent-id]',
      'one that a node advertises; or, with --endpoint and --model, a new one',
    ).argParser(parseName),
  ).addHelpText(
    'after',
    `
Its node first tries whether it works; what does not is refused with the reason.
When repeated, these settings take the place of all registered before: one that is not named again goes back to the
file of its node. Only an agent that is disabled stays so, until \`ccli agents enable\` or \`enabled: true\` in --file.
\`ccli agents update\` changes one setting and leaves the others.

Examples:
  ccli agents register walnut-gemini
  ccli agents register ash-llama3 --endpoint http://10.0.0.7:11434 --model llama3.1:8b --specialty reasoning
  ccli agents register --file agents.yaml`,
  );
  withRegisterOptions(register)
    .addOption(quietOption())
    .action(act<RegisterFlags, string | undefined>(registerCommand));
  withUpdateOptions(one('update', 'change the settings of a registered agent'))
    .addHelpText(
      'after',
      `
Labels and specialties take the place of all that were set before.

Examples:
  ccli agents update walnut-gemini --priority 10 --expected-version 0.61.0
  ccli agents update walnut-gemini --reset priority`,
    )
    .action(
      act<UpdateFlags>((cli, agent_id, flags) =>
        update(cli, flags, 'updated', updateRequest(agent_id, flags)),
      ),
    );
  for (const [name, enabled, description] of [
    ['enable', true, 'give an agent work again'],
    ['disable', false, 'give an agent no more work; what it has goes on'],
  ] as const) {
    one(name, description)
      .addHelpText('after', `\nExamples:\n  ccli agents ${name} walnut-gemini`)
      .action(
        act<NodeFlags>((cli, agent_id, flags) =>
          enabled
            ? update(cli, flags, 'enabled', { agent_id, ...nodeOf(flags), enabled })
            : disable(cli, agent_id, flags),
        ),
      );
  }
  one('remove', 'take an agent out of the registry; what it has goes on')
    .addHelpText('after', '\nExamples:\n  ccli agents remove ash-llama3')
    .action(act<NodeFlags>(remove));
  command(
    'import',
    'register the Ollama agents of a list',
    new Argument('<file>', 'YAML or JSON; "-" is stdin'),
  )
    .addOption(nodeOption('the node that is to reach them; else one whose file permits the endpoint'))
    .addOption(new Option('--dry-run', 'only show what would be done'))
    .addOption(new Option('--no-canary', 'leave out the short prompt to each, which costs a model call'))
    .addOption(quietOption())
    .addHelpText(
      'after',
      `
Of each agent it takes id, endpoint, model, specialty and max_concurrent, and priority, labels, keep_alive and options
if there are any. It may be a list, a list under "agents", or a map from ids; url, host, port or name are
understood too.
Each gets a node whose file permits its endpoint (permit.ollama.endpoints). One that fails does not stop the others.
When repeated, what the list says takes the place of all settings registered before; only an agent that is disabled
stays so, unless the list says \`enabled: true\`.

Examples:
  ccli agents import --dry-run ollama-agents.yaml
  curl -s http://old-fleet/api/agents | ccli agents import -`,
    )
    .action(act(importCommand));
  one('test', 'look whether an agent could take a task now, with a short prompt to it')
    .addOption(new Option('--no-canary', 'leave out the short prompt, which costs a model call'))
    .addOption(quietOption())
    .addHelpText(
      'after',
      `
The exit code is 0 when all is well, else that of what was found.

Examples:
  ccli agents test walnut-gemini
  ccli agents test --no-canary --json walnut-gemini | jq .problem.code`,
    )
    .action(act<TestFlags>(testCommand));
  one('verify', 'try whether a CLI behaves: prompt, stream, cancel, error, JSON')
    .addOption(
      new Option(
        '--command <file>',
        "another executable, one of the `alternatives` that the node's file gives the agent",
      ),
    )
    .addOption(quietOption())
    .addHelpText(
      'after',
      `
It costs a few model calls, and ends with 1 when a check has failed. Run it with a new version before pinning that.

Examples:
  ccli agents verify walnut-gemini
  ccli agents verify walnut-gemini --command /opt/gemini-0.62/bin/gemini`,
    )
    .action(act<VerifyFlags>(verifyCommand));
  command(
    'registration',
    'show or switch whether agents may be registered, in the whole fleet',
    new Argument('<state>').choices(['on', 'off', 'status']),
  )
    .addHelpText('after', '\nExamples:\n  ccli agents registration off')
    .action(act(registration));
}

async function list(cli: Cli, flags: CommonFlags): Promise<number> {
  return await cli.withClient(flags, async ({ operations }) => {
    const reply = await operations.agents({}, { caller: CALLER, signal: never() });
    if (flags.json === true) cli.json(reply);
    else if (reply.agents.length === 0) cli.stderr.line(ERRORS.no_agents.says);
    else cli.stdout.write(agentTable(reply.agents, cli.stdout.colors));
    return 0;
  });
}

const nodeOf = ({ node }: NodeFlags) => ({ ...(node !== undefined && { node }) });

async function update(
  cli: Cli,
  flags: NodeFlags,
  done: string,
  request: ReturnType<typeof updateRequest>,
): Promise<number> {
  return await cli.withClient(flags, async ({ operations }) => {
    const reply = await operations.update(request, { caller: CALLER, signal: never() });
    if (flags.json === true) cli.json(reply);
    else tellAgent(cli, done, reply.agent);
    return 0;
  });
}

/** One that is not registered has nowhere to be disabled; and registering it would set it to work. */
async function disable(cli: Cli, agent_id: string, flags: NodeFlags): Promise<number> {
  const { node } = flags;
  try {
    return await update(cli, flags, 'disabled', { agent_id, ...nodeOf(flags), enabled: false });
  } catch (cause) {
    if (!(cause instanceof CcliError) || cause.code !== 'agent_not_registered') throw cause;
    const there = node === undefined ? '' : ` --node ${node}`;
    throw new CcliError(
      'agent_not_registered',
      `${agent_id} is in no registration that could say so; \`ccli agents register ${agent_id}${there} --disabled --no-canary\` registers it as disabled.`,
      { cause },
    );
  }
}

async function remove(cli: Cli, agent_id: string, flags: NodeFlags): Promise<number> {
  return await cli.withClient(flags, async ({ operations }) => {
    const request = { agent_id, ...nodeOf(flags) };
    const reply = await operations.remove(request, { caller: CALLER, signal: never() });
    if (flags.json === true) cli.json(reply);
    else cli.stdout.line(`removed ${agent_id} of ${reply.node} from the registry`);
    return 0;
  });
}

async function registration(cli: Cli, state: string, flags: CommonFlags): Promise<number> {
  return await cli.withClient(flags, async ({ operations }) => {
    const request = state === 'status' ? {} : { open: state === 'on' };
    const reply = await operations.registration(request, { caller: CALLER, signal: never() });
    if (flags.json === true) cli.json(reply);
    else
      cli.stdout.line(
        reply.open
          ? 'registration is on'
          : 'registration is off: no agent can be registered, those that are go on',
      );
    return 0;
  });
}
