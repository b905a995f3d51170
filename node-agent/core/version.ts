/** Version pins: whether what was found is what an agent is pinned to. */
import satisfies from 'semver/functions/satisfies.js';
import valid from 'semver/functions/valid.js';
import { CcliError } from '../../protocol/errors.ts';

/**
 * A pre-release fits a range that its number lies in. A version that is no semantic one fits only a pin that is the
 * same text; one that is not known fits none.
 */
export function fits(found: string, expected: string): boolean {
  if (found === expected.trim()) return true;
  return valid(found) !== null && satisfies(found, expected, { includePrerelease: true });
}

/** By the node's file, and by the registry, which can only narrow that. */
export interface Pins {
  readonly file?: string | undefined;
  readonly registry?: string | undefined;
}

/** The one that is shown: that of the registry, unless the version found is kept away by the file's. */
export const shownPin = ({ file, registry }: Pins, found: string | undefined): string | undefined =>
  file !== undefined && (registry === undefined || (found !== undefined && !fits(found, file)))
    ? file
    : registry;

/** Undefined when there is no pin, or the version found fits both. */
export function mismatch(found: string | undefined, { file, registry }: Pins): CcliError | undefined {
  const all = [file, registry].filter(pin => pin !== undefined);
  if (all.length === 0 || (found !== undefined && all.every(pin => fits(found, pin)))) return undefined;
  const pinned =
    file !== undefined && registry !== undefined && file !== registry
      ? `pinned to ${file} by the file of its node and to ${registry} by the registry, which can only narrow that: both must hold`
      : `pinned to ${all[0]}`;
  return new CcliError(
    'version_mismatch',
    found === undefined
      ? `Its version is not known, and it is ${pinned}; take the pin away, or see why the tool does not tell its version.`
      : `Found ${found}, ${pinned}; install that version, or verify this one and pin it.`,
  );
}
