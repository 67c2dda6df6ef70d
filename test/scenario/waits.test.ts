import { describe, expect, it } from 'vitest';
import { Machine } from '../../src/machine/machine.ts';
import { never } from '../../src/scenario/index.ts';
import { passes, runBody, runTopology } from './support/run.ts';

const MIB = 1024 * 1024;

describe('a machine of a scenario', () => {
  it('is the machine that the same configuration gives without one', async () => {
    const bare = new Machine({
      generation: 2,
      host: 'ws2022',
      memoryBytes: 64 * MIB,
      processors: 1,
      networkAdapters: 0,
      seed: 7n,
      disks: [],
      preset: 'bis:modern',
    });
    bare.powerOn();
    bare.run(3e9);
    const { digest } = await passes(({ vm }) => vm.run('3s'), { seed: 7 });
    expect(digest).toBe(bare.trace.digest);
  });

  it('stands still while the script awaits nothing of it', async () => {
    await passes(async ({ vm, expect: check }) => {
      await vm.run('1s');
      const before = { ns: vm.time.ns, digest: vm.digest };
      await new Promise((resolve) => setTimeout(resolve, 20));
      check({ ns: vm.time.ns, digest: vm.digest }).toEqual(before);
    });
  });

  it('runs the same whether waits are few or many', async () => {
    const few = await passes(({ vm }) => vm.run('3s'));
    const many = await passes(async ({ vm }) => {
      for (let count = 0; count < 300; count += 1) await vm.run('10ms');
    });
    expect(many.digest).toBe(few.digest);
  });

  it('has the seed that the runner says, else the script’s', async () => {
    expect((await passes(() => undefined, { seed: 5 })).seed).toBe(5n);
    expect((await passes(() => undefined, { seed: 5 }, { seed: 6n })).seed).toBe(6n);
  });
});

describe('waits', () => {
  it('tell phases, devices, disks and channels', async () => {
    const { machines } = await passes(async ({ vm, expect: check }) => {
      await vm.phase('vmbus-connected');
      check((await vm.vmbus.channel('scsi', { within: '10s' })).state).toBe('open');
      await vm.device('storvsc0');
      check((await vm.disk('da0')).lun).toBe(0);
      await vm.boot();
      const reachedNs = vm.time.ns;
      // What is past does not come again.
      await vm.phase('kernel');
      check(vm.time.ns).toBe(reachedNs);
    });
    expect(machines[0]!.lastPhase?.name).toBe('login');
  });

  it('pass text once, in the order of the console', async () => {
    await passes(async ({ vm, expect: check }) => {
      const [mounting] = await vm.console.wait(/Trying to mount .*/);
      check(mounting).toContain('ufs:');
      await vm.console.login();
      check(await vm.console.run('echo one two')).toBe('one two');
      check(vm.console.lines('Trying to mount')).toHaveLength(1);
    });
  });

  it('end with their virtual time, and say what was awaited and where', async () => {
    const { failure, virtualNs } = await runBody(async ({ vm, step }) => {
      await step('an impossible step', async () => {
        await vm.console.wait('no such text', { within: '3s' });
      });
    });
    expect(failure).toMatchObject({
      message: 'console text "no such text" did not come within 3.000 s of virtual time',
      step: 'an impossible step',
      awaited: 'console text "no such text"',
      cause: { kind: 'virtual-time' },
      place: { file: import.meta.filename },
    });
    expect(virtualNs).toBe(3e9);
  });

  it('may be for several things at a time', async () => {
    await passes(async ({ vm, expect: check }) => {
      const first = await Promise.race([
        vm.phase('login').then(() => 'login'),
        vm.phase('kernel').then(() => 'kernel'),
      ]);
      check(first).toBe('kernel');
      await vm.boot();
    });
  });

  it('that nobody awaits are an error at the end', async () => {
    const { failure } = await runBody(({ vm }) => {
      void vm.boot().catch(() => undefined);
    });
    expect(failure?.message).toBe(
      'the script ended while it had begun to wait for console text "login: "; is an await missing?',
    );
  });

  it('for what no machine brings end with real time', async () => {
    const { failure } = await runBody(() => new Promise(() => undefined), {}, { wallLimitMs: 50 });
    expect(failure?.cause).toEqual({ kind: 'wall-time', limitMs: 50 });
    expect(failure?.message).toBe('the script has not ended within 0.05 s of real time');
  });
});

describe('endings', () => {
  it('a crash that nobody awaits fails the scenario', async () => {
    const { failure } = await runBody(async ({ vm }) => {
      await vm.boot();
      await vm.nmi();
      await vm.console.wait('no such text');
    });
    expect(failure?.message).toMatch(
      /^the guest crashed: .*NMI.* while console text .* was awaited$/,
    );
    expect(failure?.cause).toMatchObject({ kind: 'ended', vm: 'vm' });
  });

  it('a crash may be awaited', async () => {
    await passes(async ({ vm, expect: check }) => {
      await vm.boot();
      await vm.nmi();
      check((await vm.crash()).message).toBe('NMI indicates hardware failure');
      // Time goes on without the guest.
      await vm.run('1s');
    });
  });

  it('power-off, reset and pause', async () => {
    await passes(async ({ vm, expect: check }) => {
      await vm.boot();
      await vm.reset();
      await vm.boot();
      check(vm.console.lines('Trying to mount')).toHaveLength(2);
      await vm.pause();
      const busy = vm.digest;
      await vm.run('10ms');
      check(() => vm.nmi()).toThrow('is paused');
      await vm.resume();
      await vm.console.login();
      check(vm.digest).not.toBe(busy);
      await vm.powerOff();
      check(await vm.halt()).toEqual({ reason: 'power-off', text: 'the guest powered off' });
      await vm.powerOn();
      await vm.boot();
    });
  });

  it('never: text that must not come', async () => {
    const { failure } = await runBody(async ({ vm }) => {
      using _login = never(vm, /^Trying to mount root/);
      await vm.boot();
    });
    expect(failure?.cause).toEqual({ kind: 'never' });
    expect(failure?.message).toMatch(/^the console shows .* which never was to come$/);
    await passes(async ({ vm }) => {
      {
        using _panic = never(vm, 'panic');
        await vm.phase('kernel');
      }
      await vm.boot();
    });
  });
});

describe('assertions', () => {
  it('fail with their place in the script', async () => {
    const { failure } = await runBody(({ expect: check }) => {
      check({ a: 1 }).toEqual({ a: 2 });
    });
    expect(failure).toMatchObject({
      message: 'expected { a: 1 } to deeply equal { a: 2 }',
      cause: { kind: 'assertion' },
      place: { file: import.meta.filename },
    });
  });

  it('whatever a script throws or rejects with is told', async () => {
    const thrown = await runBody(() => {
      throw new TypeError('of the script');
    });
    expect(thrown.failure?.message).toBe('TypeError: of the script');
    const rejected = await runBody(() => Promise.reject('only a text'));
    expect(rejected.failure?.message).toBe('rejected with only a text');
  });

  it('an option that there is not is named', async () => {
    const { failure } = await runBody(() => undefined, { memroy: '1G' } as object);
    expect(failure?.message).toBe('a scenario: unknown option "memroy"; did you mean "memory"?');
  });
});

describe('several machines', () => {
  it('talk over a switch, in one virtual time', async () => {
    const address = (last: number): Record<string, string> => ({
      ifconfig_hn0: `inet 10.0.0.${last} netmask 255.255.255.0`,
    });
    const lan = { memory: '128M', nics: [{ on: 'lan' }] } as const;
    const { failure, machines } = await runTopology(
      {
        machines: { left: { ...lan, rcConf: address(1) }, right: { ...lan, rcConf: address(2) } },
        switches: ['lan'],
      },
      async ({ vms: { left, right }, expect: check }) => {
        await Promise.all([left.boot(), right.boot()]);
        await left.console.login();
        const request = right.nics[0]!.packet(({ sent, bytes }) => !sent && bytes[23] === 1);
        check(await left.console.run('ping -c 1 10.0.0.2')).toContain('0.0% packet loss');
        await request;
        left.nics[0]!.faults({ drop: 1 });
        check(await left.console.run('ping -c 1 10.0.0.2')).toContain('100.0% packet loss');
        left.nics[0]!.faults();
        right.nics[0]!.link(false);
        check(await left.console.run('ping -c 1 10.0.0.2')).toContain('100.0% packet loss');
      },
    );
    expect(failure).toBeUndefined();
    expect(machines.map(({ name }) => name)).toEqual(['left', 'right']);
  });
});
