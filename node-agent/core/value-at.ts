/** Reads one value out of JSON by a path of names and numbers, `message.content.0.text`; -1 is a list's last. */
export const VALUE_PATH = /^[\w$-]+(\.[\w$-]+)*$/;

export function valueAt(value: unknown, path: string): unknown {
  let found = value;
  for (const step of path.split('.')) {
    if (Array.isArray(found))
      found = /^-?\d+$/.test(step) ? (found as unknown[]).at(Number(step)) : undefined;
    else if (typeof found === 'object' && found !== null)
      // Its own alone: every object has a "constructor".
      found = Object.getOwnPropertyDescriptor(found, step)?.value;
    else return undefined;
  }
  return found;
}
