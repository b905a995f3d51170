/**
 * JSON Schemas for the document, by zod itself: what a request may be is its input, what an answer is, its output.
 * A schema with a name stands once among the components, and everything refers to it there; where the two sides of it
 * differ, what a request takes is called `<name>Input`.
 */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';

/** Of JSON, such as a schema. */
export interface JsonObject {
  readonly [key: string]: unknown;
}
export type Side = 'input' | 'output';

export interface Schemas {
  /** The schema, or a reference to it when it has a name. */
  of(schema: z.core.$ZodType, side: Side): JsonObject;
  /** Puts it among the components though no route refers to it. */
  add(schema: z.core.$ZodType): void;
  /** Once all are there: `document` with its references, and the components they lead to. */
  settle(document: JsonObject): { readonly document: JsonObject; readonly schemas: JsonObject };
}

const COMPONENTS = '#/components/schemas/';
/** Until it is known whether the two sides of a name differ. No name has a "~". */
const INPUT = '~input';

interface SchemasOptions {
  readonly names: ReadonlyMap<z.core.$ZodType, string>;
  /** Of fields, by component; those that say something themselves keep it. */
  readonly descriptions: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export function createSchemas({ names, descriptions }: SchemasOptions): Schemas {
  const registry = new NamedSchemas(names);
  const found = { input: new Map<string, JsonObject>(), output: new Map<string, JsonObject>() };

  const keep = (side: Side, name: string, schema: JsonObject): void => {
    const known = found[side].get(name);
    if (known !== undefined && !isDeepStrictEqual(known, schema))
      throw new TypeError(`Two different schemas are called ${name}.`);
    found[side].set(name, schema);
  };

  const of = (schema: z.core.$ZodType, side: Side): JsonObject => {
    const {
      $schema: _dialect,
      $defs = {},
      ...converted
    } = z.toJSONSchema(schema, {
      io: side,
      metadata: registry,
      // What a transform makes of a request is nobody's concern outside.
      unrepresentable: 'any',
      override: tidy,
    });
    const suffix = side === 'input' ? INPUT : '';
    const placed = (value: JsonObject): JsonObject =>
      withReferences(value, ref => ref.replace(/^#\/\$defs\/(.*)$/, `${COMPONENTS}$1${suffix}`));
    for (const [name, definition] of Object.entries($defs))
      keep(side, name, described(placed({ ...definition }), descriptions[name] ?? {}));
    return placed(converted);
  };

  return {
    of,
    add(schema) {
      of(schema, 'output');
    },
    settle(document) {
      const apart = differing(found.input, found.output);
      const settled = (value: JsonObject): JsonObject =>
        withReferences(value, ref => {
          if (!ref.endsWith(INPUT)) return ref;
          const plain = ref.slice(0, -INPUT.length);
          return apart.has(plain.slice(COMPONENTS.length)) ? `${plain}Input` : plain;
        });
      const all = new Map(
        [...found.input].map(([name, it]) => [apart.has(name) ? `${name}Input` : name, it]),
      );
      for (const [name, schema] of found.output) all.set(name, schema);
      const sorted = [...all].sort(([a], [b]) => (a < b ? -1 : 1));
      return {
        document: settled(document),
        schemas: Object.fromEntries(sorted.map(([name, schema]) => [name, settled(schema)])),
      };
    },
  };
}

/** Names from the map, beside what `.meta()` and `.describe()` say. */
class NamedSchemas extends z.core.$ZodRegistry<z.core.GlobalMeta> {
  readonly #names: ReadonlyMap<z.core.$ZodType, string>;

  constructor(names: ReadonlyMap<z.core.$ZodType, string>) {
    super();
    this.#names = names;
  }

  override get(schema: z.core.$ZodType): never {
    const id = this.#names.get(schema);
    const meta = z.globalRegistry.get(schema);
    // The type depends on the schema asked for in a way that only the base class can express.
    return (id === undefined ? meta : { ...meta, id }) as never;
  }
}

interface Converted {
  readonly zodSchema: z.core.$ZodTypes;
  readonly jsonSchema: z.core.JSONSchema.BaseSchema;
}

/** Says no more than is promised: fields may be added to answers, and the bounds of whole numbers are JavaScript's own. */
function tidy({ zodSchema, jsonSchema }: Converted): void {
  const { def } = zodSchema._zod;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (def.type === 'object' && def.catchall === undefined) delete jsonSchema.additionalProperties;
  if (def.type === 'catch') delete jsonSchema.default;
}

function described(schema: JsonObject, fields: Readonly<Record<string, string>>): JsonObject {
  const { properties } = schema;
  if (!isObject(properties)) return schema;
  const told = Object.entries(properties).map(([name, about]) => {
    const description = fields[name];
    return [name, description === undefined || !isObject(about) ? about : { description, ...about }];
  });
  return { ...schema, properties: Object.fromEntries(told) };
}

/** Names whose sides differ, or refer to something whose sides do. */
function differing(
  input: ReadonlyMap<string, JsonObject>,
  output: ReadonlyMap<string, JsonObject>,
): ReadonlySet<string> {
  const refersTo = new Map<string, Set<string>>();
  const apart = new Set<string>();
  for (const [name, schema] of input) {
    const refs = new Set<string>();
    const plain = withReferences(schema, ref => {
      const bare = ref.endsWith(INPUT) ? ref.slice(0, -INPUT.length) : ref;
      refs.add(bare.slice(COMPONENTS.length));
      return bare;
    });
    refersTo.set(name, refs);
    const other = output.get(name);
    if (other !== undefined && !isDeepStrictEqual(plain, other)) apart.add(name);
  }
  for (let before = -1; before !== apart.size; ) {
    before = apart.size;
    for (const [name, refs] of refersTo) {
      if (output.has(name) && [...refs].some(ref => apart.has(ref))) apart.add(name);
    }
  }
  return apart;
}

/** A copy with every `$ref` replaced. */
function withReferences(object: JsonObject, replace: (ref: string) => string): JsonObject {
  const copy = (part: unknown): unknown => {
    if (Array.isArray(part)) return part.map(copy);
    return isObject(part) ? withReferences(part, replace) : part;
  };
  return Object.fromEntries(
    Object.entries(object).map(([key, value]) => [
      key,
      key === '$ref' && typeof value === 'string' ? replace(value) : copy(value),
    ]),
  );
}

const isObject = (part: unknown): part is JsonObject => typeof part === 'object' && part !== null;
