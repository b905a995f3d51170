/** What can be set about SSH: in the `ssh` section of a coordinator's file, and by the flags of `ccli`. */
import { z } from 'zod';
import { NameSchema } from '../../protocol/agent.ts';
import { PathSchema } from '../../protocol/daemon/settings.ts';
import { DurationSchema } from '../../protocol/quantity.ts';
import { SshFallbackSchema } from '../../protocol/registration.ts';

/** What `ssh NAME` takes; never an option. */
const HostNameSchema = z
  .string()
  .max(255)
  .regex(/^[A-Za-z0-9_][\w.@:[\]%-]*$/, 'a host as `ssh` takes it');

const HostSchema = z.strictObject({
  host: HostNameSchema,
  fallback: SshFallbackSchema.default('on'),
  /** What to run there, when ccli is not where `ccli bootstrap` puts it. */
  command: z.array(z.string().min(1).max(4_096)).min(1).max(32).optional(),
});

export const sshShape = {
  /** In place of ~/.ssh/config. */
  config_file: PathSchema.optional(),
  /** Before those that the configuration names. */
  identity_files: z.array(PathSchema).max(16).default([]),
  /** In place of those that the configuration names. */
  known_hosts_files: z.array(PathSchema).max(16).optional(),
  /** With the passphrase of encrypted keys, on its first line. */
  passphrase_file: PathSchema.optional(),
  connect_timeout: DurationSchema.default(10_000),
  keepalive_interval: DurationSchema.default(5_000),
  /** How long a connection without sessions is kept for the next one. */
  idle_timeout: DurationSchema.default(60_000),
  /** Connections to one host, and sessions on each of them; the host's MaxSessions is 10 unless it says otherwise. */
  max_connections: z.int().min(1).max(16).default(2),
  max_sessions: z.int().min(1).max(64).default(8),
};

export const SshClientSettingsSchema = z.strictObject(sshShape);
export type SshClientSettings = z.infer<typeof SshClientSettingsSchema>;

/** The `ssh` section of a coordinator: by node, where it is reached and whether tasks may go there that way. */
export const SshSettingsSchema = z.strictObject({
  ...sshShape,
  hosts: z
    .record(NameSchema, z.union([HostNameSchema.transform(host => HostSchema.parse({ host })), HostSchema]))
    .default({}),
});
export type SshSettings = z.infer<typeof SshSettingsSchema>;
