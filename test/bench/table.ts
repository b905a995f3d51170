/** Figures in columns: the first one reads from the left, numbers line up on the right. */
export function figures(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map(row => (row[column] ?? '').length)));
  return all
    .map(row => {
      const cells = row.map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      );
      return `${cells.join('  ')}\n`;
    })
    .join('');
}

/** Milliseconds as people compare them. */
export const ms = (value: number): string => value.toFixed(value < 100 ? 1 : 0);
