import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { colorsFor } from '../../../../coordinator/cli/render/colors.ts';
import { properties, table } from '../../../../coordinator/cli/render/table.ts';

const plain = colorsFor(false, {});
const coloured = colorsFor(true, {});

describe('a table', () => {
  test('is aligned, also with wide characters, and no line ends with blanks', () => {
    expect(
      table(
        ['NAME', 'X', 'LAST'],
        [
          ['壁', '1', ''],
          ['walnut', '22', 'end'],
        ],
        plain,
      ),
    ).toBe('NAME     X    LAST\n壁       1\nwalnut   22   end\n');
  });

  test('looks the same with colours as without', () => {
    const rows = (colors: typeof plain) => [
      ['a', colors.green('ready'), ''],
      ['bbb', colors.red('lost'), 'x'],
    ];
    const text = table(['ID', 'STATUS', 'Z'], rows(coloured), coloured);
    expect(text).toContain('\u001b[32mready\u001b[39m');
    expect(stripVTControlCharacters(text)).toBe(table(['ID', 'STATUS', 'Z'], rows(plain), plain));
  });

  test('keeps each row on its line', () => {
    expect(table(['A', 'B'], [['one\ntwo', 'x']], plain)).toBe('A         B\none two   x\n');
  });

  test('leaves absent properties out', () => {
    expect(
      properties(
        [
          ['name', 'walnut'],
          ['gone', undefined],
          ['n', '1'],
        ],
        plain,
      ),
    ).toBe('name   walnut\nn      1\n');
  });
});

describe('colours', () => {
  test.each([
    [true, {}, true],
    [true, { NO_COLOR: '' }, true],
    [true, { NO_COLOR: '1' }, false],
    [true, { TERM: 'dumb' }, false],
    [false, {}, false],
  ])('terminal %s with %j: %s', (tty, environment, expected) => {
    expect(colorsFor(tty, environment).isColorSupported).toBe(expected);
  });
});
