/**
 * PR 205156: with two adapters, hn0 and hn1 change places between boots, since each offer is
 * attached by a thread of its own (freebsd-bis.md 1.7).
 */
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

const BOOTS = 200;
/** Two adapters' receive and send buffers take 62 MB. */
const MEMORY_BYTES = 128 * 1024 * 1024;
/** The adapter that the host offers first. */
export const FIRST_ADDRESS = '00:15:5d:01:01:00';
export const SECOND_ADDRESS = '00:15:5d:01:01:01';

export interface Facts {
  readonly boots: number;
  /** Boots in which the adapter that the host offered first did not become hn0. */
  readonly swapped: number;
  /** The console's lines of the first boot that went wrong, else of the first. */
  readonly lines: readonly string[];
}

/** One machine, powered on and reset; every power cycle has chances of its own. */
function boots(offerQueue: 'perChannel' | 'global'): Facts {
  const run = new Run({
    preset: 'bis:2015q4',
    generation: 1,
    switches: { offerQueue },
    processors: 2,
    networkAdapters: 2,
    memoryBytes: MEMORY_BYTES,
  });
  let swapped = 0;
  let lines: readonly string[] = [];
  for (let boot = 0; boot < BOOTS; boot += 1) {
    if (boot === 0) run.powerOn();
    else run.reset();
    run.untilText('hn1: Ethernet address: ');
    run.forSeconds(0.001);
    const said = run.linesWith('Ethernet address: ');
    const isSwapped = said[0] !== `hn0: Ethernet address: ${FIRST_ADDRESS}`;
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
    lookFor: 'hn0 with the address of the second adapter: a few boots of 200, and none when fixed.',
  });
}
