/** Any CLI that reads a prompt from stdin and prints its answer: one process a task. */
import type { AgentType } from '../../../protocol/agent.ts';
import { empty } from '../../core/evidence.ts';
import { judgeExit } from '../../core/evidence-exit.ts';
import type { Driver } from '../driver.ts';
import { type DriverOptions, prepareLaunch, prepareTask, startModel } from '../launch.ts';
import { feed } from './feed.ts';

/** What makes each CLI print one answer and leave, when the agent names no arguments. */
const PRINT_MODE: Partial<Record<AgentType, readonly string[]>> = {
  cli_claude: ['-p'],
  cli_codex: ['exec', '-'],
  cli_opencode: ['run'],
};

export function createGenericDriver(options: DriverOptions): Driver {
  const { agent } = options;
  const fixedArgs = agent.args.length > 0 ? agent.args : (PRINT_MODE[agent.agent_type] ?? []);
  return {
    warm: false,
    async probe(signal) {
      signal.throwIfAborted();
      const launch = await prepareLaunch(options, agent.tool_policy);
      await launch.remove();
      const { executable } = launch;
      return {
        ...(executable.version !== undefined && { cli_version: executable.version }),
        node_version: executable.node.version,
        signed_in: 'unknown',
      };
    },
    async run(task, callbacks, signal) {
      const launch = await prepareTask(options, task.tool_policy);
      const model = task.model ?? startModel(agent);
      let has_text = false;
      try {
        const exit = await feed(
          {
            file: launch.executable.file,
            args: [
              ...launch.executable.args,
              ...fixedArgs.map(arg => arg.replaceAll('{model}', model ?? '')),
            ],
            cwd: launch.cwd,
            env: launch.env,
            onNotKilled: launch.onNotKilled,
            prompt: task.prompt,
            onActivity: callbacks.onActivity,
            onText: text => {
              has_text ||= text.trim() !== '';
              callbacks.onChunk(text);
            },
          },
          signal,
        );
        if (exit.code !== 0) throw judgeExit(exit);
        if (!isSet(has_text)) throw empty();
        return { completeness: 'unknown', warm: false, ...(model !== undefined && { model }) };
      } finally {
        await launch.remove();
      }
    },
    close: () => Promise.resolve(),
  };
}

/** Read through a call: the compiler cannot see that a callback has set it. */
const isSet = (flag: boolean): boolean => flag;
