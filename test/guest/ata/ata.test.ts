/** Emulated IDE under the kernel's drivers: who gets the disks and the DVD drives of Gen-1. */
import { describe, expect, it } from 'vitest';
import { createDefaultDisk } from '../../../src/boot/default-disk.ts';
import { legacy, Run } from '../../support/run.ts';
import { ArrayDisk } from '../../support/array-disk.ts';
import { MemoryDisk } from '../../devices/support/memory-disk.ts';

const MIB = 1024 * 1024;
const disc = (): MemoryDisk => new MemoryDisk(MIB, { readOnly: true });

describe('a Generation-1 machine', () => {
  it('finds the PIIX4, and the disk by storvsc; its emulated twin is vetoed, the DVD drive is not', () => {
    const run = new Run({ generation: 1, switches: { verbose: true } }).boot();
    expect(run.lines).toContain(
      'atapci0: <Intel PIIX4 UDMA33 controller> port 0x1f0-0x1f7,0x3f6,0x170-0x177,0x376,0xffa0-0xffaf at device 7.1 on pci0',
    );
    expect(run.lines).toContain(
      'vgapci0: <VGA-compatible display> mem 0xf8000000-0xfbffffff irq 11 at device 8.0 on pci0',
    );
    expect(run.text).toContain(
      '(aprobe0:ata0:0:0:0): Disable ATA disks on simulated ATA controller',
    );
    expect(run.lines).toContain('da0 at blkvsc0 bus 0 scbus2 target 0 lun 0');
    expect(run.text).not.toContain('ada0');
    expect(run.linesWith('cd0')).toEqual([
      'cd0 at ata1 bus 0 scbus1 target 0 lun 0',
      'cd0: <Msft Virtual CD/ROM 1.0> Removable CD-ROM SCSI device',
      'cd0: 16.700MB/s transfers (WDMA2, ATAPI 12bytes, PIO 65534bytes)',
      'cd0: Attempt to query device size failed: NOT READY, Medium not present - tray closed',
    ]);
  });

  it('with hw.ata.disk_enable boots from the same disk by ATA, with interrupts 14 and 15', () => {
    const run = new Run({ generation: 1, switches: { ataDisks: true } }).boot();
    expect(run.linesWith('ada0')).toEqual([
      'ada0 at ata0 bus 0 scbus0 target 0 lun 0',
      'ada0: <Virtual HD 1.1.0> ATA8-ACS device',
      'ada0: 16.700MB/s transfers (WDMA2, PIO 65536bytes)',
      'ada0: 256MB (524288 512 byte sectors)',
      'Trying to mount root from ufs:/dev/ada0s1a [rw]...',
    ]);
    expect(run.linesWith(' at blkvsc')).toEqual([]);
    expect(run.machine.storage.root).toMatchObject({ device: 'ada0s1a', superblock: 'UFS2' });
    const counters = run.kernel.interrupts.counters().map(({ name }) => name);
    expect(counters).toEqual(expect.arrayContaining(['irq14: ata0', 'irq15: ata1']));
  });

  it('reads and writes one disk by both ways', () => {
    const bytes = new Uint8Array(8192);
    for (const ataDisks of [true, false]) {
      const disk = createDefaultDisk({ generation: 1, sizeBytes: 256 * MIB });
      const run = new Run({ generation: 1, switches: { ataDisks }, disks: [disk] }).boot();
      const { kernel, machine } = run;
      const guestDisk = machine.storage.cam!.disks[0]!;
      const gpa = kernel.allocatePages(4);
      const memory = machine.memory;
      const pattern = Uint8Array.from(bytes, (_, index) => (index * 11) & 0xff);
      memory.writeBytes(gpa, pattern);
      const errors: number[] = [];
      kernel.spawn('test', function* () {
        errors.push(yield* guestDisk.write(300_000, 16, gpa));
        errors.push(yield* guestDisk.flush());
        errors.push(yield* guestDisk.read(300_000, 16, gpa + 8192));
        errors.push(yield* guestDisk.read(524_280, 16, gpa));
      });
      run.forSeconds(1);
      expect(errors, String(ataDisks)).toEqual([0, 0, 0, 22]);
      disk.read(300_000 * 512, bytes, 0, 8192);
      expect(Buffer.from(bytes).equals(pattern)).toBe(true);
      expect(Buffer.from(memory.readBytes(gpa + 8192, 8192)).equals(pattern)).toBe(true);
    }
  });

  it('10.2 keeps ata(4) from the first channel: a DVD drive there is lost', () => {
    const setup = { generation: 1, dvds: [disc(), disc(), disc()] } as const;
    const modern = new Run(setup).boot();
    expect(modern.linesWith('cd present')).toHaveLength(3);
    const old = new Run({ ...setup, ...legacy }).boot();
    expect(old.lines).toContain(
      'ata0: <Hyper-V ATA storage disengage driver> at channel 0 on atapci0',
    );
    expect(old.linesWith('cd present')).toHaveLength(2);
    expect(old.text).not.toContain('ada0');
  });

  it('has no place for more DVD drives than IDE takes', () => {
    const dvds = [disc(), disc(), disc(), disc()];
    expect(() => new Run({ generation: 1, dvds })).toThrow(
      '4 do not fit: Generation 1 has four IDE places, of which 3 are free for them',
    );
  });

  it('fills the places in order: disks on the first channel, the DVD drive at the second', () => {
    const disks = [
      createDefaultDisk({ generation: 1, sizeBytes: 256 * MIB }),
      ...[1, 2, 3].map(() => new ArrayDisk(MIB)),
    ];
    const run = new Run({ generation: 1, disks, dvds: [disc()] }).boot();
    // Numbers of da(4) go by the end of each probe; places do not.
    const places = run.linesWith('da').filter((line) => / at (blk|stor)vsc/.test(line));
    expect(places.map((line) => line.slice(line.indexOf('at '))).toSorted()).toEqual([
      'at blkvsc0 bus 0 scbus2 target 0 lun 0',
      'at blkvsc1 bus 0 scbus3 target 1 lun 0',
      'at blkvsc2 bus 0 scbus4 target 1 lun 0',
      'at storvsc3 bus 0 scbus5 target 0 lun 0',
    ]);
    expect(run.lines).toContain('cd0 at ata1 bus 0 scbus1 target 0 lun 0');
  });
});
