/** The desired state of this node as it was last sent, kept through a restart. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { NameSchema } from '../protocol/agent.ts';
import { decode, WIRE_VERSION } from '../protocol/codec.ts';
import { FleetIdSchema } from '../protocol/control.ts';
import { AgentDefinitionSchema } from '../protocol/registration.ts';
import { replaceDurably } from './durable-file.ts';

const DesiredSchema = z.object({
  v: z.int().positive(),
  fleet_id: FleetIdSchema,
  revision: z.int().positive(),
  agents: z.record(NameSchema, AgentDefinitionSchema),
});
export type Desired = Omit<z.infer<typeof DesiredSchema>, 'v'>;

export interface DesiredFile {
  /**
   * Undefined when there is none.
   *
   * @throws CcliError `unsupported_version`, `invalid_request`, `message_too_large`; whatever reading it fails with
   */
  load(): Promise<Desired | undefined>;
  save(desired: Desired): Promise<void>;
}

export function createDesiredFile(state_dir: string): DesiredFile {
  const file = join(state_dir, 'desired.json');
  return {
    async load() {
      try {
        return decode(DesiredSchema, await readFile(file));
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw error;
      }
    },
    save: desired => replaceDurably(file, `${JSON.stringify({ v: WIRE_VERSION, ...desired })}\n`),
  };
}
