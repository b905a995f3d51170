/** The presets' documentation says what the table says, and its example can be used. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadNodeConfig } from '../../node-agent/config.ts';
import { PRESETS } from '../../node-agent/presets/table.ts';
import { root } from '../support/built.ts';

const text = readFileSync(join(root, 'deploy/agents.md'), 'utf8');

test('each preset is documented as it is: its commands, what installs them, how far it was tried', () => {
  for (const [type, preset] of Object.entries(PRESETS)) {
    expect(text).toContain(`### ${type}`);
    for (const driver of ['acp', 'headless'] as const) {
      const [program, verified] = [preset[driver], preset.verified[driver]];
      if (program === undefined || verified === undefined) continue;
      expect(text).toContain(`| \`${driver}\` | \`${program.command}\` |`);
      expect(text.replaceAll('\\|', '|')).toContain(program.install);
      expect(text).toContain(`${verified.level}, ${verified.version} |`);
    }
    for (const name of preset.sign_in.env) expect(text).toContain(name);
  }
});

test('the example for other CLIs is a valid configuration', () => {
  const { agents } = loadNodeConfig(join(root, 'deploy/examples/clis.yaml'), {});
  expect(agents.map(({ agent_type, driver }) => `${agent_type} ${driver}`)).toEqual([
    'cli_claude acp',
    'cli_codex acp',
    'cli_qwen acp',
    'cli_antigravity headless',
    'cli_generic acp',
    'cli_generic headless',
    'cli_generic headless',
  ]);
});
