/** The agents that a file asks for, each as a request to register it, or with what is wrong about it. */
import { CcliError } from '../../../protocol/errors.ts';
import { OPERATIONS, type OperationRequest } from '../../../protocol/operation.ts';
import type { Entry } from './entry.ts';
import { entryFields, specialtyProblem } from './entry-fields.ts';

export type RegisterRequest = OperationRequest<'register'>;

export interface Wanted {
  /** Its id, or what stands in for one that is missing. */
  readonly agent_id: string;
  readonly line: number;
  readonly request: RegisterRequest | CcliError;
  /** Words of the file that mean nothing here. */
  readonly ignored: readonly string[];
  /** What of it was read otherwise than it is written. */
  readonly remarks: readonly string[];
}

/** Of an agent, whatever becomes of it. */
export type About = Pick<Wanted, 'agent_id' | 'line' | 'ignored' | 'remarks'>;

/** What of a request is worth a cell in a table. */
export interface Asked {
  readonly node?: string;
  readonly endpoint?: string;
  readonly model?: string;
  readonly specialty?: readonly string[];
}

export const askedOf = ({ node, ollama, specialty }: RegisterRequest): Asked => ({
  ...(node !== undefined && { node }),
  ...(ollama !== undefined && { endpoint: ollama.endpoint, model: ollama.model }),
  ...(specialty !== undefined && { specialty }),
});

interface WantedOptions {
  /** `list`: an existing list of Ollama agents, whatever else it says. `definition`: written for ccli, word by word. */
  readonly kind: 'list' | 'definition';
  /** For every one of them. */
  readonly node?: string | undefined;
  readonly canary: boolean;
}

export function wantedAgents(entries: readonly Entry[], options: WantedOptions): Wanted[] {
  const first = new Map<string, number>();
  return entries.map(entry => {
    const wanted = wantedAgent(entry, options);
    // Each node has ids of its own.
    const node = wanted.request instanceof CcliError ? undefined : wanted.request.node;
    const key = `${node ?? ''}/${wanted.agent_id}`;
    const before = first.get(key);
    if (before === undefined) {
      first.set(key, entry.line);
      return wanted;
    }
    const where = node === undefined ? '' : ` on ${node}`;
    const problem = mistake(entry, wanted.agent_id, [
      `line ${before} has an agent of this id${where} already`,
    ]);
    return { ...wanted, request: problem };
  });
}

function wantedAgent(entry: Entry, { kind, node, canary }: WantedOptions): Wanted {
  const { fields, agent_type, unknown, remarks, problems: unclear } = entryFields(entry);
  const { endpoint, model, keep_alive, options, ...settings } = fields;
  const target = { endpoint, model, keep_alive, options };
  const isOllama = kind === 'list' || Object.values(target).some(value => value !== undefined);
  const candidate = {
    canary,
    ...settings,
    ...(node !== undefined && { node }),
    ...(isOllama && { ollama: withoutAbsent(target) }),
  };
  const agent_id = typeof fields.agent_id === 'string' ? fields.agent_id : `(line ${entry.line})`;
  const parsed = OPERATIONS.register.request.safeParse(candidate);
  const specialty = fields.specialty === undefined ? undefined : specialtyProblem(fields.specialty);
  const problems = [
    fields.agent_id === undefined ? 'it has no id' : undefined,
    isOllama && endpoint === undefined ? 'it has no endpoint' : undefined,
    isOllama && model === undefined ? 'it has no model' : undefined,
    isOllama && agent_type !== undefined && agent_type !== 'ollama'
      ? `it is of type ${JSON.stringify(agent_type)}, and only Ollama agents have an endpoint and a model here`
      : undefined,
    specialty,
    ...unclear,
    kind === 'definition' && unknown.length > 0
      ? `no setting is called ${unknown.map(word => JSON.stringify(word)).join(', ')}`
      : undefined,
    ...(parsed.success ? [] : parsed.error.issues)
      // What is absent or unclear, and specialties, have been told above.
      .filter(({ path }) => path[0] !== 'specialty' && isThere(candidate, path))
      .filter(({ path }) => unclear.length === 0 || path.at(-1) !== 'endpoint')
      .map(({ path, message }) => `${path.filter(part => part !== 'ollama').join('.')}: ${message}`),
  ].filter(problem => problem !== undefined);
  return {
    agent_id,
    line: entry.line,
    request: parsed.success && problems.length === 0 ? parsed.data : mistake(entry, agent_id, problems),
    ignored: unknown,
    remarks,
  };
}

const isThere = (value: unknown, [name, ...rest]: readonly PropertyKey[]): boolean => {
  if (name === undefined) return value !== undefined;
  if (typeof value !== 'object' || value === null) return false;
  return isThere(Reflect.get(value, name), rest);
};

const withoutAbsent = (record: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));

const mistake = ({ line }: Entry, agent_id: string, problems: readonly string[]): CcliError =>
  new CcliError('config_invalid', `${agent_id}, line ${line}: ${problems.join('; ')}.`);
