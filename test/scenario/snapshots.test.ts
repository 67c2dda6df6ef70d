import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SingleTest } from '../../src/scenario/api.ts';
import { cases } from '../support/cases.ts';
import { passes, runBody, runTopology } from './support/run.ts';

const BOOT_MS = 2500;

async function refusal(action: () => Promise<unknown>): Promise<string> {
  try {
    await action();
  } catch (error) {
    return String(error);
  }
  return 'was not refused';
}

/** What a script may do to a machine that a snapshot has to hold. */
const ACTIONS: readonly ((test: SingleTest) => Promise<unknown>)[] = [
  ({ vm }) => vm.run('7ms'),
  ({ vm }) => vm.console.type('x'),
  ({ vm }) => vm.keyboard.type('Ab'),
  ({ vm }) => vm.keyboard.press('leftControl', 'c'),
  ({ vm }) => vm.mouse.move(10, 20),
  ({ vm }) => vm.mouse.click(),
  ({ vm }) => vm.pause(),
  ({ vm }) => vm.resume(),
  ({ vm }) => Promise.resolve(vm.integration.timeSync.jump('5s')),
  ({ vm }) => Promise.resolve(vm.nics[0]?.link(false)),
  ({ vm }) => Promise.resolve(vm.nics[0]?.link(true)),
];

describe('a fork of a machine', () => {
  it('goes on as the first does, from any point of a boot', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: BOOT_MS * 1e6 }),
        fc.constantFrom<1 | 2>(1, 2),
        async (ns, generation) => {
          await passes(
            async ({ vm, expect: check }) => {
              await vm.run(`${ns + 1}ns`);
              const fork = await vm.fork();
              check(fork.time.ns).toBe(vm.time.ns);
              check(fork.digest).toBe(vm.digest);
              await Promise.all([vm.boot(), fork.boot()]);
              check(fork.digest).toBe(vm.digest);
              check(fork.console.text).toBe(vm.console.text);
            },
            { generation },
          );
        },
      ),
      { numRuns: cases(8, 3) },
    );
  });

  it('has had what the script did to the first', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: ACTIONS.length - 1 }), { minLength: 1, maxLength: 8 }),
        async (choices) => {
          await passes(
            async (test) => {
              const { vm, expect: check } = test;
              await vm.console.login();
              for (const choice of choices) {
                // Nobody reads keys while the processors stand still.
                if (vm.state === 'paused') await vm.resume();
                await ACTIONS[choice]!(test);
              }
              const fork = await vm.fork();
              check(fork.state).toBe(vm.state);
              await Promise.all([vm.run('1s'), fork.run('1s')]);
              check(fork.digest).toBe(vm.digest);
            },
            { nics: 1 },
          );
        },
      ),
      { numRuns: cases(8, 3) },
    );
  });

  it('goes its own way, and can be forked', async () => {
    await passes(async ({ vm, expect: check }) => {
      await vm.boot();
      const atLogin = await vm.snapshot();
      await vm.console.login();
      const left = await atLogin.fork();
      check(left.digest).toBe(atLogin.digest);
      // Its console has the prompt that the first had not passed then.
      await left.console.login();
      check(left.digest).toBe(vm.digest);
      await left.console.run('echo left');
      const right = await left.fork();
      check(right.digest).toBe(left.digest);
      check(left.digest === vm.digest).toBe(false);
      await right.integration.shutdown();
      check((await right.halt()).reason).toBe('power-off');
      check([vm.state, left.state, right.state]).toEqual(['running', 'running', 'off']);
    });
  });

  it('has the disks that the first has, with what was written', async () => {
    await passes(
      async ({ vm, expect: check }) => {
        await vm.console.login();
        await vm.console.run('newfs -U /dev/da1');
        const fork = await vm.fork();
        for (const one of [vm, fork]) {
          check(await one.console.run('mkdir /mnt; mount /dev/da1 /mnt; df')).toContain('/dev/da1');
        }
        check(fork.digest).toBe(vm.digest);
        await Promise.all([vm.run('1s'), fork.run('1s')]);
        check(fork.digest).toBe(vm.digest);
      },
      { disks: [{ builtIn: true }, { builtIn: true }] },
    );
  });

  it('fails the run when it crashes and nobody waits for that', async () => {
    const record = await runBody(async ({ vm }) => {
      await vm.boot();
      const fork = await vm.fork();
      await fork.nmi();
      await fork.run('10s').catch(() => undefined);
    });
    expect(record.result).toBe('failed');
    expect(record.failure?.message).toContain('did not wait for that');
  });
});

describe('a snapshot is refused', () => {
  it('of a machine that is off', async () => {
    await passes(async ({ vm, expect: check }) => {
      check(await refusal(() => vm.snapshot())).toContain('is off');
    });
  });

  it('after what cannot be repeated, which it names', async () => {
    await passes(async ({ vm, expect: check }) => {
      await vm.boot();
      vm.vmbus.drop({ type: 'openResult' });
      check(await refusal(() => vm.snapshot())).toContain('after a rule on messages');
    });
  });

  it('with a disk that is written in place', async () => {
    await passes(
      async ({ vm, expect: check }) => {
        await vm.boot();
        check(await refusal(() => vm.snapshot())).toContain('disk 1.vhdx is written in place');
      },
      { disks: [{ builtIn: true }, { size: '16M', format: 'vhdx-dynamic' }] },
    );
  });

  it('of one of several machines', async () => {
    const record = await runTopology(
      { machines: { a: { memory: '64M' }, b: { memory: '64M' } } },
      async ({ vms, expect: check }) => {
        await vms.a.boot();
        check(await refusal(() => vms.a.fork())).toContain('shares its run with others');
      },
    );
    expect(record.failure?.message).toBeUndefined();
  });
});
