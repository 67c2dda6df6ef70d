import { describe, expect, it } from 'vitest';
import { NS_PER_MS, NS_PER_SECOND } from '../../../src/core/clock.ts';
import { IcStatus } from '../../../src/devices/ic/spec.ts';
import type { KvpEntry } from '../../../src/devices/kvp/values.ts';
import type { IcSoftState } from '../../../src/guest/ic/drivers.ts';
import type { KvpDaemon } from '../../../src/guest/ic/kvp-daemon.ts';
import type { Switches } from '../../../src/guest/switches.ts';
import { rig, type Rig } from './rig.ts';

interface Answer {
  readonly outcome: string;
  readonly status: number;
  readonly entry: KvpEntry | undefined;
  /** From the request to its end, in milliseconds of virtual time. */
  readonly ms: number;
}

/** Asks for a key of the pool that the guest fills itself, and waits for how it ends. */
function ask({ machine, keyValuePair }: Rig, index = 0): Answer {
  const answers: Answer[] = [];
  const startNs = machine.clock.nowNs;
  keyValuePair.enumerate('auto', index, (outcome, status, entry) => {
    answers.push({ outcome, status, entry, ms: (machine.clock.nowNs - startNs) / NS_PER_MS });
  });
  while (answers.length === 0) machine.run(0.001);
  return answers[0]!;
}

function daemonOf(rigged: Rig): KvpDaemon {
  const name = rigged.machine.kernel.isLegacy ? 'hyperv-utils1' : 'hvkvp0';
  return (rigged.soft(name) as IcSoftState).daemon!;
}

function booted(switches: Partial<Switches>, more: Parameters<typeof rig>[0] = {}): Rig {
  const rigged = rig({ switches: { kvpLostWakeup: false, ...switches }, ...more });
  rigged.machine.boot().run(0.5);
  return rigged;
}

/** How often the daemon wakes in a second of an idle machine. */
function idleWakeupsPerSecond(rigged: Rig): number {
  const daemon = daemonOf(rigged);
  const before = daemon.idleWakeups;
  rigged.machine.run(10);
  return Math.round((daemon.idleWakeups - before) / 10);
}

describe('the daemon of key-value pairs and its driver (1.9)', () => {
  it.each([
    ['bis:modern', 2],
    ['bis:2015q4', 1],
  ] as const)(
    'a driver that wakes nobody, a daemon that looks every 100 ms: %s',
    (preset, generation) => {
      const switches = { kvpPollWake: false, kvpPollTimeoutMs: '100' } as const;
      const rigged = booted(switches, { preset, generation });
      const { machine } = rigged;
      const daemon = daemonOf(rigged);
      const latencies: number[] = [];
      for (let phaseMs = 5; phaseMs < 100; phaseMs += 10) {
        const wakeups = daemon.idleWakeups;
        while (daemon.idleWakeups === wakeups) machine.run(0.0001);
        machine.run(phaseMs / 1000);
        const { outcome, ms } = ask(rigged);
        expect(outcome).toBe('answered');
        expect(Math.abs(ms - (100 - phaseMs))).toBeLessThan(1);
        latencies.push(ms);
      }
      expect(Math.min(...latencies)).toBeLessThan(10);
      expect(Math.max(...latencies)).toBeGreaterThan(90);
      expect(idleWakeupsPerSecond(rigged)).toBe(10);
    },
  );

  it('a driver that wakes nobody, a daemon that waits for ever: the request hangs', () => {
    const rigged = booted({ kvpPollWake: false, kvpPollTimeoutMs: 'inf' });
    expect(ask(rigged)).toMatchObject({ outcome: 'timeout', ms: 5_000 });
    expect(daemonOf(rigged).requests).toBe(0);
    rigged.machine.run(1);
    // And so does every one after it.
    expect(ask(rigged)).toMatchObject({ outcome: 'timeout', ms: 5_000 });
    expect(idleWakeupsPerSecond(rigged)).toBe(0);
  });

  it('a driver that wakes its poller, a daemon that looks every 100 ms', () => {
    const rigged = booted({ kvpPollWake: true, kvpPollTimeoutMs: '100' });
    for (let phase = 0; phase < 10; phase += 1) {
      rigged.machine.run(0.0137);
      const { outcome, ms } = ask(rigged);
      expect(outcome).toBe('answered');
      expect(ms).toBeLessThan(1);
    }
    expect(idleWakeupsPerSecond(rigged)).toBe(10);
  });

  it('a driver that wakes its poller, a daemon that waits for ever', () => {
    const rigged = booted({ kvpPollWake: true, kvpPollTimeoutMs: 'inf' });
    const { outcome, ms } = ask(rigged);
    expect(outcome).toBe('answered');
    expect(ms).toBeLessThan(1);
    expect(idleWakeupsPerSecond(rigged)).toBe(0);
  });
});

describe('the lost wake-up (1.8)', () => {
  /** Requests two seconds apart, the first of which the worker may sleep through. */
  function delays(kvpLostWakeup: boolean): number[] {
    const all: number[] = [];
    for (let seed = 1; seed <= 6; seed += 1) {
      const switches = { kvpLostWakeup, kvpPollWake: true, kvpPollTimeoutMs: 'inf' } as const;
      const rigged = booted(switches, { processors: 2, seed });
      for (let count = 0; count < 8; count += 1) {
        const answer = ask(rigged);
        if (answer.outcome === 'answered') all.push(answer.ms);
        rigged.machine.run(2);
      }
    }
    return all;
  }

  it('keeps the worker asleep, and the next key waits for the rest of five seconds', () => {
    const late = delays(true).filter((ms) => ms > 1);
    expect(late.length).toBeGreaterThan(0);
    // Asked two seconds after an answer that woke nobody.
    for (const ms of late) expect(Math.abs(ms - 3_000)).toBeLessThan(2);
  });

  it('does not happen to a worker that looks before it sleeps', () => {
    expect(delays(false).filter((ms) => ms > 1)).toEqual([]);
  });
});

describe('who answers when the daemon does not', () => {
  it('nobody until the daemon has registered: even versions wait (S24)', () => {
    const rigged = rig();
    rigged.machine.runUntil('hvkvp0');
    rigged.machine.run(0.005);
    expect(rigged.keyValuePair.state).toBe('negotiating');
    rigged.machine.boot().run(0.1);
    expect(rigged.keyValuePair.state).toBe('ready');
  });

  it('the worker, after five seconds, with E_FAIL', () => {
    const rigged = booted({ kvpPollWake: true });
    daemonOf(rigged).isStopped = true;
    // The host gives up at the same five seconds; what is late finds nobody.
    expect(ask(rigged).outcome).toBe('timeout');
    rigged.machine.run(0.1);
    daemonOf(rigged).isStopped = false;
    // Its processor idles until the next interrupt, which is the heartbeat's.
    rigged.machine.run(2.5);
    // The late answer of the daemon has not been taken for that of the next request.
    expect(ask(rigged, 5)).toMatchObject({
      outcome: 'answered',
      entry: { key: 'OSName', data: { value: 'FreeBSD' } },
    });
  });

  it('holds up every attach in 10.2, whose worker keeps the semaphore of offers (S1)', () => {
    const attachMs = (offerQueue: 'perChannel' | 'global'): number => {
      const rigged = booted(
        { offerQueue, kvpPollWake: false, kvpPollTimeoutMs: 'inf' },
        { preset: 'bis:10.2', generation: 1 },
      );
      const { machine, keyValuePair } = rigged;
      keyValuePair.enumerate('auto', 0, () => undefined);
      machine.run(0.1);
      const startNs = machine.clock.nowNs;
      const units = machine.guest.bus!.devices.length;
      const late = rig({ preset: 'bis:10.2', generation: 1 }).heartbeat;
      const offer = { ...late.offer, instanceId: 'fd149e91-82e0-4a7d-afa6-000000000002' };
      machine.server.offer({
        offer,
        attached: () => undefined,
        open: () => 0,
        close: () => undefined,
        signaled: () => undefined,
        writable: () => undefined,
      });
      while (machine.guest.bus!.devices.length === units) machine.run(0.001);
      return (machine.clock.nowNs - startNs) / NS_PER_MS;
    };
    expect(attachMs('perChannel')).toBeGreaterThan(4_800);
    expect(attachMs('perChannel')).toBeLessThan(5_000);
    expect(attachMs('global')).toBeLessThan(5);
  });
});

describe('what the daemon keeps', () => {
  it('pairs that the host sets, reads, lists and deletes', () => {
    const { machine, keyValuePair } = booted({});
    const log: string[] = [];
    keyValuePair.set('external', 'colour', { type: 'string', value: 'grün' }, (_, status) =>
      log.push(`set ${status}`),
    );
    keyValuePair.set('external', 'count', { type: 'u32', value: 7 }, (_, status) =>
      log.push(`set ${status}`),
    );
    keyValuePair.get('external', 'colour', (_, __, entry) =>
      log.push(`get ${entry!.key} ${String(entry!.data.value)}`),
    );
    keyValuePair.list('external', (_, status, entries) =>
      log.push(`list ${status} ${entries.map(({ key, data }) => `${key}=${data.value}`).join()}`),
    );
    keyValuePair.delete('external', 'colour', (_, status) => log.push(`delete ${status}`));
    keyValuePair.get('external', 'colour', (_, status) => log.push(`get ${status}`));
    machine.run(1);
    const { noMoreItems } = IcStatus.is;
    expect(log).toEqual([
      'set 0',
      'set 0',
      'get colour grün',
      `list ${noMoreItems} colour=grün,count=7`,
      'delete 0',
      `get ${noMoreItems}`,
    ]);
  });

  it('what the guest says of itself, in the order of the keys', () => {
    const { machine, keyValuePair } = booted({});
    let shown = '';
    keyValuePair.list('auto', (_, __, entries) => {
      shown = entries.map(({ key, data }) => `${key}=${data.value}`).join('\n');
    });
    machine.run(1);
    expect(shown.split('\n')).toHaveLength(10);
    expect(shown).toContain('OSName=FreeBSD\nOSMajorVersion=14\nOSMinorVersion=1\n');
  });

  it('addresses that the host injects', () => {
    const { machine, keyValuePair } = booted({});
    const adapter = '{53595448-564d-4e49-8300-000000000001}';
    const info = {
      isDhcp: false,
      addresses: [{ address: '10.0.0.9', subnet: '255.255.255.0' }],
      gateways: ['10.0.0.1'],
      dnsServers: ['10.0.0.53'],
    };
    let set = -1;
    let got: unknown;
    keyValuePair.setIpInfo(adapter, info, (_, status) => (set = status));
    keyValuePair.getIpInfo(adapter, (_, __, found) => (got = found));
    machine.run(1);
    expect(set).toBe(0);
    expect(got).toEqual(info);
  });

  it('10.2 ends its lists with an entry without a name, and says yes to it', () => {
    const { machine, keyValuePair } = booted({}, { preset: 'bis:2015q4', generation: 1 });
    let said: unknown;
    keyValuePair.list('auto', (outcome, status, entries) => {
      said = { outcome, status, count: entries.length };
    });
    machine.run(2);
    expect(said).toEqual({ outcome: 'answered', status: 0, count: 10 });
  });

  it('10.2 says yes to a key that it does not have', () => {
    const { machine, keyValuePair } = booted({}, { preset: 'bis:10.2', generation: 1 });
    let said: unknown;
    keyValuePair.get('external', 'nothing', (outcome, status, entry) => {
      said = { outcome, status, value: entry?.data.value };
    });
    machine.run(1);
    expect(said).toEqual({ outcome: 'answered', status: 0, value: '' });
  });
});

it('a boot with the same seed has the same key-value traffic', () => {
  const digest = (): string => {
    const rigged = booted({}, { processors: 2, seed: 3 });
    ask(rigged);
    rigged.machine.loop.run(rigged.machine.clock.nowNs + NS_PER_SECOND, Infinity);
    return rigged.machine.trace.digest;
  };
  expect(digest()).toBe(digest());
});
