/** Settings of a CLI that do not go together, each told with what to write instead. */
import type { z } from 'zod';
import { PRESETS } from '../presets/table.ts';
import type { CliType } from './cli-type.ts';

interface Written {
  readonly agent_type: CliType;
  readonly driver?: 'acp' | 'headless' | undefined;
  readonly command?: string | undefined;
  readonly args: readonly string[];
  readonly model?: string | undefined;
  readonly models?: readonly string[] | undefined;
  readonly auth_method?: string | undefined;
  readonly modes: Readonly<Record<string, string | undefined>>;
  readonly home?: string | undefined;
  readonly env: Readonly<Record<string, string>>;
  readonly env_files: Readonly<Record<string, string>>;
  readonly exit_codes: Readonly<Record<string, unknown>>;
  readonly prompt?: 'stdin' | 'file' | undefined;
  readonly output?: 'text' | 'json' | undefined;
  readonly answer?: string | undefined;
  readonly answers?: string | undefined;
  readonly error?: string | undefined;
  readonly usage?: string | undefined;
}

type Complain = (setting: keyof Written, message: string) => void;

export function checkCli(agent: Written, context: z.RefinementCtx): void {
  const complain: Complain = (setting, message) => {
    context.addIssue({ code: 'custom', path: [setting], message });
  };
  const preset = PRESETS[agent.agent_type];
  const driver = agent.driver ?? preset?.driver ?? 'headless';
  const { command, model, models } = agent;
  if (preset === undefined && command === undefined)
    complain('command', `a ${agent.agent_type} agent needs one`);
  if (preset !== undefined && preset[driver] === undefined && command === undefined)
    complain(
      'driver',
      `${agent.agent_type} is not known to work by "${driver}"; leave it out, or name a command`,
    );
  if (model !== undefined && models !== undefined && !models.includes(model))
    complain('model', 'it is not one of `models`');
  if (agent.home !== undefined && agent.agent_type !== 'cli_gemini' && preset?.home?.variable === undefined)
    complain('home', 'this CLI cannot be told another one; set HOME in `env`');
  const twice = Object.keys(agent.env_files).find(name => Object.hasOwn(agent.env, name));
  if (twice !== undefined)
    complain('env_files', `${twice} stands in \`env\` as well; leave it in one of them`);
  const strange = Object.keys(agent.exit_codes).find(code => !/^\d{1,3}$/.test(code));
  if (strange !== undefined) complain('exit_codes', `"${strange}" is not an exit code, a number up to 255`);
  if (driver === 'acp') checkAcp(agent, complain);
  else checkPrint(agent, complain);
}

function checkAcp(agent: Written, complain: Complain): void {
  for (const setting of ['prompt', 'output', 'answer', 'answers', 'error', 'usage'] as const)
    if (agent[setting] !== undefined)
      complain(
        setting,
        'only for a CLI with a print mode, `driver: headless`; over ACP there is nothing to tell',
      );
  if (agent.args.some(arg => /\{(prompt|prompt_file|cwd)\}/.test(arg)))
    complain('args', 'over ACP, prompts and directories do not go by arguments');
}

function checkPrint(agent: Written, complain: Complain): void {
  const { args } = agent;
  const has = (placeholder: string): boolean => args.some(arg => arg.includes(placeholder));
  if (agent.auth_method !== undefined)
    complain('auth_method', 'only for a CLI that speaks ACP, `driver: acp`');
  if (Object.keys(agent.modes).length > 0) complain('modes', 'only for a CLI that speaks ACP, `driver: acp`');
  if (has('{prompt}'))
    complain(
      'args',
      'a prompt in an argument can be read by everybody on the host; use `prompt: stdin`, or `prompt: file` and {prompt_file}',
    );
  const headless = PRESETS[agent.agent_type]?.headless;
  if (headless !== undefined && 'built_in' in headless) {
    for (const setting of ['prompt', 'output', 'answer', 'answers', 'error', 'usage'] as const)
      if (agent[setting] !== undefined)
        complain(setting, `how ${agent.agent_type} prints is known; leave it out`);
    return;
  }
  if (agent.prompt === 'file' && !has('{prompt_file}'))
    complain('args', 'with `prompt: file`, one of them must name the file: {prompt_file}');
  if (agent.prompt !== 'file' && has('{prompt_file}'))
    complain('prompt', 'must be `file` for {prompt_file} to name one');
  if (has('{model}') && agent.model === undefined)
    complain('model', 'needed for tasks that name none, since {model} stands in `args`');
  if (agent.output === 'json' && agent.answer === undefined)
    complain('answer', 'with `output: json`, say where the answer is, such as "message.text"');
  if (agent.output !== 'json')
    for (const setting of ['answer', 'answers', 'error', 'usage'] as const)
      if (agent[setting] !== undefined) complain(setting, 'only with `output: json`');
}
