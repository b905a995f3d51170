/**
 * Marks around text that was written by somebody else, so that a reader can tell it from our own instructions: each
 * mark carries a number that the text itself does not use in a mark, so nothing inside can close it or open another.
 */

/** The smallest number that none of the texts has in a seal. */
export function sealFor(texts: readonly string[]): number {
  const used = new Set<number>();
  for (const text of texts)
    for (const [, number] of text.matchAll(/seal\W{0,8}(\d{1,9})/giu)) used.add(Number(number));
  let seal = 1;
  while (used.has(seal)) seal += 1;
  return seal;
}

export function sealed(name: string, seal: number, text: string): string {
  return `<${name} seal="${seal}">\n${text}\n</${name} seal="${seal}">`;
}
