/** What the figures were measured on. */
import { cpus, loadavg } from 'node:os';

export interface Machine {
  readonly cpus: number;
  readonly cpu: string;
  /** Before the benchmark added its own: well above nothing, and the figures say more about others. */
  readonly load_1m: number;
  readonly node: string;
  readonly nats_server: string;
  readonly gemini: string;
}

export const describeMachine = (
  versions: Pick<Machine, 'nats_server' | 'gemini'>,
  load_1m: number,
): Machine => ({
  cpus: cpus().length,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  load_1m,
  node: process.version,
  ...versions,
});

export const currentLoad = (): number => loadavg()[0] ?? 0;

export const renderMachine = (machine: Machine): string =>
  `${machine.cpus} cpus (${machine.cpu}), load ${machine.load_1m.toFixed(1)} at start, node ${machine.node}, ` +
  `nats-server ${machine.nats_server}, gemini ${machine.gemini}\n`;
