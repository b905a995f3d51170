/** What a schema found wrong, as a list that a person or program can go through. */
import type { z } from 'zod';

export interface FieldError {
  /** Dotted; empty when it is the whole that is wrong. */
  readonly path: string;
  readonly message: string;
  /** Demanded, and not there at all. */
  readonly missing: boolean;
}

type Issue = z.core.$ZodIssue;
type Path = readonly PropertyKey[];

const MAX_ERRORS = 32;
const MAX_NAME = 128;

/**
 * At most 32: a body may be wrong in a million places.
 *
 * @param value what was checked, to tell what is missing from what is wrong
 */
export const fieldErrors = (error: z.ZodError, value: unknown): readonly FieldError[] =>
  error.issues
    .slice(0, MAX_ERRORS)
    .flatMap(issue => ofIssue(issue, [], value))
    .slice(0, MAX_ERRORS)
    .filter(
      ({ path, message }, index, all) =>
        all.findIndex(other => other.path === path && other.message === message) === index,
    );

function ofIssue(issue: Issue, above: Path, value: unknown): FieldError[] {
  const path = [...above, ...issue.path];
  if (isAbsence(issue) && lacks(value, path))
    return [{ path: dotted(path), message: 'is missing', missing: true }];
  if (issue.code === 'unrecognized_keys')
    return issue.keys
      .slice(0, MAX_ERRORS)
      .map(key => ({ path: dotted([...path, key]), message: 'is not a known field', missing: false }));
  if (issue.code === 'invalid_union') {
    const closest = closestOf(issue.errors);
    if (closest !== undefined) return closest.flatMap(inner => ofIssue(inner, path, value));
  }
  return [{ path: dotted(sent(value, path)), message: issue.message, missing: false }];
}

/** The member of a union that the value came closest to: the one that got furthest into it. */
function closestOf(members: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  const depth = (issues: readonly Issue[]): number => Math.max(0, ...issues.map(issue => issue.path.length));
  const [best] = members
    .filter(issues => issues.length > 0)
    .sort((a, b) => depth(b) - depth(a) || a.length - b.length);
  return best;
}

/** What a schema says of a field that is not there. */
const isAbsence = ({ code }: Issue): boolean =>
  code === 'invalid_type' || code === 'invalid_value' || code === 'invalid_union';

/** Whether the object is there that should have the field, and does not have it. */
function lacks(value: unknown, path: Path): boolean {
  const name = path.at(-1);
  const owner = valueAt(value, path.slice(0, -1));
  if (name === undefined || typeof owner !== 'object' || owner === null || Array.isArray(owner)) return false;
  return valueAt(owner, [name]) === undefined;
}

/** The path as far as it was sent: a schema may have made more of a value than it was, such as a list of a text. */
function sent(value: unknown, path: Path): Path {
  const end = path.findIndex((_key, index) => {
    const at = valueAt(value, path.slice(0, index));
    return typeof at !== 'object' || at === null;
  });
  return end === -1 ? path : path.slice(0, end);
}

function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined;
    at = Reflect.get(at, key);
  }
  return at;
}

const dotted = (path: Path): string =>
  path
    .map(part => {
      const name = String(part);
      return name.length > MAX_NAME ? `${name.slice(0, MAX_NAME)}…` : name;
    })
    .join('.');
