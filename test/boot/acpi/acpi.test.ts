import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as aml from '../../../src/boot/acpi/aml.ts';
import { acpiRun, buildAcpi, layOutAcpi } from '../../../src/boot/acpi/build.ts';
import type { AcpiOptions, AcpiPlacement } from '../../../src/boot/acpi/options.ts';
import { GuestMemory } from '../../../src/core/memory.ts';
import { AcpiTables, scanForRsdp } from '../../../src/guest/boot/acpi.ts';
import { hasTool, inFolder, run } from '../../support/tools.ts';

const MIB = 1 << 20;
const NVS_GPA = 0x3ff_f000;
const GEN2: AcpiPlacement = { rsdpGpa: 0x3f0_0014, tablesGpa: 0x3f1_0000, nvsGpa: NVS_GPA };
const GEN1: AcpiPlacement = { rsdpGpa: 0xf_5c00, tablesGpa: 0x3ff_0000, nvsGpa: NVS_GPA };

function machine(generation: 1 | 2, more: Partial<AcpiOptions> = {}): AcpiOptions {
  return {
    generation,
    processorCount: 2,
    ram: [{ start: 0, bytes: 64 * MIB }],
    lowMmio: { start: 0xf800_0000, bytes: 0x6c0_0000 },
    highMmio: { start: 0xfe_0000_0000, bytes: 0x2_0000_0000 },
    comPorts: generation === 1 ? [1, 2] : [],
    generationId: Uint8Array.from({ length: 16 }, (_, index) => index + 1),
    ...more,
  };
}

function laidOut(options: AcpiOptions): ReturnType<typeof layOutAcpi> {
  return layOutAcpi(options, options.generation === 1 ? GEN1 : GEN2);
}

function bytesOf(options: AcpiOptions, signature: string): Uint8Array {
  return laidOut(options).tables.find((table) => table.signature === signature)!.bytes;
}

const MACHINES: [string, AcpiOptions][] = [
  ['Gen-1', machine(1)],
  ['Gen-1 with one processor', machine(1, { processorCount: 1, comPorts: [1] })],
  ['Gen-2', machine(2)],
  [
    'Gen-2 with serial ports, 300 processors and high RAM',
    machine(2, {
      processorCount: 300,
      comPorts: [1, 2],
      ram: [
        { start: 0, bytes: 0xf800_0000 },
        { start: 0x1_0000_0000, bytes: 0x1_0000_0000 },
      ],
    }),
  ],
];

/** What `iasl -d` makes of a table. */
function disassembled(options: AcpiOptions, signature: string): string {
  return inFolder((folder) => {
    const stem = join(folder, signature);
    writeFileSync(`${stem}.dat`, bytesOf(options, signature));
    run('iasl', ['-d', `${stem}.dat`]);
    return readFileSync(`${stem}.dsl`, 'utf8');
  });
}

/** Values in the listing of a data table, the first of each name. */
function fields(options: AcpiOptions, signature: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of disassembled(options, signature).split('\n')) {
    const match = /^(?:\[.*?\])?\s+(\S.*?) : (.*)$/.exec(line);
    if (match !== null) found[match[1]!] ??= match[2]!.trim();
  }
  return found;
}

describe.skipIf(!hasTool('iasl'))('the tables as iasl reads them', () => {
  for (const [what, options] of MACHINES) {
    it(`are sound, and the DSDT compiles again to the same bytes: ${what}`, () => {
      const root = options.generation === 1 ? 'RSDT' : 'XSDT';
      for (const signature of [root, 'FACP', 'APIC', 'SRAT', 'WAET', 'FACS']) {
        const listing = disassembled(options, signature);
        expect(listing, signature).toContain(signature);
        expect(listing, signature).not.toMatch(/incorrect|invalid|error|warning|unknown/i);
      }
      inFolder((folder) => {
        const source = join(folder, 'dsdt.dsl');
        writeFileSync(source, disassembled(options, 'DSDT'));
        // Gen-1 declares processors as ACPI 1.0 did, which iasl calls legacy (3168).
        const quiet = options.generation === 1 ? ['-vw', '3168'] : [];
        const report = run('iasl', [...quiet, '-oa', '-p', join(folder, 'again'), source]);
        expect(report).toContain('0 Errors, 0 Warnings, 0 Remarks');
        const again = readFileSync(join(folder, 'again.aml'));
        const ours = Buffer.from(bytesOf(options, 'DSDT'));
        expect(again.toString('hex', 36)).toBe(ours.toString('hex', 36));
      });
    });
  }

  it('describe the fixed hardware of Gen-2 in the extended fields', () => {
    expect(fields(machine(2), 'FACP')).toMatchObject({
      'Table Length': '00000114',
      Revision: '06',
      'FADT Minor Revision': '02',
      'Oem ID': '"VRTUAL"',
      'Oem Table ID': '"MICROSFT"',
      'SCI Interrupt': '0009',
      'SMI Command Port': '00000000',
      'PM Timer Block Address': '00000000',
      'Hardware Reduced (V5)': '0',
      '32-bit PM Timer (V1)': '1',
      'Reset Register Supported (V2)': '1',
      'Use Platform Timer (V4)': '1',
      'VGA Not Present (V4)': '1',
      'Legacy Devices Supported (V2)': '0',
      'Hypervisor ID': '567265707948734D',
    });
  });

  it('describe the fixed hardware of Gen-1 in 32-bit fields', () => {
    expect(fields(machine(1), 'FACP')).toMatchObject({
      'Table Length': '00000081',
      Revision: '02',
      'PM1A Event Block Address': '00000400',
      'PM1A Control Block Address': '00000404',
      'PM Timer Block Address': '00000408',
      'GPE0 Block Address': '0000040C',
      'Legacy Devices Supported (V2)': '1',
      '8042 Present on ports 60/64 (V2)': '1',
      'Control Method Power Button (V1)': '0',
      'Value to cause reset': '01',
    });
  });

  it('route the PIT to pin 2 on Gen-1 only', () => {
    const gen1 = disassembled(machine(1), 'APIC');
    expect(gen1).toMatch(/Source : 00\n.*Interrupt : 00000002/);
    expect(gen1).toMatch(/PC-AT Compatibility : 1/);
    expect(bytesOf(machine(1), 'APIC')).toHaveLength(0x62);
    const gen2 = disassembled(machine(2), 'APIC');
    expect(gen2).not.toMatch(/Source : 00\n/);
    expect(gen2).toMatch(
      /Source : 09\n.*Interrupt : 00000009\n.*000D\n.*Polarity : 1\n.*Trigger Mode : 3/,
    );
    expect(gen2).toMatch(/PC-AT Compatibility : 0/);
  });

  it('show VMBus with its windows and interrupt', () => {
    const gen2 = disassembled(machine(2), 'DSDT');
    expect(gen2).toMatch(
      /Device \(VMOD\)\s+\{\s+Name \(_HID, "ACPI0004" \/\* Module Device \*\/\)/,
    );
    expect(gen2).toMatch(
      /DWordMemory \(ResourceProducer, PosDecode, MinFixed, MaxFixed, Cacheable, ReadWrite,/,
    );
    expect(gen2).toMatch(/0xF8000000,.*\n\s+0xFEBFFFFF,.*\n.*\n\s+0x06C00000,/);
    expect(gen2).toMatch(
      /0x000000FE00000000,.*\n\s+0x000000FFFFFFFFFF,.*\n.*\n\s+0x0000000200000000,/,
    );
    expect(gen2).toMatch(/Name \(_CID, "VMBus"\)/);
    expect(gen2).toMatch(/IRQNoFlags \(\)\s+\{5\}/);
    expect(gen2).not.toContain('PNP0501');
    const gen1 = disassembled(machine(1), 'DSDT');
    expect(gen1).toMatch(/Device \(SBRG\)[^]*Device \(VMB8\)[^]*"VMBus"[^]*\{5,7\}/);
    for (const id of [
      'PNP0A03',
      'PNP0000',
      'PNP0100',
      'PNP0303',
      'PNP0F03',
      'PNP0B00',
      'PNP0501',
    ]) {
      expect(gen1).toContain(`EisaId ("${id}")`);
    }
  });

  it('tell where the generation id is', () => {
    const dsdt = disassembled(machine(2), 'DSDT');
    expect(dsdt).toMatch(/Name \(ADDR, Package \(0x02\)[^]{0,40}\{\s+0x03FFF100,\s+Zero/);
    expect(dsdt).toMatch(/Notify \(\\_SB\.GENC, 0x80\)/);
  });
});

describe('the tables in guest memory', () => {
  for (const [what, options] of MACHINES) {
    it(`are found and read by the model guest: ${what}`, () => {
      const memory = new GuestMemory({ ramBytes: 64 * MIB, lowGapStart: 0xf800_0000 });
      const image = buildAcpi(memory, options, options.generation === 1 ? GEN1 : GEN2);
      if (options.generation === 1) expect(scanForRsdp(memory)).toBe(image.rsdpGpa);
      const tables = AcpiTables.read(memory, image.rsdpGpa)!;
      expect(tables.tables.map((table) => table.signature)).toEqual([
        'FACP',
        'APIC',
        'SRAT',
        'WAET',
      ]);
      expect(tables.find('APIC')).toMatchObject({ oemId: 'VRTUAL', oemTableId: 'MICROSFT' });
      const madt = tables.madt()!;
      expect(madt.processors).toHaveLength(options.processorCount);
      expect(madt.processors.every((each, index) => each.isEnabled && each.apicId === index)).toBe(
        true,
      );
      expect(madt.ioApics).toEqual([{ id: 0, gpa: 0xfec0_0000, firstInterrupt: 0 }]);
      expect(tables.fadt()).toMatchObject({ resetPort: 0x433, resetValue: 1, isPmTimer32: true });
      expect(tables.dsdt()).toMatchObject({ oemId: 'MSFTVM' });
      expect(tables.namespaceHas('VMBus')).toBe(true);
      expect(tables.sleepTypeS5()).toBe(0);
      expect([...memory.readBytes(image.generationIdGpa, 4)]).toEqual([1, 2, 3, 4]);
    });
  }

  it('carry 64 bytes of entropy when the machine gives some', () => {
    const entropy = Uint8Array.from({ length: 64 }, (_, index) => index ^ 0x5a);
    const table = bytesOf(machine(2, { entropy }), 'OEM0');
    expect(table).toHaveLength(100);
    expect(table.subarray(36)).toEqual(entropy);
  });

  it('fit the pages that firmware is told to keep', () => {
    const entropy = new Uint8Array(64);
    for (const options of MACHINES.map(([, each]) => ({ ...each, entropy }))) {
      const memory = new GuestMemory({ ramBytes: 64 * MIB, lowGapStart: 0xf800_0000 });
      const pages = acpiRun(options);
      const gpa = 0x200_0000;
      const rsdpGpa = pages.write(memory, gpa);
      expect(AcpiTables.read(memory, rsdpGpa)?.dsdt()).toBeDefined();
      const nvs = gpa + pages.maxBytes - pages.nvsBytes;
      expect(new TextDecoder().decode(memory.readBytes(nvs, 4))).toBe('FACS');
      expect(memory.readBytes(gpa + pages.maxBytes, 4096).every((byte) => byte === 0)).toBe(true);
    }
  });
});

describe('AML', () => {
  it('encodes as the examples of the specification do', () => {
    expect(aml.eisaId('PNP0B00')).toEqual([0x0c, 0x41, 0xd0, 0x0b, 0x00]);
    expect(aml.path('\\_SB.PCI0.VMBS').slice(0, 3)).toEqual([0x5c, 0x2f, 3]);
    expect(aml.path('STA')).toEqual([0x53, 0x54, 0x41, 0x5f]);
    expect(aml.name('\\_S5', aml.packageOf(aml.integer(0), aml.integer(0)))).toEqual([
      0x08, 0x5c, 0x5f, 0x53, 0x35, 0x5f, 0x12, 0x04, 0x02, 0x00, 0x00,
    ]);
    expect(aml.integer(0xfe_0000_0000)).toEqual([0x0e, 0, 0, 0, 0, 0xfe, 0, 0, 0]);
    expect(() => aml.path('too_long_name')).toThrow('not an ACPI path');
  });

  it('counts the bytes of a package, its own length included, at every size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 70_000 }), (length) => {
        const bytes = aml.scope(
          'ABCD',
          Array.from({ length }, () => 0xa3),
        );
        const more = bytes[1]! >> 6;
        let size = more === 0 ? bytes[1]! & 0x3f : bytes[1]! & 0x0f;
        for (let index = 0; index < more; index += 1) size |= bytes[2 + index]! << (4 + 8 * index);
        expect(size).toBe(bytes.length - 1);
        expect(bytes.length - 1 - 1 - more).toBe(length + 4);
      }),
      { numRuns: 40, examples: [[58], [59], [4089], [4090], [65_536]] },
    );
  });
});
