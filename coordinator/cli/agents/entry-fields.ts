/** What an entry of a list of agents says, in the words of the wire, whichever of several words it uses itself. */
import { SPECIALTIES } from '../../../protocol/agent.ts';
import { addressOf } from './endpoint.ts';
import type { Entry } from './entry.ts';

/** The first that is there counts. */
const WORDS = {
  agent_id: ['agent_id', 'id'],
  node: ['node'],
  endpoint: ['endpoint', 'url', 'base_url', 'host', 'address'],
  model: ['model', 'model_name'],
  keep_alive: ['keep_alive'],
  options: ['options'],
  specialty: ['specialty', 'specialties', 'speciality', 'specialization'],
  labels: ['labels'],
  max_concurrent: ['max_concurrent', 'max_concurrency', 'concurrency', 'max_concurrent_tasks', 'slots'],
  priority: ['priority'],
  expected_version: ['expected_version'],
  ssh_fallback: ['ssh_fallback'],
  enabled: ['enabled'],
  canary: ['canary'],
} as const satisfies Readonly<Record<string, readonly string[]>>;
type Field = keyof typeof WORDS;

/** Words that stand in where no other names it. */
const NAME_WORDS = ['name', 'agent'] as const;
const OF_AN_AGENT: ReadonlySet<string> = new Set([...Object.values(WORDS).flat(), ...NAME_WORDS]);

export interface EntryFields {
  readonly fields: Readonly<Partial<Record<Field, unknown>>>;
  /** Not on the wire: a node knows of what type its agents are. */
  readonly agent_type: unknown;
  /** Its own words for what no agent here has. */
  readonly unknown: readonly string[];
  /** What of it was read otherwise than it is written. */
  readonly remarks: readonly string[];
  readonly problems: readonly string[];
}

/** `maxConcurrent` and `max-concurrent` as `max_concurrent`. */
const snakeCase = (word: string): string =>
  word
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll(/[-\s]+/g, '_')
    .toLowerCase();

/** Whether it says something about itself that only an agent says, and is no map of agents. */
export const speaksAsAgent = (word: string): boolean => OF_AN_AGENT.has(snakeCase(word));

export function entryFields({ key, fields: written }: Entry): EntryFields {
  const { ollama, ...outer } = bySnakeCase(written);
  const said = { ...outer, ...(isRecord(ollama) && bySnakeCase(ollama)) };
  const used = new Set<string>();
  const take = (words: readonly string[]): unknown => {
    const word = words.find(name => said[name] !== undefined && said[name] !== null);
    if (word !== undefined) used.add(word);
    return word === undefined ? undefined : said[word];
  };
  const fields: Partial<Record<Field, unknown>> = {};
  for (const [field, words] of Object.entries(WORDS) as [Field, readonly string[]][]) {
    const value = take(words);
    if (value !== undefined) fields[field] = value;
  }
  fields.agent_id ??= key ?? take(NAME_WORDS);
  const agent_type = take(['agent_type', 'type']);
  const disabled = take(['disabled']);
  if (typeof disabled === 'boolean') fields.enabled ??= !disabled;
  const address =
    typeof fields.endpoint === 'string' ? addressOf(fields.endpoint, take(['port'])) : undefined;
  const unknown = Object.keys(said).filter(word => !used.has(word) && said[word] !== null);
  return {
    fields: {
      ...fields,
      ...(typeof fields.agent_id === 'string' && { agent_id: idOf(fields.agent_id) }),
      ...(address !== undefined && { endpoint: address.endpoint }),
      ...(fields.specialty !== undefined && { specialty: specialtiesOf(fields.specialty) }),
    },
    agent_type,
    unknown,
    remarks: address?.remark === undefined ? [] : [address.remark],
    problems: address?.problem === undefined ? [] : [address.problem],
  };
}

const bySnakeCase = (record: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [snakeCase(name), value]));

/** `WALNUT Llama3` as `walnut-llama3`. */
const idOf = (text: string): string =>
  text
    .trim()
    .toLowerCase()
    .replaceAll(/[\s.:/]+/g, '-');

/** One, a list, or several in one text. */
const specialtiesOf = (value: unknown): unknown =>
  typeof value === 'string'
    ? value.split(',').map(one => snakeCase(one.trim()))
    : Array.isArray(value)
      ? value.map((one: unknown) => (typeof one === 'string' ? snakeCase(one.trim()) : one))
      : value;

/** What of it is no specialty, as a sentence. */
export function specialtyProblem(specialty: unknown): string | undefined {
  const known: readonly unknown[] = SPECIALTIES;
  const unknown = (Array.isArray(specialty) ? specialty : [specialty]).filter(one => !known.includes(one));
  if (unknown.length === 0) return undefined;
  const named = unknown.map(one => JSON.stringify(one)).join(', ');
  return `specialty ${named} is unknown; there are ${SPECIALTIES.join(', ')}`;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
