/** What a CLI says of itself and of a session: the parts of the protocol that not every CLI has. */
import { z } from 'zod';
import { CcliError } from '../../../protocol/errors.ts';

const listOf = <T extends z.ZodType>(item: T) =>
  z.array(z.unknown()).transform(all =>
    all.flatMap(one => {
      const { data } = item.safeParse(one);
      return data === undefined ? [] : [data];
    }),
  );

const InitializedSchema = z.object({
  agentInfo: z.object({ name: z.string().optional(), version: z.string().optional() }).nullish(),
  authMethods: listOf(z.object({ id: z.string() })).nullish(),
  agentCapabilities: z
    .object({ sessionCapabilities: z.object({ close: z.object({}).nullish() }).nullish() })
    .nullish(),
});

export interface Announced {
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly auth_methods: readonly string[];
  /** Whether it frees what a session holds when it is told to. */
  readonly closes_sessions: boolean;
}

export function readInitialized(response: unknown): Announced {
  const { agentInfo, authMethods, agentCapabilities } = InitializedSchema.safeParse(response).data ?? {};
  return {
    name: agentInfo?.name,
    version: agentInfo?.version,
    auth_methods: (authMethods ?? []).map(({ id }) => id),
    closes_sessions: (agentCapabilities?.sessionCapabilities?.close ?? undefined) !== undefined,
  };
}

/** One thing of a session that can be switched. */
export interface Choice {
  readonly current: string | undefined;
  readonly values: readonly { readonly id: string; readonly name: string }[];
  /** Of a configuration option; absent where it has a method of its own. */
  readonly option?: string;
}

export interface OpenedSession {
  readonly id: string;
  readonly model: Choice | undefined;
  readonly mode: Choice | undefined;
}

const ValueSchema = z.object({ value: z.string(), name: z.string().optional() });
const OptionSchema = z.object({
  id: z.string(),
  category: z.string().nullish(),
  type: z.literal('select'),
  currentValue: z.string().optional(),
  // Values may stand in groups.
  options: listOf(
    z.union([
      ValueSchema.transform(one => [one]),
      z.object({ options: listOf(ValueSchema) }).transform(group => group.options),
    ]),
  ),
});
const SessionSchema = z.object({
  sessionId: z.string().min(1),
  models: z
    .object({
      currentModelId: z.string().optional(),
      availableModels: listOf(z.object({ modelId: z.string(), name: z.string().optional() })),
    })
    .nullish()
    .catch(undefined),
  modes: z
    .object({
      currentModeId: z.string().optional(),
      availableModes: listOf(z.object({ id: z.string(), name: z.string().optional() })),
    })
    .nullish()
    .catch(undefined),
  configOptions: listOf(OptionSchema).nullish().catch(undefined),
});

/** @throws CcliError `cli_garbled` */
export function readSession(response: unknown): OpenedSession {
  const parsed = SessionSchema.safeParse(response);
  if (!parsed.success)
    throw new CcliError(
      'cli_garbled',
      'The CLI opened a session without an id; check its version on the node.',
    );
  const { sessionId, models, modes, configOptions } = parsed.data;
  const optionOf = (category: string): Choice | undefined => {
    const found = configOptions?.find(option => (option.category ?? option.id) === category);
    return found === undefined
      ? undefined
      : {
          current: found.currentValue,
          option: found.id,
          values: found.options.flat().map(({ value, name }) => ({ id: value, name: name ?? value })),
        };
  };
  return {
    id: sessionId,
    model:
      optionOf('model') ??
      choice(
        models?.currentModelId,
        models?.availableModels.map(({ modelId, name }) => ({ id: modelId, name })),
      ),
    mode: choice(modes?.currentModeId, modes?.availableModes) ?? optionOf('mode'),
  };
}

const choice = (
  current: string | undefined,
  values: readonly { id: string; name?: string | undefined }[] | undefined,
): Choice | undefined =>
  values === undefined
    ? undefined
    : { current, values: values.map(({ id, name }) => ({ id, name: name ?? id })) };

/** The value that a name stands for: its id, or what it is called where only one is called so. */
export function valueNamed({ values }: Choice, wanted: string): string | undefined {
  if (values.some(({ id }) => id === wanted)) return wanted;
  const called = values.filter(({ name }) => name.toLowerCase() === wanted.toLowerCase());
  return called.length === 1 ? called[0]?.id : undefined;
}
