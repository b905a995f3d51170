/** Aligned columns without borders. */
import Table from 'cli-table3';
import type { Colors } from './colors.ts';

const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};

const layout = { chars: NO_BORDERS, style: { 'padding-left': 0, 'padding-right': 3, head: [], border: [] } };

/** A cell never breaks its row, whatever it came with. */
const cell = (text: string): string => text.replace(/[\u0000-\u001a\u001c-\u001f\u007f-\u009f]+/g, ' ');

/** Rows under a head; cells may carry colours. Every line ends with a newline and none with blanks. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], colors: Colors): string {
  const grid = new Table({ ...layout, head: head.map(name => colors.dim(name)) });
  for (const row of rows) grid.push(row.map(cell));
  return lines(grid.toString());
}

/** Names and values in two columns; an absent value leaves its row out. */
export function properties(
  rows: readonly (readonly [name: string, value: string | undefined])[],
  colors: Colors,
): string {
  const grid = new Table(layout);
  for (const [name, value] of rows) if (value !== undefined) grid.push([colors.dim(name), cell(value)]);
  return lines(grid.toString());
}

// The blanks that pad the last column may sit between colour codes.
const TRAILING = /(?:\s|(\u001b\[\d+m))+$/;

function lines(text: string): string {
  if (text === '') return '';
  return text
    .split('\n')
    .map(line => `${line.replace(TRAILING, end => end.replace(/\s+/g, ''))}\n`)
    .join('');
}
