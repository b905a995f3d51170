/** What keeps the node-agent running. */
import type { Work } from '../site.ts';
import type { Step } from '../step.ts';

export function serviceStep(work: Work): Step {
  const { service, shell, record, progress, watcher } = work;
  return {
    name: 'service',
    async look() {
      const wrong = await service.wrong(shell);
      if (wrong.length > 0) return { would: wrong.join(', ') };
      if (record.now.service === service.kind) return { right: service.unit };
      return { would: `run it as ${service.unit}` };
    },
    async act() {
      if (service.warning !== undefined) watcher.note(service.warning);
      await record.update({ service: service.kind });
      await service.install(work);
      progress.restart.push('its service changed');
      return service.unit;
    },
  };
}
