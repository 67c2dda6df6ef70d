import { describe, expect, it } from 'vitest';
import { restartOf } from '../../src/cli/engine-options.ts';

const LINUX = {
  env: { HOME: '/root' },
  execArgv: [],
  execPath: '/opt/synthvm',
  platform: 'linux',
} as const;
const BINARY = ['bun', '/$bunfs/root/synthvm'];

describe('the restart with options of the engine', () => {
  it('keeps the command line of a binary, and the environment', () => {
    const flags = ['boot', '--kernel', 'vmlinuz', '--append', 'a b'];
    const restart = restartOf({ ...LINUX, execArgv: [], argv: [...BINARY, ...flags] });
    expect(restart?.argv).toEqual(['/opt/synthvm', ...flags]);
    expect(restart?.env).toMatchObject({
      HOME: '/root',
      BUN_JSC_thresholdForOMGOptimizeAfterWarmUp: '50000',
    });
  });

  it('keeps the flags of Bun and the script when it runs from source', () => {
    const source = { ...LINUX, execArgv: ['--smol'], execPath: '/usr/bin/bun' };
    const restart = restartOf({ ...source, argv: ['bun', 'src/main.ts', 'boot', '--kernel=k'] });
    expect(restart?.argv).toEqual(['/usr/bin/bun', '--smol', 'src/main.ts', 'boot', '--kernel=k']);
  });

  it('is for kernels, once, and where there is exec', () => {
    const kernel = { ...LINUX, execArgv: [], argv: [...BINARY, 'boot', '--kernel', 'k'] };
    const restarted = { ...kernel, env: { ...restartOf(kernel)!.env } };
    expect(restartOf(restarted)).toBeUndefined();
    expect(restartOf({ ...kernel, platform: 'win32' })).toBeUndefined();
    expect(restartOf({ ...kernel, argv: [...BINARY, 'boot'] })).toBeUndefined();
    expect(restartOf({ ...kernel, argv: [...BINARY, 'run', '--kernel'] })).toBeUndefined();
  });
});
