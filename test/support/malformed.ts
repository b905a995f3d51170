/** Messages that break what they pretend to be: made from a valid one, by a seed. */
import { z } from 'zod';
import type { Random } from './random.ts';

/** What can be written as JSON. */
export const SampleSchema = z.record(z.string(), z.json());
export type Sample = z.infer<typeof SampleSchema>;
type Json = Sample[string];

const MAX_PAYLOAD = 1024 * 1024;

type Breaker = (random: Random, sample: Sample) => string | Uint8Array;

const fieldOf = (random: Random, sample: Sample): string => {
  const [first = 'v', ...rest] = Object.keys(sample);
  return random.pick([first, ...rest]);
};

/** The sample's JSON with one of its fields, or a new one, standing for this text. */
const withField = (random: Random, sample: Sample, text: string): string => {
  const field = random.chance(0.9)
    ? fieldOf(random, sample)
    : random.pick(['__proto__', 'constructor', 'extra']);
  const others = Object.entries(sample).filter(([name]) => name !== field);
  const parts = others.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  return `{${[...parts, `${JSON.stringify(field)}:${text}`].join(',')}}`;
};

const randomBytes = (random: Random, length: number): Uint8Array =>
  Uint8Array.from({ length }, () => random.between(0, 255));

const BREAKERS: readonly [Breaker, ...Breaker[]] = [
  // Noise.
  random => randomBytes(random, random.between(1, 400)),
  // Cut off.
  (random, sample) => {
    const whole = JSON.stringify(sample);
    return whole.slice(0, random.between(1, Math.max(1, whole.length - 1)));
  },
  // Of another type.
  (random, sample) =>
    withField(
      random,
      sample,
      random.pick(['null', 'true', '"x"', '[]', '{}', '[[1],{"a":null}]', '-7', '""']),
    ),
  // No object at all.
  random => random.pick(['null', '[]', '[{}]', '"text"', '0', 'true', '{}x', '{"v":1}{"v":1}', "{'v':1}"]),
  // Nested deep, closed again or not.
  (random, sample) => {
    const depth = random.chance(0.05) ? 100_000 : random.between(1_000, 10_000);
    const open = random.pick(['[', '{"a":']);
    const close = random.chance(0.5) ? (open === '[' ? ']' : '}').repeat(depth) : '';
    const nested = `${open.repeat(depth)}${open === '[' ? '' : '1'}${close}`;
    return random.chance(0.5) ? nested : withField(random, sample, nested);
  },
  // Numbers beyond all bounds.
  (random, sample) =>
    withField(
      random,
      sample,
      random.pick(['1e999', '-1e999', '9007199254740993', '0.1', '-1', '1e-400', '9'.repeat(10_000)]),
    ),
  // Versions that there are none of, or not yet.
  (random, sample) => JSON.stringify({ ...sample, v: random.pick<Json>([0, -1, 1.5, '1', null, 2, 1e9]) }),
  // Not UTF-8.
  (random, sample) => {
    const bytes = Buffer.from(JSON.stringify(sample));
    const at = random.between(0, bytes.byteLength);
    const broken = random.pick([[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf8, 0x88], [0xc0, 0xaf]]);
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(broken), bytes.subarray(at)]);
  },
  // Nothing.
  () => new Uint8Array(),
  // Control characters and lone surrogates.
  (random, sample) =>
    withField(random, sample, random.pick(['"\u0000"', '"\\ud800"', '"\n"', '"\\u0000\\u0007"'])),
];

/** As large as the server takes: rare, since each is as much work as a thousand others. */
const huge: Breaker = (random, sample) => {
  const room = MAX_PAYLOAD - JSON.stringify(sample).length - 2_000;
  return random.pick([
    () => withField(random, sample, `"${'x'.repeat(room)}"`),
    () => withField(random, sample, `[${'1,'.repeat(Math.floor(room / 2) - 2)}1]`),
    () => new Uint8Array(room).fill(0x5b),
  ])();
};

/** @returns bytes that `isMalformed` says are: a change may by chance leave the message as good as before. */
export function malformed(
  random: Random,
  sample: Sample,
  isMalformed: (bytes: Uint8Array) => boolean,
): Uint8Array {
  for (;;) {
    const made = (random.chance(0.005) ? huge : random.pick(BREAKERS))(random, sample);
    const bytes = typeof made === 'string' ? Buffer.from(made) : made;
    if (isMalformed(bytes)) return bytes;
  }
}
