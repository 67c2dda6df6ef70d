import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { GuestMemory } from '../../src/core/memory.ts';
import { GEN1_SMBIOS_GPA, SMBIOS_BYTES, writeSmbios } from '../../src/boot/smbios.ts';
import { scanForSmbios, smbiosMemoryBytes } from '../../src/guest/boot/smbios.ts';
import { hasTool, inFolder, run } from '../support/tools.ts';

const MIB = 1024 * 1024;

function written(ramBytes: number, generation: 1 | 2 = 1): GuestMemory {
  const memory = new GuestMemory({ ramBytes: 16 * MIB, lowGapStart: 0xf800_0000 });
  writeSmbios(memory, GEN1_SMBIOS_GPA, { generation, ramBytes });
  return memory;
}

describe('SMBIOS', () => {
  it.each([64, 512, 2048, 5120, 40_960])('says that the machine was given %d MiB', (mebibytes) => {
    const memory = written(mebibytes * MIB);
    const gpa = scanForSmbios(memory);
    expect(gpa).toBe(GEN1_SMBIOS_GPA);
    expect(smbiosMemoryBytes(memory, gpa)).toBe(mebibytes * MIB);
  });

  it('is not taken from a damaged entry point, nor from none', () => {
    const memory = written(512 * MIB);
    memory.u8[memory.resolve(GEN1_SMBIOS_GPA + 9, 1)]! ^= 1;
    expect(scanForSmbios(memory)).toBe(-1);
    expect(smbiosMemoryBytes(memory, -1)).toBe(0);
  });

  it.skipIf(!hasTool('dmidecode'))('is what dmidecode reads', () => {
    for (const generation of [1, 2] as const) {
      const memory = written(5120 * MIB, generation);
      const dump = memory.readBytes(GEN1_SMBIOS_GPA, SMBIOS_BYTES);
      // A dump of dmidecode has its table right behind the entry point's 32 bytes.
      new DataView(dump.buffer).setUint32(24, 0x20, true);
      let sum = 0;
      for (const index of Array.from({ length: 15 }, (_, at) => 16 + at)) {
        if (index !== 21) sum += dump[index]!;
      }
      dump[21] = -sum & 0xff;
      inFolder((folder) => {
        const path = join(folder, 'dmi.bin');
        writeFileSync(path, dump);
        const text = run('dmidecode', ['--from-dump', path]);
        expect(text).toContain('SMBIOS 2.8 present.');
        expect(text).toContain('Product Name: Virtual Machine');
        expect(text).toMatch(/Size: 5 GB|Size: 5120 MB/);
        expect(text).not.toMatch(/wrong|broken|bad/i);
      });
    }
  });
});
