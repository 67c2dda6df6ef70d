/**
 * PR 205156: with two adapters, hn0 and hn1 change places between boots, since each offer is
 * attached by a thread of its own (freebsd-bis.md 1.7).
 */
import { NS_PER_US } from '../src/core/clock.ts';
import type { Task } from '../src/guest/kernel/api.ts';
import type { GuestDriver } from '../src/guest/vmbus/api.ts';
import { DeviceClass } from '../src/vmbus/spec/guids.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

const BOOTS = 200;
/** What an attach takes before the address is known. */
const ATTACH_NS = 30 * NS_PER_US;

export interface Facts {
  readonly boots: number;
  /** Boots in which the adapter that the host offered first did not become hn0. */
  readonly swapped: number;
  /** The console's lines of the first boot that went wrong, else of the first. */
  readonly lines: readonly string[];
}

/** As much of hn as the order needs: it prints an address that is made of the instance. */
const adapter: GuestDriver = {
  name: 'hn',
  probe: ({ interfaceId }) =>
    interfaceId === DeviceClass.network ? 'Synthetic Network Interface' : undefined,
  *attach({ kernel, name, channel }): Task<number> {
    yield ATTACH_NS;
    const last = channel.offer.instanceId.slice(-2);
    kernel.printf(`${name}: Ethernet address: 00:15:5d:00:00:${last}\n`);
    return 0;
  },
};

/** Every power cycle of a machine draws a seed of its own from the machine's. */
function boots(offerQueue: 'perChannel' | 'global'): Facts {
  const run = new Run({
    preset: 'bis:2015q4',
    generation: 1,
    switches: { offerQueue },
    processors: 2,
    networkAdapters: 2,
    drivers: [adapter],
  });
  let swapped = 0;
  let lines: readonly string[] = [];
  for (let boot = 0; boot < BOOTS; boot += 1) {
    if (boot === 0) run.powerOn();
    else run.reset();
    run.untilText('hn1: Ethernet address: ');
    run.forSeconds(0.001);
    const said = run.lines.filter((line) => line.startsWith('hn'));
    const isSwapped = !said.includes('hn0: Ethernet address: 00:15:5d:00:00:01');
    if (boot === 0 || (isSwapped && swapped === 0)) lines = said;
    if (isSwapped) swapped += 1;
  }
  return { boots: BOOTS, swapped, lines };
}

export const broken = (): Facts => boots('perChannel');
export const fixed = (): Facts => boots('global');

if (import.meta.main) {
  show({
    title: '1.7 Which adapter is hn0: one machine, 200 boots',
    broken,
    fixed,
    rows: {
      boots: (facts) => facts.boots,
      'boots with hn0 and hn1 swapped': (facts) => facts.swapped,
    },
    excerpt: (facts) => facts.lines,
    lookFor: 'hn0 with the address that ends in 02: a few boots of 200, and none when fixed.',
  });
}
