/** The tables "Expected counts" and "Fix chain" of freebsd-bis.md 1.14, cell by cell. */
import { describe, expect, it } from 'vitest';
import type { StorvscProfile } from '../../../src/devices/storvsc/profile.ts';
import type { StorvscMode } from '../../../src/guest/storvsc/protocol.ts';
import { Bench } from './bench.ts';
import { disksAt, flavours, scsiDisk, type Flavour } from './hosts.ts';

function boot(
  mode: StorvscMode,
  profile: StorvscProfile,
  layout: string,
  kind?: { type: 'ide'; channel: number; device: number },
): Bench {
  const bench = new Bench({
    storvscMode: mode,
    release: mode === 'modern' ? 'modern' : 'legacy',
  });
  bench.plug({ profile, luns: disksAt(layout), ...(kind === undefined ? {} : { kind }) });
  bench.kernel.settle();
  expect(bench.kernel.rootHolds).toBe(0);
  return bench;
}

/** "real+bogus". */
function count(bench: Bench): string {
  const { disks } = bench.cam;
  const real = disks.filter((disk) => disk.sectors > 0).length;
  return `${real}+${disks.length - real}`;
}

function namesFrom(bench: Bench): string[] {
  return bench.cam.disks.map((disk) => disk.name);
}

describe('what the legacy driver finds', () => {
  const spc3 = { ...flavours.ws2016tp, inquiryVersionBefore62: 5 };
  it.each([
    ['one SPC-2 disk at 0:0', flavours.ws2016tp, '0:0', '1+15'],
    ['no disk', flavours.ws2016tp, 'none', '0+16'],
    ['one SPC-3 disk at 0:0', spc3, '0:0', '1+8'],
    ['SPC-2 disks at 0:0 and 0:1', flavours.ws2016tp, '0:0 0:1', '2+14'],
    ['one SPC-2 disk at 0:9, which is never probed', flavours.ws2016tp, '0:9', '0+16'],
  ])('%s, with absent LUNs all zero', (_, profile, layout, expected) => {
    expect(count(boot('legacy', profile, layout))).toBe(expected);
  });

  it('is da0 to da15 for one disk, and da0 is the real one', () => {
    const bench = boot('legacy', flavours.ws2016tp, '0:0');
    expect(namesFrom(bench)).toEqual(Array.from({ length: 16 }, (_, unit) => `da${unit}`));
    expect(bench.cam.disks[0]!.sectors).toBeGreaterThan(0);
  });

  it('is four disks on the accelerator channel of one IDE disk', () => {
    const kind = { type: 'ide', channel: 0, device: 0 } as const;
    const bench = boot('legacy', flavours.ws2016tp, '0:0', kind);
    expect(count(bench)).toBe('1+3');
    expect(bench.kernel.lines).toContain('da0 at blkvsc0 bus 0 scbus0 target 0 lun 0');
  });

  it.each(['ws2016', 'openvmm', 'ws2012r2', 'ws2012'] as const)(
    'is real disks only where absent LUNs have a qualifier: %s',
    (flavour) => {
      expect(count(boot('legacy', flavours[flavour], '0:0'))).toBe('1+0');
      expect(count(boot('legacy', flavours[flavour], 'none'))).toBe('0+0');
      expect(count(boot('legacy', flavours[flavour], '0:0 0:1'))).toBe('2+0');
    },
  );
});

/**
 * Rows: host and driver. Columns: layouts. EN-16:16 on the preview finds bogus disks again, since
 * all-zero replies count as short; before that, EN-16:12 on it asks for SPC-3 and REPORT LUNS.
 * D7521 sees no disk behind eight absent LUNs on hosts before 2016, r309726 does. Nobody finds one
 * on the preview when LUN 0 is absent and its INQUIRY fails.
 */
const LAYOUTS = ['0:0', 'none', '0:0 0:1', '0:9', '0:0 0:9', '0:3', '1:0'] as const;
const MATRIX: readonly (readonly [Flavour, StorvscMode, string])[] = [
  ['ws2016tp', 'legacy', '1+15 0+16 2+14 0+16 1+15 1+15 1+15'],
  ['ws2016tp', 'workaround', '1+0 0+0 2+0 0+0 1+0 0+0 1+0'],
  ['ws2016tp', 'en1612', '1+0 0+0 2+0 0+0 2+0 0+0 1+0'],
  ['ws2016tp', 'en1616', '1+8 0+16 2+8 0+16 2+8 1+15 1+8'],
  ['ws2016tp', 'd7521', '1+0 0+0 2+0 0+0 2+0 0+0 1+0'],
  ['ws2016tp', 'r309726', '1+0 0+0 2+0 0+0 2+0 0+0 1+0'],
  ['ws2016tp', 'modern', '1+0 0+0 2+0 0+0 2+0 0+0 1+0'],
  ['ws2016', 'legacy', '1+0 0+0 2+0 1+0 1+0 1+0 1+0'],
  ['ws2016', 'workaround', '1+0 0+0 2+0 0+0 1+0 0+0 1+0'],
  ['ws2016', 'en1612', '1+0 0+0 2+0 0+0 2+0 0+0 1+0'],
  ['ws2016', 'en1616', '1+0 0+0 2+0 0+0 2+0 0+0 1+0'],
  ['ws2016', 'd7521', '1+0 0+0 2+0 1+0 2+0 1+0 1+0'],
  ['ws2016', 'r309726', '1+0 0+0 2+0 1+0 2+0 1+0 1+0'],
  ['ws2016', 'modern', '1+0 0+0 2+0 1+0 2+0 1+0 1+0'],
  ['ws2012r2', 'legacy', '1+0 0+0 2+0 0+0 1+0 1+0 1+0'],
  ['ws2012r2', 'workaround', '1+0 0+0 2+0 0+0 1+0 0+0 1+0'],
  ['ws2012r2', 'en1612', '1+0 0+0 2+0 0+0 1+0 1+0 1+0'],
  ['ws2012r2', 'en1616', '1+0 0+0 2+0 0+0 1+0 1+0 1+0'],
  ['ws2012r2', 'd7521', '1+0 0+0 2+0 0+0 2+0 1+0 1+0'],
  ['ws2012r2', 'r309726', '1+0 0+0 2+0 1+0 2+0 1+0 1+0'],
  ['ws2012r2', 'modern', '1+0 0+0 2+0 1+0 2+0 1+0 1+0'],
  ['ws2012', 'legacy', '1+0 0+0 2+0 0+0 1+0 1+0 1+0'],
  ['ws2012', 'workaround', '1+0 0+0 2+0 0+0 1+0 0+0 1+0'],
  ['ws2012', 'en1612', '1+0 0+0 2+0 0+0 1+0 1+0 1+0'],
  ['ws2012', 'en1616', '1+0 0+0 2+0 0+0 1+0 1+0 1+0'],
  ['ws2012', 'd7521', '1+0 0+0 2+0 0+0 2+0 1+0 1+0'],
  ['ws2012', 'r309726', '1+0 0+0 2+0 1+0 2+0 1+0 1+0'],
  ['ws2012', 'modern', '1+0 0+0 2+0 1+0 2+0 1+0 1+0'],
  ['openvmm', 'legacy', '1+0 0+0 2+0 1+0 1+0 1+0 1+0'],
  ['openvmm', 'workaround', '1+0 0+0 2+0 0+0 1+0 0+0 1+0'],
  ['openvmm', 'en1612', '1+0 0+0 2+0 1+0 1+0 1+0 1+0'],
  ['openvmm', 'en1616', '1+0 0+0 2+0 0+0 1+0 0+0 1+0'],
  ['openvmm', 'd7521', '1+0 0+0 2+0 1+0 2+0 1+0 1+0'],
  ['openvmm', 'r309726', '1+0 0+0 2+0 1+0 2+0 1+0 1+0'],
  ['openvmm', 'modern', '1+0 0+0 2+0 1+0 2+0 1+0 1+0'],
];

describe('the chain of fixes', () => {
  it.each(MATRIX)('on %s, %s', (flavour, mode, expected) => {
    const found = LAYOUTS.map((layout) => count(boot(mode, flavours[flavour], layout)));
    expect(found.join(' ')).toBe(expected);
  });

  it.each([
    ['workaround', 0],
    ['en1612', 1],
    ['legacy', 1],
    ['modern', 1],
  ] as const)(
    '%s on ws2012r2 sees %i disks hot-added beside an empty LUN 0 (PR 209443)',
    (mode, expected) => {
      const bench = new Bench({ storvscMode: mode });
      const { vsp } = bench.plug({ profile: flavours.ws2012r2 });
      bench.kernel.settle();
      vsp.attach({ target: 0, lun: 1 }, scsiDisk());
      bench.kernel.settle();
      expect(bench.cam.disks.length).toBe(expected);
    },
  );

  it.each([
    ['d7521', []],
    ['r309726', ['da0']],
  ] as const)('%s on ws2012r2 with a disk at LUN 9 only (S7)', (mode, expected) => {
    expect(namesFrom(boot(mode, flavours.ws2012r2, '0:9'))).toEqual(expected);
  });
});
