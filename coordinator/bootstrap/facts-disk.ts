/** Of a line of `df -Pk`: the number before the percentage, whatever the file system is called. Pure. */
export function freeBytes(line: string | undefined): number | undefined {
  const blocks = /\s(\d+)\s+(?:\d+%|-)\s+\//.exec(line ?? '')?.[1];
  return blocks === undefined ? undefined : Number(blocks) * 1_024;
}
