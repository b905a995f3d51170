/** The host as an advert shows it: load, memory, and GPUs where `nvidia-smi` tells of them. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { availableParallelism, freemem, hostname, loadavg, networkInterfaces, totalmem } from 'node:os';
import { promisify } from 'node:util';
import type { Gpu, HostStatus } from '../protocol/advert.ts';
import type { AgentStatus } from '../protocol/agent.ts';

type GpuMemory = NonNullable<AgentStatus['gpu_memory']>;

const execFileAsync = promisify(execFile);

const NVIDIA_SMI = [
  '--query-gpu=name,memory.total,memory.used,utilization.gpu',
  '--format=csv,noheader,nounits',
];
const NVIDIA_TIMEOUT_MS = 5_000;
const MIB = 1024 * 1024;

/** `path` is where to look for `nvidia-smi`; a host without one has no GPUs to tell of. */
export async function readHost(path: string | undefined): Promise<HostStatus> {
  return {
    cpus: availableParallelism(),
    load_1m: loadavg()[0] ?? 0,
    memory_total_bytes: totalmem(),
    memory_available_bytes: await availableMemory(),
    gpus: await readGpus(path),
  };
}

/** `MemAvailable` counts the page cache as free, which `freemem` does not. */
async function availableMemory(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8').catch(() => '');
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1];
  return kib === undefined ? freemem() : Number(kib) * 1024;
}

async function readGpus(path: string | undefined): Promise<Gpu[]> {
  try {
    const options = { timeout: NVIDIA_TIMEOUT_MS, env: { PATH: path } };
    const { stdout } = await execFileAsync('nvidia-smi', NVIDIA_SMI, options);
    return parseGpus(stdout);
  } catch {
    // No driver, no card, or a driver that hangs: nothing to advertise, and no reason to stop serving.
    return [];
  }
}

/**
 * Lines of `name, MiB, MiB, percent`; a figure the card does not tell (`[N/A]`) counts as 0. Other lines are warnings
 * that nvidia-smi prints among them.
 */
export function parseGpus(csv: string): Gpu[] {
  const rows = csv.split('\n').map(line => line.split(',').map(cell => cell.trim()));
  return rows
    .filter(cells => cells.length >= 4)
    .map(cells => {
      const number = (cell: string | undefined): number => Math.max(0, Number(cell) || 0);
      return {
        name: cells.slice(0, -3).join(', ').slice(0, 255),
        memory_total_bytes: Math.round(number(cells.at(-3)) * MIB),
        memory_used_bytes: Math.round(number(cells.at(-2)) * MIB),
        utilization_percent: Math.min(100, number(cells.at(-1))),
      };
    });
}

/** Of all GPUs together; undefined on a host that tells of none. */
export function gpuMemoryOf({ gpus }: Pick<HostStatus, 'gpus'>): GpuMemory | undefined {
  if (gpus.length === 0) return undefined;
  const sum = (of: (gpu: Gpu) => number): number => gpus.reduce((total, gpu) => total + of(gpu), 0);
  return {
    total_bytes: sum(gpu => gpu.memory_total_bytes),
    free_bytes: sum(gpu => Math.max(gpu.memory_total_bytes - gpu.memory_used_bytes, 0)),
  };
}

/** Whether what listens there runs on this host, as far as its address tells without asking anybody. */
export function isHere(endpoint: string): boolean {
  const name = new URL(endpoint).hostname.replace(/^\[|\]$/g, '');
  if (name === 'localhost' || name === '::1' || name.startsWith('127.')) return true;
  if (name === hostname().toLowerCase()) return true;
  return Object.values(networkInterfaces()).some(addresses =>
    addresses?.some(({ address }) => address === name),
  );
}
