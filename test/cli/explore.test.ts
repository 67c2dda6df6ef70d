/** `synthvm explore`: finds a race by its seeds, and the command that it prints shows it again. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cases, IS_EXHAUSTIVE } from '../support/cases.ts';
import { call, compiled } from '../support/cli.ts';
import { inFolder } from '../support/tools.ts';

const { run } = compiled;
const SCRIPT = 'scenarios/drivers/devices-come-and-go.ts';
const TEST = 'with the opening of a channel';
const SEEDS = cases(24, 6);

/** Words of a command that the report names. */
function wordsOf(stdout: string, which: string): string[] {
  const command = new RegExp(`${which} +synthvm (.*)`).exec(stdout)![1]!;
  return command.match(/'[^']*'|\S+/g)!.map((word) => word.replaceAll("'", ''));
}

// Some two hundred runs, to leave out what the failure does not need.
describe.runIf(IS_EXHAUSTIVE)('synthvm explore of a race', () => {
  it('finds the delays that lose an event (S14), and shows it again', () => {
    const flags = ['--only', TEST, '--seeds', '24', '--skip-check'];
    const { status, stdout } = run('explore', SCRIPT, ...flags, '--set', 'mapBeforeOpen=off');
    expect(status).toBe(1);
    expect(stdout).toMatch(/FAIL packets that come with the opening .*: \d+ of 24 seeds fail/);
    // How few are found depends on where the guest's work lies; none of them can be left out.
    const cause = /cause +(\d+) of (\d+) delays: .*a processor's turn .* late/.exec(stdout);
    expect(cause).not.toBeNull();
    expect(Number(cause![1]) * 10).toBeLessThan(Number(cause![2]));
    expect(stdout).toMatch(/difference +\d+ events from the run that passes/);
    // In the run that passes the driver has the device before the host signals.
    expect(stdout).toMatch(/^ +- .* guest\.device .*test0$/m);
    for (const which of ['again', 'with least']) {
      const again = run(...wordsOf(stdout, which), '-q', '--skip-check');
      expect({ which, status: again.status }).toEqual({ which, status: 14 });
      expect(again.stderr).toContain('the first packet to be handled did not come');
    }
  });
});

describe('synthvm explore', () => {
  it('names the seeds that fail without any delay, and shows one again', () => {
    inFolder((folder) => {
      const script = join(folder, 'odd.ts');
      writeFileSync(
        script,
        "import { scenario } from 'synthvm';\n" +
          "scenario('odd ones fail', { memory: '64M', nics: 0 }, ({ seed, expect }) => {\n" +
          '  expect(seed % 2n).toBe(0n);\n});\n',
      );
      const { status, stdout } = run('explore', script, '--seeds', '6', '--skip-check');
      expect(status).toBe(1);
      expect(stdout).toMatch(/FAIL odd ones fail, .*: 3 of 6 seeds fail/);
      expect(stdout).toMatch(/seeds +1 3 5 \(3\)/);
      expect(stdout).toContain('the seed alone: no delay is needed');
      const again = run(...wordsOf(stdout, 'without any'), '-q', '--skip-check');
      expect(again.status).toBe(1);
      expect(again.stderr).toMatch(/odd\.ts:3:\d+: expected 1n to be \+?0n/);
    });
  });

  it('finds nothing in the driver of today', () => {
    const { status, stdout } = run(
      'explore',
      SCRIPT,
      '--only',
      TEST,
      '--seeds',
      String(SEEDS),
      '--skip-check',
    );
    expect({ status, stdout }).toMatchObject({ status: 0 });
    expect(stdout).toContain(`0 of ${SEEDS} runs failed`);
  });

  it('refuses decisions that make no sense', async () => {
    for (const decisions of ['some', '5-3', '7,6', '1-3,2']) {
      expect(await call('run', SCRIPT, '--perturb', decisions)).toMatchObject({ status: 2 });
    }
  });
});
