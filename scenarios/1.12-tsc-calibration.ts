/**
 * The TSC measured against an i8254 that jumps ahead once a period: DELAY(1 s) ends after half of
 * it, the CPU seems half as fast, and when the kernel learns the true rate 16 seconds later, every
 * run time halves (freebsd-bis.md 1.12).
 */
import type { HostProfile } from '../src/machine/profiles.ts';
import { HOST_PROFILES } from '../src/machine/profiles.ts';
import { print, show } from './support/report.ts';
import { legacy, Run } from './support/run.ts';

const HOST = 'ws2012r2';
/** Behind the second turn of the kernel's 16-second calibrator. */
const WATCHED_SECONDS = 33;

export interface Facts {
  /** Of the kernel's CPU line; the true value is 3300. */
  readonly megahertz: number;
  /** "calcru: runtime went backwards from 46204978 usec to 23362331 usec for pid 0 (kernel)". */
  readonly calcru: string;
  /** New run time over old; 1 without such a line. */
  readonly ratio: number;
}

function measure(hostProfile: Partial<HostProfile>, earlyTimecounter: boolean): Facts {
  const run = new Run({ ...legacy, host: HOST, hostProfile, switches: { earlyTimecounter } });
  run.boot().login();
  // ps shows run times, and so finds out which have gone down since it last looked.
  for (let second = 0; second < WATCHED_SECONDS; second += 1) {
    run.type('ps');
    run.forSeconds(1);
  }
  const megahertz = Number(/\((\d+\.\d\d)-MHz/.exec(run.text)?.[1]);
  const calcru = run.linesWith('calcru: runtime went backwards')[0] ?? '';
  const [, from, to] = /from (\d+) usec to (\d+) usec/.exec(calcru) ?? [];
  return { megahertz, calcru, ratio: from === undefined ? 1 : Number(to) / Number(from) };
}

export const broken = (): Facts => measure({}, false);
export const fixed = (): Facts => measure({}, true);
/** The legacy guest where the i8254 does not stray. */
export const soundTimer = (): Facts => measure({ pitAnomaly: null }, false);
/** The legacy guest where the TSC is known to be invariant: nothing ever corrects its rate. */
export const invariantTsc = (): Facts =>
  measure({ hypervisor: { ...HOST_PROFILES[HOST].hypervisor, invariantTsc: true } }, false);

if (import.meta.main) {
  show({
    title: '1.12 A CPU of 3300 MHz, by an i8254 that strays',
    broken,
    fixed,
    rows: {
      'MHz as the kernel has it': (facts) => facts.megahertz.toFixed(2),
      'run time, after / before': (facts) => facts.ratio.toFixed(4),
    },
    excerpt: (facts) => (facts.calcru === '' ? [] : [facts.calcru]),
    lookFor: 'half the rate, and run times that fall to 0.5057 of what they were.',
  });
  const line = (name: string, { megahertz, calcru }: Facts): string =>
    `  ${name.padEnd(26)}${megahertz.toFixed(2)} MHz, ${calcru === '' ? 'no calcru line' : calcru}`;
  print([
    '',
    'The legacy guest elsewhere:',
    line('with a sound i8254', soundTimer()),
    line('with an invariant TSC', invariantTsc()),
  ]);
}
