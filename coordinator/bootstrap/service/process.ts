/** A node-agent without a service manager: a process of its own session, and a file that says which. */
import { CcliError } from '../../../protocol/errors.ts';
import type { HostPaths } from '../paths.ts';
import { lastLines, quote, type Shell } from '../shell.ts';
import { DRAIN_MS, LAST_LINES, type Service, STOP_SLACK_MS } from './service.ts';

interface ProcessOptions {
  readonly paths: HostPaths;
  readonly drain_timeout_ms: number | undefined;
}

export function processService({ paths, drain_timeout_ms = DRAIN_MS }: ProcessOptions): Service {
  const pid_file = quote(`${paths.state}/node-agent.pid`);
  const log_file = `${paths.state}/node-agent.log`;
  // Its number and when it began: the number alone may be another process by now.
  const prelude = `born() { [ -r "/proc/$1/stat" ] && sed 's/^.*) //' "/proc/$1/stat" | awk '$1 != "Z" {print $20}'; }
lives() { pid=; start=; { read -r pid start <${pid_file}; } 2>/dev/null && [ -n "$start" ] && [ "$(born "$pid")" = "$start" ]; }`;

  const running = async (shell: Shell): Promise<boolean> => (await shell.ask(`${prelude}\nlives`)).code === 0;

  const lastWords = async (shell: Shell): Promise<string> =>
    lastLines((await shell.ask(`tail -n ${LAST_LINES} ${quote(log_file)}`)).stdout, LAST_LINES);

  const forget = async (shell: Shell): Promise<void> => {
    await shell.run(`rm -f ${pid_file} ${quote(log_file)}`);
  };

  return {
    kind: 'process',
    unit: `process of ${paths.state}/node-agent.pid`,
    warning:
      'Nothing starts this node-agent again when it ends or the host restarts: run `ccli bootstrap` then, or use a host where systemd runs.',
    running,
    lastWords,
    wrong: () => Promise.resolve([]),
    install: () => Promise.resolve(),
    async start(shell) {
      await shell.run(
        `${prelude}
if lives; then exit 0; fi
umask 077
cd ${quote(paths.home)}
: >${quote(log_file)}
setsid ${quote(paths.command)} node-agent --config ${quote(paths.config)} </dev/null >>${quote(log_file)} 2>&1 &
pid=$!
echo "$pid $(born "$pid")" >${pid_file}
# A program that cannot even start has ended by then.
sleep 0.5
lives || { tail -n 3 ${quote(log_file)} >&2; exit 1; }`,
      );
    },
    async stop(shell) {
      const limit_ms = drain_timeout_ms + STOP_SLACK_MS;
      const tenths = Math.ceil(limit_ms / 100);
      const result = await shell.ask(
        `${prelude}
lives || { rm -f ${pid_file}; exit 0; }
kill -TERM "$pid" || exit 1
n=0
while lives; do
  n=$((n + 1)); if [ "$n" -gt ${tenths} ]; then exit 5; fi
  sleep 0.1
done
rm -f ${pid_file}`,
        { timeout_ms: limit_ms * 2 },
      );
      if (result.code === 0) return;
      throw new CcliError(
        'remote_command_failed',
        result.code === 5
          ? `The node-agent on ${shell.host} has not ended ${Math.round(limit_ms / 1_000)} s after it was asked to; look at ${log_file} there.`
          : `The node-agent on ${shell.host} cannot be stopped: ${lastLines(result.stderr, 2)}`,
      );
    },
    forget,
    remove: forget,
  };
}
