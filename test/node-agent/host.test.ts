import { chmod, writeFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { gpuMemoryOf, isHere, parseGpus, readHost } from '../../node-agent/host.ts';
import { HostStatusSchema } from '../../protocol/advert.ts';
import { temporaryDirectory } from '../support/temporary-directory.ts';

const MIB = 1024 * 1024;
const gpu = (name: string, total: number, used: number, percent: number) => ({
  name,
  memory_total_bytes: total * MIB,
  memory_used_bytes: used * MIB,
  utilization_percent: percent,
});

describe('what nvidia-smi prints', () => {
  test.each([
    ['nothing', '', []],
    [
      'one card',
      'NVIDIA A100-SXM4-80GB, 81920, 1024, 37\n',
      [gpu('NVIDIA A100-SXM4-80GB', 81_920, 1_024, 37)],
    ],
    [
      'two cards',
      'NVIDIA H100, 81559, 0, 0\r\nNVIDIA H100, 81559, 81559, 100\r\n',
      [gpu('NVIDIA H100', 81_559, 0, 0), gpu('NVIDIA H100', 81_559, 81_559, 100)],
    ],
    ['a card that tells little', 'NVIDIA GB10, [N/A], [N/A], [N/A]\n', [gpu('NVIDIA GB10', 0, 0, 0)]],
    ['a name with a comma', 'Tesla T4, rev 2, 16384, 10, 5\n', [gpu('Tesla T4, rev 2', 16_384, 10, 5)]],
    ['figures out of range', 'Odd, -5, 10, 400\n', [gpu('Odd', 0, 10, 100)]],
    [
      'a warning below the cards',
      'NVIDIA A100, 81920, 1, 2\nWARNING: infoROM is corrupted at gpu 0000:02:00.0\n\n',
      [gpu('NVIDIA A100', 81_920, 1, 2)],
    ],
    ['a message in place of cards', 'No devices were found\n', []],
  ])('of %s', (_what, csv, expected) => {
    expect(parseGpus(csv)).toEqual(expected);
  });

  test('always fits an advert', () => {
    const [odd] = parseGpus(`${'x'.repeat(400)}, 1.3, 0.1, 12.5`);
    expect(HostStatusSchema.shape.gpus.safeParse([odd]).success).toBe(true);
  });
});

describe('the host as an advert shows it', () => {
  test('has processors, load and memory, and no GPUs where there is no nvidia-smi', async () => {
    const host = HostStatusSchema.parse(await readHost(await temporaryDirectory()));
    expect(host.gpus).toEqual([]);
    expect(host.memory_available_bytes).toBeLessThanOrEqual(host.memory_total_bytes);
  });

  test.each([
    ['cat <<EOF\nNVIDIA A100, 81920, 1024, 37\nEOF', [gpu('NVIDIA A100', 81_920, 1_024, 37)]],
    ['echo "NVIDIA-SMI has failed"; exit 9', []],
  ])('has the GPUs that nvidia-smi on PATH tells of (%#)', async (script, gpus) => {
    const directory = await temporaryDirectory();
    const file = join(directory, 'nvidia-smi');
    await writeFile(file, `#!/bin/sh\n${script}\n`);
    await chmod(file, 0o755);
    expect((await readHost(`${directory}:/usr/bin:/bin`)).gpus).toEqual(gpus);
  });
});

describe('the memory of all GPUs together', () => {
  test('is the sum of what they have, and of what is free', () => {
    expect(gpuMemoryOf({ gpus: [gpu('a', 10, 4, 0), gpu('b', 20, 20, 0), gpu('odd', 1, 3, 0)] })).toEqual({
      total_bytes: 31 * MIB,
      free_bytes: 6 * MIB,
    });
  });

  test('is unknown on a host that tells of none', () => {
    expect(gpuMemoryOf({ gpus: [] })).toBeUndefined();
  });
});

describe('an endpoint', () => {
  const own = Object.values(networkInterfaces()).flatMap(
    all => all?.filter(({ family }) => family === 'IPv4').map(({ address }) => address) ?? [],
  );

  test.each(['localhost', '127.0.0.1', '127.1.2.3', '[::1]', ...own])('at %s is here', name => {
    expect(isHere(`http://${name}:11434`)).toBe(true);
  });

  test.each(['192.0.2.1', 'gpu-7.example.org', '[2001:db8::1]'])('at %s is elsewhere', name => {
    expect(isHere(`http://${name}:11434/ollama`)).toBe(false);
  });
});
