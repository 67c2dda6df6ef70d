import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Run } from '../support/run.ts';
import { showValue, switchNames, switchTable } from '../../src/guest/switches.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/model-guest.md'), 'utf8');

/** A row of the table, without the padding that the formatter adds. */
const rows = page
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split('|').map((cell) => cell.trim()));

describe('docs/model-guest.md', () => {
  it('has every program of the shell, as `help` prints them', () => {
    const run = new Run({ networkAdapters: 1, memoryBytes: 128 << 20 }).boot().login();
    const [, list] = /^help\n([^]*)\n# $/.exec(run.type('help'))!;
    expect(page).toContain(`\n\`\`\`\n${list}\n\`\`\`\n`);
  });

  it.each(switchNames.map((name) => [name] as const))('has the switch %s as it is', (name) => {
    const { defaults, help } = switchTable[name];
    const row = rows.find((cells) => cells[1] === `\`${name}\``);
    expect(row?.[2]).toBe(help);
    expect(row?.[4]).toBe(defaults.map(showValue).join(' / '));
  });
});
