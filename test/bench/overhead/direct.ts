/** The limit of a warm prompt: the same CLI process, driven over ACP by the SDK alone, with a session ready. */
import { Readable, Writable } from 'node:stream';
import { client, methods, ndJsonStream, PROTOCOL_VERSION } from '@agentclientprotocol/sdk';
import { acpArguments, heapCapArgument } from '../../../node-agent/drivers/acp/arguments.ts';
import { type DriverOptions, prepareLaunch, startModel } from '../../../node-agent/drivers/launch.ts';
import { spawnTool } from '../../../node-agent/process/spawn.ts';
import { makeWorkspace } from '../../../node-agent/process/workspace.ts';
import type { Lifecycle } from '../../../protocol/daemon/lifecycle.ts';
import { CcliError } from '../../../protocol/errors.ts';
import { ANSWER, PROMPT } from './model.ts';
import type { Timing } from './timing.ts';

interface DirectCli {
  /** Uses up the session that is ready, and makes the next one after the clock has stopped. */
  prompt(): Promise<Timing>;
  stop(): Promise<void>;
}

interface DirectOptions {
  readonly launch: DriverOptions;
  readonly lifecycle: Lifecycle;
  /** Ends the CLI, and with it whatever it is asked. */
  readonly signal: AbortSignal;
}

export async function startDirect({ launch: options, lifecycle, signal }: DirectOptions): Promise<DirectCli> {
  const { agent, config } = options;
  const launch = await prepareLaunch(options, agent.tool_policy);
  lifecycle.defer('home of the direct CLI', () => launch.remove());
  const { path: cwd } = await makeWorkspace(agent, config.state_dir);
  const tool = await spawnTool({
    file: launch.executable.file,
    args: [
      ...[heapCapArgument(agent), ...launch.executable.args],
      ...acpArguments(agent, { model: startModel(agent), policy: agent.tool_policy }),
      ...(launch.home?.args ?? []),
    ],
    cwd,
    env: launch.env,
  });
  lifecycle.defer('the direct CLI', () => tool.stop());
  signal.addEventListener('abort', () => void tool.stop());
  signal.throwIfAborted();

  let onText = (_text: string): void => undefined;
  const rpc = client({ name: 'bench' })
    .onNotification(methods.client.session.update, ({ params: { update } }) => {
      if (update.sessionUpdate === 'agent_message_chunk' && update.content.type === 'text')
        onText(update.content.text);
    })
    .connect(ndJsonStream(Writable.toWeb(tool.stdin), Readable.toWeb(tool.stdout)));
  void tool.ended.then(() => {
    rpc.close();
  });
  await rpc.agent.request('initialize', { protocolVersion: PROTOCOL_VERSION, clientCapabilities: {} });

  const openSession = async (): Promise<string> => {
    const workspace = await makeWorkspace(agent, config.state_dir);
    const { sessionId } = await rpc.agent.request('session/new', { cwd: workspace.path, mcpServers: [] });
    return sessionId;
  };
  let ready = await openSession();

  return {
    async prompt() {
      let text = '';
      let first_chunk_ms: number | undefined;
      const began = performance.now();
      onText = chunk => {
        first_chunk_ms ??= performance.now() - began;
        text += chunk;
      };
      await rpc.agent.request('session/prompt', {
        sessionId: ready,
        prompt: [{ type: 'text', text: PROMPT }],
      });
      const end_ms = performance.now() - began;
      if (text !== ANSWER || first_chunk_ms === undefined)
        throw new CcliError('internal', `The direct CLI answered "${text.slice(0, 200)}".`);
      ready = await openSession();
      return { first_chunk_ms, end_ms };
    },
    stop: () => tool.stop(),
  };
}
