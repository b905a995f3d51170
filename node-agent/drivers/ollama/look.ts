/** What an Ollama server says of itself. */
import { z } from 'zod';
import { CcliError } from '../../../protocol/errors.ts';
import type { OllamaAgentConfig } from '../../agent-config/ollama.ts';
import type { OllamaHttp } from './http.ts';
import { refusalOf } from './refusal.ts';
import { parseJson, readText } from './reply.ts';

/** A model in memory. */
export interface Loaded {
  readonly name: string;
  readonly vram_bytes: number;
  /** Tokens; told since 0.11. */
  readonly context_length: number | undefined;
}

type Target = Pick<OllamaAgentConfig, 'endpoint' | 'model' | 'id'>;

const VersionSchema = z.object({ version: z.string() });
const TagsSchema = z.object({ models: z.array(z.object({ name: z.string() })).nullable() });
const PsSchema = z.object({
  models: z
    .array(
      z.object({
        name: z.string(),
        size_vram: z.number().nonnegative().default(0),
        context_length: z.number().optional(),
      }),
    )
    .nullable(),
});

/** Oldest servers do not tell theirs. */
export async function lookUpVersion(
  http: OllamaHttp,
  target: Target,
  signal: AbortSignal,
): Promise<string | undefined> {
  const version = await get(http, target, '/api/version', signal);
  return VersionSchema.safeParse(version).data?.version;
}

/** Every model that the server has. */
export async function lookUpModels(http: OllamaHttp, target: Target, signal: AbortSignal): Promise<string[]> {
  const tags = parse(TagsSchema, await get(http, target, '/api/tags', signal), target);
  return (tags.models ?? []).map(({ name }) => name);
}

/** The models in memory. */
export async function lookUpLoaded(http: OllamaHttp, target: Target, signal: AbortSignal): Promise<Loaded[]> {
  const ps = parse(PsSchema, await get(http, target, '/api/ps', signal), target);
  return (ps.models ?? []).map(({ name, size_vram, context_length }) => ({
    name,
    vram_bytes: size_vram,
    // It is 0 while a model is being loaded.
    context_length: context_length === 0 ? undefined : context_length,
  }));
}

/** Undefined where there is no such path, or no JSON. */
function get(http: OllamaHttp, target: Target, path: string, signal: AbortSignal): Promise<unknown> {
  return http.request(
    { method: 'GET', path },
    async response => {
      if (response.statusCode === 200) return parseJson(await readText(response));
      const failure = await refusalOf(response, { ...target, agent_id: target.id });
      if (response.statusCode === 404) return undefined;
      throw failure;
    },
    signal,
  );
}

function parse<T>(schema: z.ZodType<T>, body: unknown, { endpoint }: Target): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new CcliError(
    body === undefined ? 'endpoint_unreachable' : 'cli_garbled',
    `What answers at ${endpoint} is not Ollama; check the address and its path.`,
    { cause: parsed.error },
  );
}
