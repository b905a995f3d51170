/** Processes of an installation that no service knows of. */
import type { HostPaths, HostUser } from '../paths.ts';
import { quote, type Shell } from '../shell.ts';

const LIMIT_MS = 60_000;

/** Such as one that stands in for the daemon while a coordinator has a line to it. */
export async function endLeftOver(shell: Shell, paths: HostPaths, { uid }: HostUser): Promise<void> {
  await shell.run(
    `# As a process shows it: without links.
place=$(cd -P ${quote(paths.versions)} 2>/dev/null && pwd -P) || exit 0
pkill -TERM -u ${uid} -f "node $place/" || exit 0
n=0
while pgrep -u ${uid} -f "node $place/" >/dev/null; do
  n=$((n + 1)); if [ "$n" -gt 400 ]; then pkill -KILL -u ${uid} -f "node $place/" || :; fi
  sleep 0.1
done`,
    { timeout_ms: LIMIT_MS },
  );
}
