/** What is done about the parameters of OpenAI's that mean nothing here: refused, or passed over and said so. */
import { ParameterError } from './parameter-error.ts';

export type Body = Readonly<Record<string, unknown>>;

export interface Refusal {
  readonly param: string;
  /** Whether this value asks for what cannot be done. */
  readonly asks: (value: unknown) => boolean;
  readonly says: string;
}

export interface Parameters {
  /** Read by a schema. */
  readonly known: readonly string[];
  readonly refused: readonly Refusal[];
  /** Accepted without any effect, unless the value is the one given here, which asks for nothing. */
  readonly ignored: Readonly<Record<string, unknown>>;
}

const isEmpty = (value: unknown): boolean =>
  (Array.isArray(value) && value.length === 0) ||
  (typeof value === 'object' && value !== null && Object.keys(value).length === 0);

export const unlessEmpty = (value: unknown): boolean => !isEmpty(value);
export const unless =
  (...harmless: readonly unknown[]) =>
  (value: unknown): boolean =>
    !harmless.includes(value);
/** A list with nothing else in it. */
export const unlessAll =
  (harmless: readonly string[]) =>
  (value: unknown): boolean =>
    !(Array.isArray(value) && value.every(one => typeof one === 'string' && harmless.includes(one)));
export const always = (): boolean => true;

export const NO_TOOLS =
  'Tools of the caller cannot be called: the agents here work with tools of their own. Leave it out.';

const MAX_NAME = 100;
const MOST_NAMED = 10;

/** In OpenAI's own words. */
function unrecognized(names: readonly string[]): string {
  const more = names.length > MOST_NAMED ? `, and ${names.length - MOST_NAMED} more` : '';
  const list = names.slice(0, MOST_NAMED).join(', ');
  return `Unrecognized request argument${names.length > 1 ? 's' : ''} supplied: ${list}${more}`;
}

/**
 * The parameters that are to be read, and the names of those that have no effect. Null counts as absent.
 *
 * @throws ParameterError naming all that cannot be done or that nobody knows: `unsupported_parameter`, or
 *   `invalid_request` when nobody knows any of them
 */
export function sortParameters(
  body: Body,
  { known, refused, ignored }: Parameters,
): { readonly given: Body; readonly without_effect: readonly string[] } {
  const present = Object.entries(body).filter(([, value]) => value !== null && value !== undefined);
  const given: Record<string, unknown> = {};
  const without_effect: string[] = [];
  const cannot: { readonly param: string; readonly says: string }[] = [];
  const unknown: string[] = [];
  for (const [name, value] of present) {
    const refusal = refused.find(({ param }) => param === name);
    if (refusal?.asks(value) === true) cannot.push(refusal);
    else if (known.includes(name)) given[name] = value;
    else if (Object.hasOwn(ignored, name)) {
      if (value !== ignored[name]) without_effect.push(name);
    } else if (refusal === undefined) unknown.push(name.slice(0, MAX_NAME));
  }
  const [first, ...others] = cannot;
  const [nobodyKnows] = unknown;
  if (first !== undefined) {
    const says = others.length === 0 ? first.says : cannot.map(one => `${one.param}: ${one.says}`).join(' ');
    const beside = unknown.length === 0 ? '' : ` ${unrecognized(unknown)}`;
    throw new ParameterError('unsupported_parameter', first.param, `${says}${beside}`);
  }
  if (nobodyKnows !== undefined)
    throw new ParameterError('invalid_request', nobodyKnows, unrecognized(unknown));
  return { given, without_effect };
}
