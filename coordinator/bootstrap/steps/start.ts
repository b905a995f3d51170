/** The daemon: started, or started anew once when something it reads has changed. */
import { CcliError } from '../../../protocol/errors.ts';
import { findNode } from '../fleet-door.ts';
import { endLeftOver } from '../service/left-over.ts';
import type { Service } from '../service/service.ts';
import type { Shell } from '../shell.ts';
import type { Work } from '../site.ts';
import type { Step } from '../step.ts';

export function startStep(work: Work): Step {
  const { service, shell, progress, changes, fleet, node, signal } = work;
  return {
    name: 'start',
    async look() {
      const running = await service.running(shell);
      if (!running) return { would: 'start the node-agent' };
      if (progress.restart.length === 0) return { right: 'it runs' };
      return { would: `start the node-agent anew: ${progress.restart.join(', ')}` };
    },
    async act() {
      const ran = await service.running(shell);
      // Who spoke under this name before does not count as the first advert of what is started now.
      const before = (await findNode(fleet, node, signal))?.instance_id;
      if (ran) {
        changes.noteLast('the node-agent as it ran before', async again => {
          await service.start(again);
        });
      }
      changes.note('the node-agent that was started', async again => {
        await service.stop(again);
        // One that was cut off before anybody had written down which process it is.
        await endLeftOver(again, work.paths, work.user);
        if (!ran) await service.forget(again);
      });
      if (ran) {
        work.watcher.progress('stopping it: running tasks finish, or are handed back');
        await service.stop(shell);
      }
      progress.started = { before };
      await started(service, shell);
      return ran ? 'started anew' : 'started';
    },
  };
}

async function started(service: Service, shell: Shell): Promise<void> {
  try {
    await service.start(shell);
  } catch (error) {
    if (!(error instanceof CcliError) || error.code !== 'remote_command_failed') throw error;
    throw await withLastWords(
      service,
      shell,
      new CcliError('bootstrap_failed', error.message, { cause: error }),
    );
  }
}

/** The same error, with what the daemon said last as its cause. */
export async function withLastWords(service: Service, shell: Shell, error: CcliError): Promise<CcliError> {
  const words = await service.lastWords(shell).catch(() => '');
  if (words === '') return error;
  return new CcliError(error.code, error.message, { cause: new Error(`it said last:\n${words}`) });
}
