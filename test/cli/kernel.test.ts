/** `synthvm boot --kernel`: test kernels of a few instructions, and files that are none. */
import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { bzImage, Code, MIB, multibootElf } from '../boot/kernels.ts';
import { call, type CliResult, compiled } from '../support/cli.ts';
import { inFolder } from '../support/tools.ts';

/** Boots a kernel of these instructions. */
function boot(code: readonly (readonly number[])[], ...flags: string[]): Promise<CliResult> {
  return bootBy(call, code, flags);
}

function bootBy<T>(
  run: (...argv: string[]) => T,
  code: readonly (readonly number[])[],
  flags: readonly string[],
): T {
  return inFolder((folder) => {
    const file = join(folder, 'kernel');
    writeFileSync(file, multibootElf({ code: Uint8Array.from(code.flat()) }));
    return run('boot', '--kernel', file, '--quiet', ...flags);
  });
}

describe('boot --kernel', () => {
  it.each(['1', '2'])(
    'runs a kernel on generation %s, which prints and powers off',
    (generation) => {
      const { status, stdout, stderr } = bootBy(
        compiled.run,
        [Code.print('hello\n'), Code.powerOff, Code.spin],
        ['--gen', generation],
      );
      expect([status, stdout, stderr]).toEqual([0, 'hello\n', '']);
    },
  );

  it.each(['interpret', 'jit'])(
    'executes nothing after its power is off, by --cpu %s',
    async (mode) => {
      const code = [Code.powerOff, Code.print('still here'), Code.spin];
      expect((await boot(code, '--cpu', mode)).stdout).toBe('');
    },
  );

  it('ends with twice the debug-exit value and one', async () => {
    const code = [Code.print('done\n'), Code.out(0xf4, 21), Code.spin];
    const { status, stdout, stderr } = await boot(code, '--debug-exit', '0xf4');
    expect([status, stdout, stderr]).toEqual([43, 'done\n', '']);
  });

  it('starts again after a reset, with the kernel in its place', async () => {
    const code = [Code.print('boot\n'), Code.once([...Code.reset, ...Code.spin]), Code.powerOff];
    const { status, stdout } = await boot([...code, Code.spin]);
    expect([status, stdout]).toEqual([0, 'boot\nboot\n']);
  });

  it('reports a triple fault with the registers', async () => {
    const { status, stderr } = await boot([Code.tripleFault]);
    expect(status).toBe(11);
    expect(stderr).toContain('triple fault on processor 0');
    expect(stderr).toMatch(/RIP=0*400040/);
  });

  it('ends when every processor has halted for good', async () => {
    const { status, stdout } = await boot([Code.print('halting\n'), Code.halt]);
    expect([status, stdout]).toEqual([0, 'halting\n']);
  });

  it('stops a kernel that never ends, by virtual and by real time', async () => {
    expect((await boot([Code.spin], '--timeout', '20ms')).status).toBe(14);
    expect((await boot([Code.spin], '--wall-limit', '100ms')).status).toBe(124);
  });

  it('writes the serial line to a file, or nowhere', async () => {
    await inFolder(async (folder) => {
      const file = join(folder, 'serial');
      const code = [Code.print('line\n'), Code.powerOff, Code.spin];
      expect((await boot(code, '--serial', file)).stdout).toBe('');
      expect(readFileSync(file, 'utf8')).toBe('line\n');
      expect((await boot(code, '--serial', 'none')).stdout).toBe('');
    });
  });

  it('waits for text on the console', async () => {
    const code = [Code.print('one two'), Code.spin];
    expect((await boot(code, '--until', 'two')).status).toBe(0);
  });
});

describe('a kernel that cannot be booted', () => {
  function refused(image: Uint8Array, ...flags: string[]): Promise<CliResult> {
    return inFolder((folder) => {
      writeFileSync(join(folder, 'vmlinuz'), image);
      writeFileSync(join(folder, 'initrd'), '');
      truncateSync(join(folder, 'initrd'), 60 * MIB);
      const named = flags.map((flag) => (flag === 'initrd' ? join(folder, 'initrd') : flag));
      return call('boot', '--kernel', join(folder, 'vmlinuz'), '--quiet', ...named);
    });
  }

  it.each([
    ['is text', new TextEncoder().encode('hello\n'.repeat(200)), [], 'not a kernel; expected'],
    ['is empty', new Uint8Array(0), [], 'is empty (0 bytes); a kernel was expected'],
    ['is truncated', bzImage().subarray(0, 3000), [], 'it is truncated: 3000 bytes'],
    ['has a large RAM disk', bzImage(), ['-m', '64M', '--initrd', 'initrd'], 'do not fit between'],
    [
      'is large',
      bzImage({ initSize: 64 * MIB }),
      ['-m', '64M'],
      'the kernel takes RAM up to 80 MiB',
    ],
  ] as const)('because it %s is one line and exit code 1', async (_, image, flags, reason) => {
    const { status, stdout, stderr } = await refused(image, ...flags);
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain(reason);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  it.each([
    [['--initrd', 'a'], '--initrd: goes with --kernel only'],
    [['--append', 'a'], '--append: goes with --kernel only'],
    [['--kernel', 'a', '--set', 'hz=100'], "--set: is the model guest's"],
    [['--kernel', 'a', '--cpu', 'fast'], '--cpu: "fast" is not one of interpret, jit'],
    [['--kernel', 'a', '--debug-exit', 'x'], '--debug-exit: "x" is not an I/O port'],
    [['--kernel', 'a', '--serial', ''], '--serial: needs a value'],
  ] as const)('with %j is a wrong command line', async (flags, reason) => {
    const { status, stderr } = await call('boot', ...flags);
    expect(status).toBe(2);
    expect(stderr).toContain(reason);
  });

  it('says which files are not there', async () => {
    const { status, stderr } = await call('boot', '--kernel', '/nonexistent/vmlinuz');
    expect([status, stderr]).toEqual([1, 'error: /nonexistent/vmlinuz: no such file\n']);
  });

  it('takes no debug-exit port that a device has', async () => {
    const { status, stderr } = await refused(bzImage(), '--debug-exit', '0x3f8');
    expect(status).toBe(2);
    expect(stderr).toBe('error: --debug-exit: port 0x3f8 belongs to another device\n');
  });
});
