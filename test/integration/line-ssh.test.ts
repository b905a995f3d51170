/** The node's end of a line, reached through a real sshd. */
import { expect, onTestFinished, test } from 'vitest';
import { createSsh } from '../../coordinator/ssh/client.ts';
import { SshClientSettingsSchema } from '../../coordinator/ssh/settings.ts';
import { createLog } from '../../protocol/daemon/log.ts';
import { type FromNode, FromNodeSchema } from '../../protocol/line.ts';
import { built } from '../support/built.ts';
import { lineHost } from '../support/line-host.ts';
import { runs } from '../support/running.ts';
import { testSshd } from '../support/sshd.ts';
import { waitFor } from '../support/wait.ts';

const signal = new AbortController().signal;

async function overSsh(file: string) {
  const sshd = await testSshd();
  const ssh = createSsh({
    settings: SshClientSettingsSchema.parse({ config_file: sshd.config_file }),
    environment: process.env,
    log: createLog({ level: 'silent', name: 'test' }),
  });
  onTestFinished(() => ssh.close());
  const program = built('node-agent/program.ts');
  const argv = [process.execPath, program, 'node-agent', 'exec', '--stdio', '--config', file];
  return async () => {
    const remote = await ssh.host(sshd.name).open({ argv }, signal);
    const said: FromNode[] = [];
    let rest = '';
    remote.stream.on('data', (bytes: Buffer) => {
      const lines = (rest + bytes.toString()).split('\n');
      rest = lines.pop() ?? '';
      said.push(...lines.map(line => FromNodeSchema.parse(JSON.parse(line))));
    });
    const hello = await waitFor(() => said.find(message => message.kind === 'hello'));
    return { remote, hello };
  };
}

test.each(['hung up', 'killed with all its processes'] as const)(
  'a line over SSH that is %s leaves what stands in, and the next one meets it again',
  async how => {
    const host = await lineHost();
    const open = await overSsh(host.file);
    const first = await open();
    const pid = await host.holder();
    expect(first.hello.role).toBe('stand_in');
    if (how === 'hung up') {
      first.remote.stream.end();
      expect(await first.remote.ended).toMatchObject({ code: 0 });
    } else await first.remote.kill();
    expect(pid !== undefined && runs(pid)).toBe(true);
    const second = await open();
    expect(second.hello.instance_id).toBe(first.hello.instance_id);
    second.remote.stream.end();
    await second.remote.ended;
  },
);
