/**
 * Sixteen disks where there is one. A Technical Preview of Windows Server 2016 answers INQUIRY to
 * an absent LUN with an error and an untouched buffer; 10.2's storvsc looks at neither status nor
 * length, and CAM takes 36 zeros for a disk (freebsd-bis.md 1.14).
 */
import { ScsiDisk } from '../src/devices/scsi/disk.ts';
import type { Switches } from '../src/guest/switches.ts';
import type { HostName } from '../src/machine/profiles.ts';
import { HOST_PROFILES } from '../src/machine/profiles.ts';
import { print, show } from './support/report.ts';
import { emptyDisk, gen2Switches, legacy, Run, type Setup } from './support/run.ts';

const SECTOR_BYTES = 512;
const BOOTS = 20;

export interface Facts {
  /** Disks that the guest found: da0, da1, ... */
  readonly disks: readonly string[];
  /** Those among them that have no sectors. */
  readonly empty: number;
  /** What the console says of the last disk. */
  readonly lastLines: readonly string[];
}

/** A machine whose only disk, which it boots from, is on the synthetic SCSI controller. */
function boot(storvscMode: Switches['storvscMode'], host: HostName = 'ws2016tp'): Facts {
  const switches = { ...gen2Switches, storvscMode };
  const run = new Run({ preset: 'bis:10.2', generation: 2, host, switches }).boot();
  const disks = run.machine.storage.cam!.disks;
  const last = disks.at(-1)!.name;
  return {
    disks: disks.map(({ name }) => name),
    empty: disks.filter(({ sectors }) => sectors === 0).length,
    lastLines: run.lines.filter(
      (line) => line.startsWith(`${last}:`) || line.startsWith(`${last} `),
    ),
  };
}

export const broken = (): Facts => boot('legacy');
export const fixed = (): Facts => boot('d7521');
/** The legacy driver on the release before, which answers with a qualifier that CAM knows. */
export const on2012R2 = (): Facts => boot('legacy', 'ws2012r2');

export interface Layout {
  readonly name: string;
  /** "0:0 0:1": targets and LUNs of the disks on the SCSI controller. */
  readonly disks: string;
  readonly setup?: Setup;
  /** Count the disks of the IDE accelerator instead. */
  readonly isIde?: boolean;
}

const tp = HOST_PROFILES.ws2016tp;

/** The reference's table "Expected counts", row by row. */
export const LAYOUTS: readonly Layout[] = [
  { name: 'one disk at 0:0, SPC-2', disks: '0:0' },
  { name: 'no disk at all', disks: '' },
  {
    name: 'one disk at 0:0, SPC-3',
    disks: '0:0',
    setup: { hostProfile: { storvsc: { ...tp.storvsc, inquiryVersionBefore62: 5 } } },
  },
  { name: 'disks at 0:0 and 0:1, SPC-2', disks: '0:0 0:1' },
  { name: 'one disk at 0:9, SPC-2', disks: '0:9' },
  { name: 'disks at 0:0 and 0:1, host ws2016', disks: '0:0 0:1', setup: { host: 'ws2016' } },
  { name: 'one disk on an IDE accelerator', disks: '', isIde: true },
];

/**
 * The legacy driver on a Generation-1 machine, which boots from IDE whatever is on SCSI.
 * @returns disks with sectors and without, of the controller that the layout is about
 */
export function count(layout: Layout): { readonly real: number; readonly bogus: number } {
  const run = new Run({ ...legacy, host: 'ws2016tp', ...layout.setup });
  for (const place of layout.disks.split(' ').filter((text) => text !== '')) {
    const [target, lun] = place.split(':').map(Number);
    const disk = new ScsiDisk(emptyDisk(place, 1024 * SECTOR_BYTES));
    run.board.scsi.attach({ target: target!, lun: lun! }, disk);
  }
  run.powerOn().untilText('Trying to mount root');
  const controller = layout.isIde === true ? 'blkvsc' : 'storvsc';
  const disks = run.machine.storage.cam!.disks.filter(
    ({ device }) => device.bus.sim.name === controller,
  );
  const real = disks.filter(({ sectors }) => sectors > 0).length;
  return { real, bogus: disks.length - real };
}

export interface MountFailures {
  readonly boots: number;
  readonly failed: number;
  /** What the console says of the first failure. */
  readonly line: string;
}

/**
 * The worse half of the bug: on a Generation-1 machine with an empty SCSI controller a bogus disk
 * can take the name that the loader means, and the root is not found.
 */
export function mountFailures(storvscMode: Switches['storvscMode']): MountFailures {
  const run = new Run({ ...legacy, host: 'ws2016tp', switches: { storvscMode } });
  let failed = 0;
  let line = '';
  for (let boot = 0; boot < BOOTS; boot += 1) {
    if (boot === 0) run.powerOn();
    else run.reset();
    run.until(() => run.text.endsWith('login: ') || run.text.endsWith('mountroot> '));
    const [failure] = run.linesWith('Mounting from');
    if (failure === undefined) continue;
    failed += 1;
    if (line === '') line = failure;
  }
  return { boots: BOOTS, failed, line };
}

if (import.meta.main) {
  show({
    title: '1.14 One disk on a Windows Server 2016 Technical Preview host',
    broken,
    fixed,
    rows: {
      'disks found': (facts) => facts.disks.length,
      'without a sector': (facts) => facts.empty,
      'from, to': ({ disks }) => `${disks[0]!} to ${disks.at(-1)!}`,
    },
    excerpt: (facts) => facts.lastLines,
    lookFor: 'da1 to da15, SCSI-0 disks of no vendor and 0 MB.',
  });
  const { boots, failed, line } = mountFailures('legacy');
  const rows = LAYOUTS.map((layout) => {
    const { real, bogus } = count(layout);
    return `  ${layout.name.padEnd(36)}${real} + ${bogus}`;
  });
  print([
    '',
    'The legacy driver by layout of its controller, real disks + bogus ones:',
    ...rows,
    '',
    'The legacy driver with the boot disk on IDE and nothing on SCSI:',
    `  ${failed} of ${boots} boots end at the mountroot prompt: ${line}`,
  ]);
}
