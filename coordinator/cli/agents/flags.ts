/** Options of the commands below `ccli agents`. */
import { type Command, Option } from 'commander';
import { EndpointSchema, ModelSchema, SPECIALTIES, VersionRangeSchema } from '../../../protocol/agent.ts';
import { SSH_FALLBACKS, type SshFallback } from '../../../protocol/registration.ts';
import { type CommonFlags, parseInteger, parseName } from '../options.ts';
import {
  checked,
  type KeepAlive,
  keepAlive,
  type OllamaOptions,
  oneMore,
  oneMoreLabel,
  oneMoreOption,
} from './flag-values.ts';

type Specialty = (typeof SPECIALTIES)[number];

export interface NodeFlags extends CommonFlags {
  readonly node?: string;
}

export interface SettingFlags extends NodeFlags {
  readonly specialty?: Specialty[];
  readonly label?: Record<string, string>;
  readonly maxConcurrent?: number;
  readonly priority?: number;
  readonly expectedVersion?: string;
  readonly sshFallback?: SshFallback;
}

export interface RegisterFlags extends SettingFlags {
  readonly file?: string;
  readonly endpoint?: string;
  readonly model?: string;
  readonly keepAlive?: KeepAlive;
  readonly option?: OllamaOptions;
  readonly disabled?: true;
  readonly canary: boolean;
}

export interface UpdateFlags extends SettingFlags {
  readonly reset?: Resettable[];
}

/** As the wire calls them. */
const RESETTABLE = [
  'max_concurrent',
  'priority',
  'specialty',
  'labels',
  'expected_version',
  'ssh_fallback',
] as const;
type Resettable = (typeof RESETTABLE)[number];

export const nodeOption = (description = 'its node, when several have an agent of this id'): Option =>
  new Option('--node <node>', description).argParser(parseName);

function withSettings(command: Command, group: string): Command {
  const option = (flags: string, description: string): Option =>
    new Option(flags, description).helpGroup(group);
  return command
    .addOption(
      option('--specialty <specialty>', 'what it is for; may be repeated')
        .choices(SPECIALTIES)
        .argParser(oneMore(SPECIALTIES)),
    )
    .addOption(
      option('--label <name=value>', 'something tasks can ask for by `labels`; may be repeated').argParser(
        oneMoreLabel,
      ),
    )
    .addOption(
      option('--max-concurrent <n>', "slots; the node's own file sets the most").argParser(
        parseInteger(0, 256),
      ),
    )
    .addOption(
      option('--priority <n>', 'larger is chosen first, from -100 to 100').argParser(parseInteger(-100, 100)),
    )
    .addOption(
      option(
        '--expected-version <range>',
        'with a CLI of another version it takes no work, like ">=0.61 <0.62"',
      ).argParser(checked(VersionRangeSchema)),
    )
    .addOption(
      option(
        '--ssh-fallback <policy>',
        "whether tasks may reach it over SSH: off; on, while NATS does not reach its node; only; else the coordinator's file says",
      ).choices(SSH_FALLBACKS),
    );
}

export function withRegisterOptions(command: Command): Command {
  const ollama = (flags: string, description: string): Option =>
    new Option(flags, description).helpGroup('A new agent, of a model on an Ollama server:');
  return withSettings(command, 'Settings, in place of those of the file of its node:')
    .addOption(
      new Option(
        '--file <file>',
        'instead of an agent-id: one agent or a list, in YAML or JSON; "-" is stdin',
      ),
    )
    .addOption(nodeOption('its node, when several could be meant'))
    .addOption(new Option('--disabled', 'register it, but give it no work yet'))
    .addOption(new Option('--no-canary', 'leave out the short prompt, which costs a model call'))
    .addOption(
      ollama(
        '--endpoint <url>',
        'its server, like http://10.0.0.7:11434; the file of a node has to permit it',
      ).argParser(checked(EndpointSchema)),
    )
    .addOption(
      ollama('--model <model>', 'the model, as `ollama list` shows it').argParser(checked(ModelSchema)),
    )
    .addOption(
      ollama('--keep-alive <duration>', 'how long it stays in memory after a task, like 30m').argParser(
        keepAlive,
      ),
    )
    .addOption(
      ollama('--option <name=value>', 'passed on to Ollama, like num_ctx=8192; may be repeated').argParser(
        oneMoreOption,
      ),
    );
}

export function withUpdateOptions(command: Command): Command {
  return withSettings(command, 'What to change:').addOption(
    new Option(
      '--reset <field>',
      'give one back to the file of its node, or of the coordinator; may be repeated',
    )
      .choices(RESETTABLE)
      .argParser(oneMore(RESETTABLE))
      .helpGroup('What to change:'),
  );
}
