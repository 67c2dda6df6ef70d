import { describe, expect, it } from 'vitest';
import { EBDA_GPA } from '../../src/boot/bios-spec.ts';
import { createDefaultDisk } from '../../src/boot/default-disk.ts';
import { crc32 } from '../../src/core/crc32.ts';
import { GuestMemory } from '../../src/core/memory.ts';
import { AcpiTables } from '../../src/guest/boot/acpi.ts';
import { readFirmware } from '../../src/guest/boot/firmware.ts';
import type { FirmwareStart } from '../../src/hypervisor/processor.ts';
import {
  BOOT_SERVICES,
  LoadedImage,
  RUNTIME_SERVICES,
  SERVICE_STUB_BYTES,
  SystemTable,
} from '../../src/uefi/spec/tables.ts';
import { boot, disk, MIB, type RigResult } from './rig.ts';

const GIB = 1024 * MIB;
const FRAMEBUFFER = { gpa: 0xf800_0000, bytes: 8 * MIB, width: 1024, height: 768, stride: 1024 };

function start(rig: RigResult): FirmwareStart {
  if (rig.result.kind !== 'started') throw new Error(rig.result.reason);
  const { start: entry } = rig.result;
  if (entry.mode !== 'real' && entry.mode !== 'efi') throw new Error('not started by firmware');
  return entry;
}

function gen2(memory?: GuestMemory): RigResult & { entry: FirmwareStart & { mode: 'efi' } } {
  const rig = boot({
    generation: 2,
    disks: [disk(createDefaultDisk({ generation: 2 }))],
    framebuffer: FRAMEBUFFER,
    ...(memory === undefined ? {} : { memory }),
  });
  const entry = start(rig);
  if (entry.mode !== 'efi') throw new Error('not an EFI start');
  return { ...rig, entry };
}

describe('what a Generation 2 loader finds', () => {
  it('is what the guest reads: ACPI, frame buffer and a memory map', () => {
    const { memory, entry } = gen2();
    const facts = readFirmware(memory, entry);
    expect(facts.framebuffer).toEqual(FRAMEBUFFER);
    const acpi = AcpiTables.read(memory, facts.rsdpGpa)!;
    expect(acpi.madt()!.processors).toHaveLength(2);
    expect(acpi.namespaceHas('VMBus')).toBe(true);
  });

  it('is a map without gaps inside RAM, in order, each page of it once', () => {
    const memory = new GuestMemory({ ramBytes: 128 * MIB, lowGapStart: 96 * MIB });
    const facts = readFirmware(memory, gen2(memory).entry);
    let next = 0;
    for (const { start: from, bytes } of facts.descriptors) {
      const isLegacyHole = next === 0xa_0000;
      const isDeviceHole = next === 96 * MIB;
      if (isLegacyHole) expect(from).toBe(0xc_0000);
      else if (isDeviceHole) expect(from).toBe(4 * GIB);
      else expect(from).toBe(next);
      next = from + bytes;
    }
    expect(next).toBe(4 * GIB + 32 * MIB);
  });

  it('has 2 MiB in use by the firmware, where loaders of old want their kernel', () => {
    const { memory, entry } = gen2();
    const at2Mib = readFirmware(memory, entry).descriptors.find(
      ({ start: from, bytes }) => from <= 2 * MIB && 2 * MIB < from + bytes,
    );
    expect(at2Mib?.type).toBe(3);
  });

  it('keeps ACPI in reclaimable memory, its NVS apart, and the loader in loader code', () => {
    const { memory, entry } = gen2();
    const facts = readFirmware(memory, entry);
    const typeOf = (gpa: number): number | undefined =>
      facts.descriptors.find(({ start: from, bytes }) => gpa >= from && gpa < from + bytes)?.type;
    expect(typeOf(facts.rsdpGpa)).toBe(9);
    expect(facts.descriptors.some(({ type }) => type === 10)).toBe(true);
    expect(typeOf(entry.entryGpa)).toBe(1);
    expect(typeOf(entry.systemTableGpa)).toBe(6);
    expect(typeOf(entry.stackGpa)).toBe(4);
    expect(entry.stackGpa % 16, 'as after a CALL').toBe(8);
  });

  it('is entered at the first byte of its code', () => {
    const { memory, entry } = gen2();
    expect(memory.readBytes(entry.entryGpa, 4)).toEqual(Uint8Array.of(0x48, 0x83, 0xec, 0x28));
  });

  it('is a system table whose headers carry right CRCs', () => {
    const { memory, entry } = gen2();
    const view = memory.view;
    const table = SystemTable.cursor(view).at(memory.resolve(entry.systemTableGpa, 120));
    const tables = [
      [entry.systemTableGpa, 'IBI SYST', 120],
      [Number(table.bootServices), 'BOOTSERV', 376],
      [Number(table.runtimeServices), 'RUNTSERV', 136],
    ] as const;
    for (const [gpa, signature, size] of tables) {
      const bytes = memory.readBytes(gpa, size);
      expect(String.fromCharCode(...bytes.subarray(0, 8))).toBe(signature);
      const header = new DataView(bytes.buffer);
      expect(header.getUint32(12, true)).toBe(size);
      const stored = header.getUint32(16, true);
      header.setUint32(16, 0, true);
      expect(stored).toBe(crc32(bytes));
    }
  });

  it('has a stub of its own behind every service, and no null but the reserved slot', () => {
    const { memory, entry } = gen2();
    const table = SystemTable.cursor(memory.view).at(memory.resolve(entry.systemTableGpa, 120));
    const seen = new Set<bigint>();
    const check = (base: bigint, names: readonly string[], first: number): void => {
      for (const [index, name] of names.entries()) {
        const at = memory.resolve(Number(base) + 24 + index * 8, 8);
        const pointer = memory.view.getBigUint64(at, true);
        if (name === 'Reserved') {
          expect(pointer).toBe(0n);
          continue;
        }
        expect(seen.has(pointer)).toBe(false);
        seen.add(pointer);
        const stub = memory.readBytes(Number(pointer), SERVICE_STUB_BYTES);
        const service = first + index;
        expect([...stub]).toEqual([0xb8, service & 0xff, service >> 8, 0, 0, 0xe7, 0xb2, 0xc3]);
      }
    };
    check(table.bootServices, BOOT_SERVICES, 0);
    check(table.runtimeServices, RUNTIME_SERVICES, 0x100);
    expect(table.consoleOut).not.toBe(0n);
    expect(table.consoleIn).not.toBe(0n);
  });

  it('is a page table that maps every address to itself', () => {
    const memory = new GuestMemory({ ramBytes: 128 * MIB, lowGapStart: 96 * MIB });
    const { pageTablesGpa, segments } = gen2(memory).entry;
    const gdt = memory.resolve(segments.gdtGpa, segments.gdtBytes);
    expect(memory.view.getBigUint64(gdt + segments.codeSelector, true)).toBe(0xaf_9b00_0000_ffffn);
    expect(memory.view.getBigUint64(gdt + segments.dataSelector, true)).toBe(0xcf_9300_0000_ffffn);
    const walk = (address: number): number => {
      let table = pageTablesGpa;
      for (const shift of [39, 30, 21]) {
        const index = Math.floor(address / 2 ** shift) % 512;
        const low = memory.view.getUint32(memory.resolve(table + index * 8, 8), true);
        const high = memory.view.getUint32(memory.resolve(table + index * 8, 8) + 4, true);
        expect(low & 1, 'present').toBe(1);
        if ((low & 0x80) !== 0) {
          return high * 2 ** 32 + ((low & ~0x1f_ffff) >>> 0) + (address % 2 ** shift);
        }
        table = high * 2 ** 32 + ((low & ~0xfff) >>> 0);
      }
      throw new Error('no large page');
    };
    for (const address of [0, 0x7c00, 95 * MIB + 5, 0x7fff_ffff, 4 * GIB + 31 * MIB + 123]) {
      expect(walk(address)).toBe(address);
    }
  });

  it('places the fields of the loaded image as UEFI 2.10, 9.1.1 does', () => {
    expect(LoadedImage.offset.imageBase).toBe(64);
  });
});

describe('what a Generation 1 boot sector finds', () => {
  const rig = boot({
    generation: 1,
    ramBytes: 128 * MIB,
    disks: [disk(createDefaultDisk({ generation: 1 }))],
  });
  const { memory } = rig;
  const u16 = (gpa: number): number => memory.view.getUint16(memory.resolve(gpa, 2), true);

  it('is a memory map that the guest reads, without the EBDA and ACPI', () => {
    const facts = readFirmware(memory, start(rig));
    expect(facts.usable[0]).toEqual({ start: 0, bytes: EBDA_GPA });
    expect(facts.usable[1]!.start).toBe(MIB);
    const end = facts.usable[1]!.start + facts.usable[1]!.bytes;
    expect(128 * MIB - end).toBeGreaterThan(0);
    expect(128 * MIB - end).toBeLessThanOrEqual(64 * 1024);
    const acpi = AcpiTables.read(memory, facts.rsdpGpa)!;
    expect(acpi.madt()!.processors).toHaveLength(2);
    expect(acpi.find('FACP')!.gpa).toBeGreaterThanOrEqual(end);
  });

  it('is a BIOS data area', () => {
    expect(u16(0x400)).toBe(0x3f8);
    expect(u16(0x40e) * 16).toBe(EBDA_GPA);
    expect(u16(0x413)).toBe(639);
    expect(u16(0x41a)).toBe(u16(0x41c));
    expect(memory.readBytes(0x449, 1)[0]).toBe(3);
    expect(u16(0x44a)).toBe(80);
    expect(u16(0x463)).toBe(0x3d4);
    expect(memory.readBytes(0x475, 1)[0]).toBe(1);
    expect(memory.readBytes(0x484, 1)[0]).toBe(24);
    expect(u16(0x485)).toBe(16);
    const ticks = memory.view.getUint32(memory.resolve(0x46c, 4), true);
    expect(ticks).toBe(Math.floor(0.45 * (1_193_182 / 65_536)));
  });

  it('is a vector table of stubs that trap and return, and of one diskette’s parameters', () => {
    const stubs = new Set<number>();
    for (let vector = 0; vector < 256; vector += 1) {
      const gpa = u16(vector * 4 + 2) * 16 + u16(vector * 4);
      // 512 bytes a sector and 18 sectors, where they are on every PC.
      const isDiskette = vector === 0x1e;
      if (isDiskette) expect(gpa).toBe(0xf_efc7);
      const wanted = isDiskette ? [0x02, 0x12] : [0xe6, 0xb2, 0xcf];
      const at = isDiskette ? gpa + 3 : gpa;
      expect([...memory.readBytes(at, wanted.length)]).toEqual(wanted);
      stubs.add(gpa);
    }
    expect(stubs.size).toBe(256);
  });

  it('is a reset vector, a date and the model byte of an AT', () => {
    expect(memory.readBytes(0xf_fff0, 1)[0]).toBe(0xea);
    expect(String.fromCharCode(...memory.readBytes(0xf_fff5, 8))).toBe('01/01/16');
    expect(memory.readBytes(0xf_fffe, 1)[0]).toBe(0xfc);
  });
});
