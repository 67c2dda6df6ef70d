import { describe, expect, it } from 'vitest';
import { ExitCode } from '../../src/core/errors.ts';
import { readPartitions } from '../../src/storage/partitions/read.ts';
import { GptType } from '../../src/storage/partitions/spec.ts';
import { buildEfiApplication } from '../../src/uefi/pe-writer.ts';
import { VariableStore, writeBootOption, writeBootOrder } from '../../src/uefi/variables.ts';
import { ArrayDisk } from '../support/array-disk.ts';
import { efiDisk, gptDisk, LOADER_PATH, mbrDisk } from './disks.ts';
import { boot, disk, MIB, stop } from './rig.ts';

const LOADER = buildEfiApplication({ code: Uint8Array.of(0x31, 0xc0, 0xc3) });

function gen2(block: ArrayDisk): string {
  return stop(boot({ generation: 2, disks: [disk(block)] }));
}

function gen1(block: ArrayDisk): string {
  return stop(boot({ generation: 1, disks: [disk(block)] }));
}

describe('Generation 2 stops', () => {
  it('with no disk at all, exit code 12, after the firmware phase', () => {
    const rig = boot({ generation: 2 });
    expect(stop(rig)).toBe('boot-device: no boot device: the machine has no disk and no DVD');
    expect(rig.result).toMatchObject({ exitCode: ExitCode.noBootDevice });
    expect(rig.phases).toEqual(['450 ms firmware']);
  });

  it('with too little RAM for UEFI', () => {
    const rig = boot({ generation: 2, ramBytes: 16 * MIB });
    expect(stop(rig)).toBe('firmware: 16 MiB of RAM, UEFI needs at least 32 MiB');
  });

  it('on a blank disk', () => {
    expect(gen2(new ArrayDisk(8 * MIB))).toBe(
      'boot-device: no boot device: disk 0:0 (disk.img): neither a partition table nor a FAT file system is on it',
    );
  });

  it('without an EFI system partition, naming what there is', () => {
    expect(gen2(gptDisk(GptType.freebsdUfs))).toBe(
      'boot-device: no boot device: disk 0:0 (gpt.img): no EFI system partition (ESP) in its GPT: it has only: FreeBSD UFS',
    );
    expect(gen2(mbrDisk([{ typeByte: 0xa5, active: true, bootable: true }]))).toBe(
      'boot-device: no boot device: disk 0:0 (gen1.img): no EFI system partition (ESP) in its MBR: it has only: FreeBSD',
    );
  });

  it('on an ESP without a FAT file system', () => {
    expect(gen2(gptDisk(GptType.efiSystem))).toMatch(
      /^boot-device: no boot device: disk 0:0 \(gpt\.img\): partition 1 \(EFI system\) has no FAT file system: /,
    );
  });

  it('without \\EFI\\BOOT\\BOOTX64.EFI, with a hint at a loader for another machine', () => {
    const where = 'disk 0:0 (gen2.img) partition 1 (EFI system)';
    expect(gen2(efiDisk({}).disk)).toBe(
      `boot-device: no boot device: ${where}: no ${LOADER_PATH} on it`,
    );
    expect(gen2(efiDisk({ '\\EFI\\BOOT\\BOOTAA64.EFI': 'x' }).disk)).toBe(
      `boot-device: no boot device: ${where}: no ${LOADER_PATH} on it; it has BOOTAA64.EFI, which is for AArch64`,
    );
  });

  it('on a loader that is text', () => {
    const rig = boot({ generation: 2, disks: [disk(efiDisk({ [LOADER_PATH]: 'hello' }).disk)] });
    expect(stop(rig)).toBe(
      `loader: disk 0:0 (gen2.img) partition 1 (EFI system): ${LOADER_PATH} is not a PE image: starts with 'hell', expected 'MZ'`,
    );
    expect(rig.phases).toEqual(['450 ms firmware', '510 ms boot-device']);
  });

  it('on a loader for another machine', () => {
    const arm = buildEfiApplication({ code: Uint8Array.of(0), machine: 0xaa64 });
    expect(gen2(efiDisk({ [LOADER_PATH]: arm }).disk)).toBe(
      `loader: disk 0:0 (gen2.img) partition 1 (EFI system): ${LOADER_PATH} is for AArch64 (0xAA64), this machine needs x86-64 (0x8664)`,
    );
  });

  it('on a GPT with both headers bad', () => {
    const { disk: block } = efiDisk({ [LOADER_PATH]: LOADER });
    block.bytes[512 + 24] = 0xff;
    block.bytes[block.sizeBytes - 512] = 0;
    expect(gen2(block)).toMatch(
      /^boot-device: no boot device: disk 0:0 \(gen2\.img\): both GPT headers are bad: primary at offset 512: header CRC32 is 0x[0-9a-f]+, computed 0x[0-9a-f]+; backup at offset 25165312: no "EFI PART" signature/,
    );
  });

  it('on a loader whose cluster chain loops', () => {
    const big = new Uint8Array(64 * 1024).fill(0x4d);
    const { disk: block, volume } = efiDisk({ [LOADER_PATH]: big });
    const entry = volume.stat(LOADER_PATH)!;
    volume.table.set(entry.firstCluster + 2, entry.firstCluster);
    volume.table.flush();
    expect(gen2(block)).toMatch(/^loader: disk 0:0 .*BOOTX64\.EFI.*loop/);
  });

  it('with every disk and DVD listed when several were tried', () => {
    const rig = boot({
      generation: 2,
      disks: [disk(new ArrayDisk(MIB, { name: 'a.img' })), disk(gptDisk(GptType.linuxRoot), 1)],
      dvds: [disk(new ArrayDisk(MIB, { name: 'b.iso' }), 2, 'dvd')],
    });
    const reason = stop(rig);
    expect(reason).toContain('disk 0:0 (a.img): neither a partition table nor');
    expect(reason).toContain('disk 1:0 (gpt.img): no EFI system partition');
    expect(reason).toContain('DVD 2:0 (b.iso): ');
  });
});

describe('Generation 2 boots all the same', () => {
  it('from the backup GPT when the primary is bad, with a warning told once', () => {
    const { disk: block } = efiDisk({ [LOADER_PATH]: LOADER });
    block.bytes[512 + 24] = 0xff;
    const rig = boot({ generation: 2, disks: [disk(block)] });
    expect(rig.result.kind).toBe('started');
    expect(rig.warnings).toHaveLength(1);
    expect(rig.warnings[0]).toMatch(/^gen2\.img: the primary GPT is bad \(.*\); the backup at/);
  });

  it('from the second disk when the first is no good, with a warning', () => {
    const { disk: block } = efiDisk({ [LOADER_PATH]: LOADER });
    const rig = boot({
      generation: 2,
      disks: [disk(new ArrayDisk(MIB, { name: 'data.img' })), disk(block, 1)],
    });
    expect(rig.result).toMatchObject({ kind: 'started', device: { target: 1 } });
    expect(rig.warnings[0]).toContain('data.img');
  });

  it('from a medium that is one FAT volume without partitions', () => {
    const { disk: block, espStart } = efiDisk({ [LOADER_PATH]: LOADER });
    const whole = new ArrayDisk(block.bytes.slice(espStart, espStart + 20 * MIB));
    expect(boot({ generation: 2, disks: [disk(whole)] }).result.kind).toBe('started');
  });

  it('by BootOrder, with BootCurrent set and the load options handed over', () => {
    const { disk: block } = efiDisk({ '\\EFI\\FreeBSD\\loader.efi': LOADER });
    const variables = new VariableStore();
    writeBootOption(variables, {
      number: 7,
      description: 'Nothing',
      isActive: true,
      path: [{ kind: 'scsi', target: 9, lun: 0 }],
      optionalData: new Uint8Array(0),
    });
    writeBootOption(variables, {
      number: 0x1a,
      description: 'FreeBSD',
      isActive: true,
      path: [
        { kind: 'scsi', target: 0, lun: 0 },
        { kind: 'file', path: '\\EFI\\FreeBSD\\loader.efi' },
      ],
      optionalData: Uint8Array.of(1, 2, 3),
    });
    writeBootOrder(variables, [7, 0x1a]);
    const rig = boot({ generation: 2, disks: [disk(block)], variables });
    expect(rig.result).toMatchObject({ kind: 'started' });
    expect(variables.get('BootCurrent')?.data).toEqual(Uint8Array.of(0x1a, 0));
    expect(rig.warnings[0]).toBe('Boot0007 "Nothing": no device matches Scsi(0x9,0x0)');
  });
});

describe('the trace of a boot', () => {
  it('does not depend on where the image is kept, nor on its format', () => {
    const digests = ['/home/a/disk.vhdx', 'b.img'].map((name) => {
      const { disk: block } = efiDisk({ [LOADER_PATH]: LOADER }, name);
      block.bytes[512 + 24] = 0xff;
      return boot({ generation: 2, disks: [disk(block)] }).digest;
    });
    expect(digests[0]).toBe(digests[1]);
  });
});

describe('a boot option', () => {
  const { disk: block } = efiDisk({ '\\EFI\\debian\\shimx64.efi': LOADER });
  const esp = readPartitions(block).partitions[0]!;

  function withOption(signature: string): VariableStore {
    const variables = new VariableStore();
    writeBootOption(variables, {
      number: 1,
      description: 'debian',
      isActive: true,
      path: [
        { kind: 'partition', table: 'gpt', number: 1, startLba: 0, sizeLba: 0, signature },
        { kind: 'file', path: '\\EFI\\debian\\shimx64.efi' },
      ],
      optionalData: new Uint8Array(0),
    });
    writeBootOrder(variables, [1]);
    return variables;
  }

  it('finds its partition by GUID alone, as installers write it, on any disk', () => {
    const disks = [disk(gptDisk(GptType.linuxRoot)), disk(block, 3)];
    const { result } = boot({ generation: 2, disks, variables: withOption(esp.uniqueId) });
    expect(result).toMatchObject({ kind: 'started', device: { target: 3 } });
    expect(result.kind === 'started' && result.loader).toMatch(/HD\(1,GPT,.*shimx64\.efi$/);
  });

  it('that matches nothing is named, and so is what was tried after it', () => {
    const variables = withOption('00000000-0000-0000-0000-00000000dead');
    const reason = stop(boot({ generation: 2, disks: [disk(block)], variables }));
    expect(reason).toContain('Boot0001 "debian": no device matches HD(1,GPT,00000000-');
    expect(reason).toContain(`no ${LOADER_PATH} on it`);
  });
});

describe('Generation 1 stops', () => {
  it('with no disk at all', () => {
    expect(stop(boot({ generation: 1 }))).toContain('no boot device: the machine has no disk');
  });

  it('without an MBR signature', () => {
    const block = mbrDisk([{ typeByte: 0xa5, active: true, bootable: true }]);
    block.bytes[511] = 0;
    expect(gen1(block)).toBe(
      'boot-device: no boot device: disk 0:0 (gen1.img): no MBR signature: sector 0 ends in 55 00, expected 55 AA',
    );
  });

  it('without an active partition', () => {
    expect(gen1(mbrDisk([{ typeByte: 0x83 }]))).toBe(
      'boot-device: no boot device: disk 0:0 (gen1.img): no active partition in its MBR, only: Linux',
    );
    expect(gen1(mbrDisk([]))).toContain('no active partition: its MBR lists no partition at all');
    expect(gen1(gptDisk(GptType.efiSystem))).toContain('a disk with a GPT boots as Generation 2');
  });

  it('with more than one active partition', () => {
    const half = 2 * MIB;
    const block = mbrDisk([
      { typeByte: 0xa5, active: true, sizeBytes: half, bootable: true },
      { typeByte: 0x83, sizeBytes: half },
      { typeByte: 0x07, active: true, bootable: true },
    ]);
    expect(gen1(block)).toContain('more than one active partition in its MBR: 1 and 3');
  });

  it('on a partition outside the disk', () => {
    const block = mbrDisk([{ typeByte: 0xa5, active: true, bootable: true }]);
    new DataView(block.bytes.buffer).setUint32(446 + 12, 0x10_0000, true);
    expect(gen1(block)).toBe(
      'loader: disk 0:0 (gen1.img): active partition 1 (FreeBSD) at LBA 2048 with 1048576 sectors is not inside the disk of 16384',
    );
  });

  it('on a boot sector without 55 AA', () => {
    expect(gen1(mbrDisk([{ typeByte: 0xa5, active: true }]))).toBe(
      'loader: disk 0:0 (gen1.img): active partition 1 (FreeBSD): its boot sector at offset 1048576 ends in 00 00, expected 55 AA',
    );
  });
});

describe('Generation 1 boots', () => {
  it('a boot sector at 0000:7C00, with the MBR where its code moves itself', () => {
    const block = mbrDisk(
      [{ typeByte: 0x83 }, { typeByte: 0xa5, active: true, bootable: true }].map(
        (partition, index) => (index === 0 ? { ...partition, sizeBytes: MIB } : partition),
      ),
    );
    const rig = boot({ generation: 1, disks: [disk(block)] });
    expect(rig.result).toMatchObject({
      kind: 'started',
      start: { mode: 'real', segment: 0, ip: 0x7c00, drive: 0x80 },
      loader: 'disk 0:0 (gen1.img) active partition 2 (FreeBSD)',
    });
    expect(rig.memory.readBytes(0x7c00, 512)).toEqual(block.bytes.slice(2 * MIB, 2 * MIB + 512));
    expect(rig.memory.readBytes(0x600, 512)).toEqual(block.bytes.slice(0, 512));
  });

  it('from the second disk as drive 81h', () => {
    const block = mbrDisk([{ typeByte: 0xa5, active: true, bootable: true }]);
    const rig = boot({ generation: 1, disks: [disk(new ArrayDisk(MIB)), disk(block, 1)] });
    expect(rig.result).toMatchObject({ start: { drive: 0x81 } });
    expect(rig.warnings[0]).toContain('no MBR signature');
  });

  it('a GPT with a freebsd-boot partition, as the official FreeBSD images have', () => {
    const block = gptDisk(GptType.freebsdBoot);
    block.bytes.set([0xfa, 0xf4], 0);
    block.bytes.set([0xde, 0xad], MIB + 512 * 1000);
    const rig = boot({ generation: 1, disks: [disk(block)] });
    expect(rig.result).toMatchObject({ kind: 'started', start: { ip: 0x7c00 } });
    expect(rig.memory.readBytes(0x7c00 + 512 * 1000, 2)).toEqual(Uint8Array.of(0xde, 0xad));
  });
});
