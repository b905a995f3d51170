/** The end of a log file, for the sentence that says why something did not start. */
import { readFile } from 'node:fs/promises';

export async function lastLines(file: string, count = 5): Promise<string> {
  const text = await readFile(file, 'utf8').catch(() => '');
  return text
    .trimEnd()
    .split('\n')
    .slice(-count)
    .map(line => `  ${line}`)
    .join('\n')
    .slice(-2_000);
}
