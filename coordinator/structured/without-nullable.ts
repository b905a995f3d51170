/** `nullable` is a word of OpenAPI: it has a meaning beside a `type` alone, and anywhere else the checker stumbles on it. */

type Schema = Readonly<Record<string, unknown>>;

/** Their members are schemas by names of the caller's own. */
const MAPS: ReadonlySet<string> = new Set([
  'properties',
  'patternProperties',
  'dependentSchemas',
  '$defs',
  'definitions',
]);
/** They hold values, and no schemas. */
const VALUES: ReadonlySet<string> = new Set(['const', 'default', 'enum', 'examples']);

/** The schema without those that ask for nothing. Not for one that is deeper than a call stack. */
export function withoutNullable(schema: Schema): Schema {
  const kept = Object.entries(schema).filter(([keyword]) => keyword !== 'nullable' || isMeant(schema));
  return Object.fromEntries(kept.map(([keyword, value]) => [keyword, cleaned(keyword, value)]));
}

/** That a type may be null is said already by a list of types that has it. */
const isMeant = ({ type }: Schema): boolean =>
  type !== undefined &&
  type !== 'null' &&
  !(Array.isArray(type) && (type.length === 0 || type.includes('null')));

function cleaned(keyword: string, value: unknown): unknown {
  if (VALUES.has(keyword)) return value;
  if (Array.isArray(value)) return value.map(inner);
  if (!isSchema(value)) return value;
  return MAPS.has(keyword)
    ? Object.fromEntries(Object.entries(value).map(([name, member]) => [name, inner(member)]))
    : withoutNullable(value);
}

const inner = (value: unknown): unknown => (isSchema(value) ? withoutNullable(value) : value);

const isSchema = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
