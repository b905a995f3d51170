/** The `http` section of the coordinator's configuration. */
import { z } from 'zod';
import { PathSchema } from '../../protocol/daemon/settings.ts';
import { DurationSchema, SizeSchema } from '../../protocol/quantity.ts';

const MIB = 1024 * 1024;

/** Also as a word, the way a variable of the environment has it. */
const SwitchSchema = z.union([z.boolean(), z.enum(['true', 'false']).transform(text => text === 'true')]);

export const HttpSettingsSchema = z.strictObject({
  enabled: SwitchSchema.default(true),
  /** Anything but a loopback address demands `keys_file`. */
  host: z.string().min(1).default('127.0.0.1'),
  /** 0 takes any free one. */
  port: z.coerce.number().int().min(0).max(65_535).default(8_000),
  /** What a port that somebody else has means: an error, or that any free one does as well. */
  when_taken: z.enum(['fail', 'any_port']).default('fail'),
  /** One key a line: `<caller> <key>`, or `<caller> sha256:<hex of the key>`. */
  keys_file: PathSchema.optional(),
  /**
   * Names besides the loopback ones and `host` under which this door is reached, as the `Host` header has them; with a
   * port, only that one. With `keys_file` and no names here any name will do: a page that pretends has no key.
   */
  allowed_hosts: z.array(z.string().min(1)).default([]),
  /** Web pages that may call: `https://dashboard.example`. */
  allowed_origins: z.array(z.url()).default([]),
  limits: z
    .strictObject({
      /** Of one request's body. A prompt of 32 MiB fits, unless most of it has to be escaped in JSON. */
      body: SizeSchema.default(48 * MIB),
      /** Of all bodies in memory at a time; a quarter of it for one client. */
      bodies: SizeSchema.default(256 * MIB),
      /** Of all long answers that are put together at a time, with what is needed to do so: four times their size. */
      answers: SizeSchema.default(512 * MIB),
      /** Event streams open at a time, by key, or by address where there are no keys. */
      streams: z.int().positive().default(128),
      /** Requests by key, or by address: so many at once, and so many more each second. */
      burst: z.int().positive().default(2_000),
      per_second: z.int().positive().default(1_000),
      /** Requests whose answer has not begun, by key, or by address: those that wait for a task count, open streams do not. */
      in_flight: z.int().positive().default(1_024),
      connections: z.int().positive().default(4_096),
      /** For the head of a request, and for all of it. */
      head_timeout: DurationSchema.default(10_000),
      request_timeout: DurationSchema.default(120_000),
      /** How long a reader of a stream may take nothing before its connection is closed. */
      stalled: DurationSchema.default(30_000),
    })
    .prefault({}),
});
export type HttpSettings = z.infer<typeof HttpSettingsSchema>;

export const HTTP_VARIABLES = {
  enabled: 'CCLI_HTTP',
  host: 'CCLI_HTTP_HOST',
  port: 'CCLI_HTTP_PORT',
  when_taken: 'CCLI_HTTP_WHEN_TAKEN',
  keys_file: 'CCLI_HTTP_KEYS_FILE',
} as const;
