import { describe, expect, it } from 'vitest';
import { readKernel } from '../../src/boot/direct.ts';
import type { DirectKernel } from '../../src/boot/kernel-file.ts';
import { BootParameters, ScreenInfo, SetupHeader } from '../../src/boot/linux/spec.ts';
import {
  MultibootInfo,
  MultibootMapEntry,
  MultibootModule,
} from '../../src/boot/multiboot/spec.ts';
import { ExitCode, InputError } from '../../src/core/errors.ts';
import { GuestMemory } from '../../src/core/memory.ts';
import { viewOf } from '../../src/core/wire.ts';
import { E820Entry } from '../../src/guest/spec.ts';
import type { ProcessorStart } from '../../src/hypervisor/processor.ts';
import { AcpiTables } from '../../src/guest/boot/acpi.ts';
import { bzImage, multibootElf, multibootFlat } from './kernels.ts';
import { MIB, boot, type RigResult } from './rig.ts';

const FRAMEBUFFER = { gpa: 0xf800_0000, bytes: 8 * MIB, width: 1024, height: 768, stride: 1024 };
const SEED = Uint8Array.from({ length: 64 }, (_, index) => index + 1);

type Started = ProcessorStart & { mode: 'long' | 'protected' };

interface DirectOptions {
  readonly generation?: 1 | 2;
  readonly ramBytes?: number;
  readonly memory?: GuestMemory;
  readonly initrds?: readonly (readonly [name: string, bytes: Uint8Array])[];
  readonly commandLine?: string;
}

function bootKernel(image: Uint8Array, options: DirectOptions = {}): RigResult {
  const kernel: DirectKernel = {
    image: { name: 'vmlinuz', bytes: image },
    initrds: (options.initrds ?? []).map(([name, bytes]) => ({ name, bytes })),
    commandLine: options.commandLine ?? 'console=ttyS0',
    rngSeed: SEED,
  };
  const generation = options.generation ?? 2;
  return boot({
    generation,
    kernel,
    ...(options.ramBytes === undefined ? {} : { ramBytes: options.ramBytes }),
    ...(options.memory === undefined ? {} : { memory: options.memory }),
    ...(generation === 2 ? { framebuffer: FRAMEBUFFER } : {}),
  });
}

function startOf({ result }: RigResult): Started {
  if (result.kind !== 'started') throw new Error(result.reason);
  if (result.start.mode !== 'long' && result.start.mode !== 'protected') {
    throw new Error(`started in ${result.start.mode} mode`);
  }
  return result.start;
}

function problemOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof InputError) return `${error.where}: ${error.message}`;
    throw error;
  }
  throw new Error('it was accepted');
}

function text(memory: GuestMemory, gpa: number): string {
  let result = '';
  for (let at = memory.resolve(gpa, 1); memory.u8[at] !== 0; at += 1) {
    result += String.fromCharCode(memory.u8[at]!);
  }
  return result;
}

/** `boot_params` as a Linux kernel finds it. */
function parameters(rig: RigResult) {
  const start = startOf(rig);
  const gpa = start.mode === 'long' ? start.rsi : start.esi;
  const bytes = rig.memory.readBytes(gpa, BootParameters.bytes);
  const view = viewOf(bytes);
  const map = Array.from({ length: bytes[BootParameters.memoryMapCount]! }, (_, index) => {
    const at = BootParameters.memoryMap + index * E820Entry.size;
    const entry = E820Entry.cursor(view).at(at);
    return { base: Number(entry.base), end: Number(entry.base + entry.length), type: entry.type };
  });
  return { start, bytes, view, map, header: SetupHeader.cursor(view).at(0x1f1) };
}

describe('a Linux kernel', () => {
  it('is entered at its 64-bit entry point, with boot_params in RSI', () => {
    const rig = bootKernel(bzImage());
    const { start } = parameters(rig);
    expect(start).toMatchObject({ mode: 'long', entryGpa: 16 * MIB + 0x200 });
    expect(start.segments).toMatchObject({ codeSelector: 0x10, dataSelector: 0x18 });
    const { memory } = rig;
    expect(memory.readBytes(16 * MIB, 2)).toEqual(Uint8Array.of(1, 1));
    expect(memory.u8[memory.resolve(16 * MIB + 0x2fff, 1)]).toBe(3);
    const gdt = memory.resolve(start.segments.gdtGpa, start.segments.gdtBytes);
    expect(memory.view.getBigUint64(gdt + 0x10, true)).toBe(0xaf_9b00_0000_ffffn);
    expect(memory.view.getBigUint64(gdt + 0x18, true)).toBe(0xcf_9300_0000_ffffn);
  });

  it('of 32 bits is entered in protected mode, with boot_params in ESI', () => {
    const rig = bootKernel(bzImage({ has64BitEntry: false }));
    const { start, header } = parameters(rig);
    expect(start).toMatchObject({ mode: 'protected', entryGpa: 16 * MIB });
    expect(header.code32Start).toBe(16 * MIB);
    const gdt = rig.memory.resolve(start.segments.gdtGpa, 0x20);
    expect(rig.memory.view.getBigUint64(gdt + 0x10, true)).toBe(0xcf_9b00_0000_ffffn);
  });

  it('finds its own setup header again, filled in', () => {
    const initrd = new Uint8Array(5000).fill(0x5a);
    const rig = bootKernel(bzImage(), {
      initrds: [['initrd', initrd]],
      commandLine: 'root=/dev/sda',
    });
    const { header, bytes } = parameters(rig);
    expect(header.header).toBe(0x5372_6448);
    expect(header.loaderType).toBe(0xff);
    expect(header.initSize).toBe(8 * MIB);
    expect(text(rig.memory, header.commandLine)).toBe('root=/dev/sda');
    expect(header.ramdiskSize).toBe(5000);
    expect(header.ramdiskImage % 4096).toBe(0);
    expect(rig.memory.readBytes(header.ramdiskImage, 5000)).toEqual(initrd);
    expect(bytes[0x1ef], 'the sentinel').toBe(0);
  });

  it('gets several archives as one RAM disk, each at a multiple of four', () => {
    const rig = bootKernel(bzImage(), {
      initrds: [
        ['first', Uint8Array.of(1, 2, 3, 4, 5)],
        ['second', Uint8Array.of(6, 7)],
      ],
    });
    const { header } = parameters(rig);
    expect(header.ramdiskSize).toBe(10);
    expect([...rig.memory.readBytes(header.ramdiskImage, 10)]).toEqual([
      1, 2, 3, 4, 5, 0, 0, 0, 6, 7,
    ]);
  });

  it('gets a RAM disk no higher than it says', () => {
    const rig = bootKernel(bzImage({ ramdiskLimit: 0x3ff_ffff }), {
      ramBytes: 256 * MIB,
      initrds: [['initrd', new Uint8Array(100)]],
    });
    expect(parameters(rig).header.ramdiskImage).toBe(0x3ff_f000);
  });

  it('gets random bytes that it need not wait for', () => {
    const rig = bootKernel(bzImage());
    const { setupDataLo } = parameters(rig).header;
    const view = viewOf(rig.memory.readBytes(setupDataLo, 16 + 64));
    expect([view.getUint32(8, true), view.getUint32(12, true)]).toEqual([9, 64]);
    expect(rig.memory.readBytes(setupDataLo + 16, 64)).toEqual(SEED);
  });

  it.each([1, 2] as const)(
    'of generation %i finds ACPI and a memory map around it',
    (generation) => {
      const rig = bootKernel(bzImage(), { generation });
      const { view, map } = parameters(rig);
      const rsdp = Number(view.getBigUint64(BootParameters.rsdp, true));
      expect(AcpiTables.read(rig.memory, rsdp)!.madt()!.processors).toHaveLength(2);
      const copy = rig.memory.readBytes(0xf_5c00, 8);
      expect(String.fromCharCode(...copy), 'where older kernels search').toBe('RSD PTR ');
      let before = 0;
      for (const { base, end } of map) {
        expect(base).toBeGreaterThanOrEqual(before);
        before = end;
      }
      expect(before).toBe(128 * MIB);
      expect(map.find(({ base }) => base === MIB)!.type).toBe(1);
      expect(map.at(-1)!.type, 'ACPI NVS').toBe(4);
    },
  );

  it('has the screen of its generation: VGA text, or the frame buffer', () => {
    const [gen1, gen2] = ([1, 2] as const).map((generation) => {
      const { view } = parameters(bootKernel(bzImage(), { generation }));
      return ScreenInfo.cursor(view).at(0);
    });
    expect([gen1!.type, gen1!.mode, gen1!.columns, gen1!.lines]).toEqual([1, 3, 80, 25]);
    expect([gen2!.type, gen2!.width, gen2!.depth]).toEqual([0x70, 1024, 32]);
    expect([gen2!.framebuffer, gen2!.pitchBytes]).toEqual([0xf800_0000, 4096]);
  });

  it('maps every address of the first 4 GiB to itself', () => {
    const rig = bootKernel(bzImage());
    const start = startOf(rig);
    if (start.mode !== 'long') throw new Error('not in long mode');
    const entry = (table: number, index: number): number =>
      rig.memory.view.getUint32(rig.memory.resolve(table + index * 8, 8), true);
    const pointers = entry(start.pageTablesGpa, 0) - 3;
    for (const address of [0, 0x123_4567, 0xfee0_0000]) {
      const directory = entry(pointers, Math.floor(address / 2 ** 30)) - 3;
      const page = entry(directory, Math.floor(address / 2 ** 21) % 512);
      expect(page & 0x83).toBe(0x83);
      expect((page & ~0x1f_ffff) >>> 0).toBe((address & ~0x1f_ffff) >>> 0);
    }
  });

  it('is loaded twice alike', () => {
    const [first, second] = [bootKernel(bzImage()), bootKernel(bzImage())];
    expect(first.digest).toBe(second.digest);
    expect(first.phases).toEqual(['450 ms firmware', '465 ms loader']);
  });

  it('that cannot be moved goes to 1 MiB', () => {
    const start = startOf(bootKernel(bzImage({ version: 0x204, relocatable: false })));
    expect(start.entryGpa).toBe(MIB);
  });
});

describe('a Linux kernel that does not fit', () => {
  it('says how much memory it takes', () => {
    const huge = bzImage({ initSize: 60 * MIB });
    expect(problemOf(() => bootKernel(huge, { ramBytes: 64 * MIB }))).toMatch(
      /^vmlinuz: the kernel takes RAM up to 76 MiB, the machine has 63\.\d MiB for it; --memory 77M would do$/,
    );
    expect(startOf(bootKernel(huge, { ramBytes: 77 * MIB })).mode).toBe('long');
  });

  it('says that its RAM disk is too large, and for what', () => {
    const initrds = [['initrd.gz', new Uint8Array(50 * MIB)]] as const;
    const problem = problemOf(() => bootKernel(bzImage(), { ramBytes: 64 * MIB, initrds }));
    expect(problem).toMatch(
      /^initrd\.gz: 50 MiB do not fit between the kernel's end at 24 MiB and the end of RAM at 63\.\d MiB; --memory 75M would do$/,
    );
    expect(startOf(bootKernel(bzImage(), { ramBytes: 75 * MIB, initrds })).mode).toBe('long');
    const limited = bzImage({ ramdiskLimit: 32 * MIB - 1 });
    expect(problemOf(() => bootKernel(limited, { initrds }))).toContain(
      "the kernel's limit at 32 MiB",
    );
  });

  it('refuses a command line that is longer than the kernel takes', () => {
    const action = (): unknown => bootKernel(bzImage(), { commandLine: 'x'.repeat(2048) });
    expect(problemOf(action)).toBe('--append: 2048 bytes; this kernel takes at most 2047');
    expect(bootKernel(bzImage(), { commandLine: 'x'.repeat(2047) }).result.kind).toBe('started');
  });
});

describe('a file that is no kernel', () => {
  const problem = (bytes: Uint8Array): string =>
    problemOf(() => readKernel({ name: 'file', bytes }));

  it.each([
    ['nothing', new Uint8Array(0), '0 bytes are no kernel'],
    ['text', new TextEncoder().encode('CONFIG_X86=y\n'.repeat(100)), 'not a kernel'],
    ['an archive', Uint8Array.of(0x1f, 0x8b, 8, 0), 'a gzip file'],
    ['a plain ELF', multibootElf().fill(0, 0x1000, 0x1004), 'an ELF file without a Multiboot'],
    ['a zImage', bzImage({ loadFlags: 0 }), 'zImage'],
    ['a truncated bzImage', bzImage().subarray(0, 5000), 'it is truncated: 5000 bytes, its header'],
    ['a 64-bit Multiboot ELF', multibootElf({ elfClass: 2 }), 'objcopy -O elf32-i386'],
    ['a truncated Multiboot ELF', multibootElf().subarray(0, 0x1020), 'it is truncated: segment 0'],
    ['a Multiboot kernel of other features', multibootElf({ flags: 0x10 }), 'features 0x10'],
  ])('such as %s is refused with what it is', (_, bytes, reason) => {
    expect(problem(bytes)).toContain(reason);
  });

  it('never throws anything else, whatever is in it', () => {
    const memory = new GuestMemory({ ramBytes: 64 * MIB, lowGapStart: 0xf800_0000 });
    let state = 1;
    const next = (bound: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 8) % bound;
    };
    for (let round = 0; round < 600; round += 1) {
      const base = [bzImage(), multibootElf(), multibootFlat(MIB, 0)][round % 3]!;
      const bytes = base.slice(0, next(3) === 0 ? next(base.length) : base.length);
      const interesting = [0x1f1, 0x200, 0x250, 0x10, 0x34, 0x1000][next(6)]!;
      for (let flips = next(6); flips >= 0 && bytes.length > 0; flips -= 1) {
        bytes[Math.min(bytes.length - 1, interesting + next(0x40))] = next(256);
      }
      try {
        bootKernel(bytes, { memory });
      } catch (error) {
        if (!(error instanceof InputError)) throw error;
        expect(error.exitCode === ExitCode.failed || error.where === '--append').toBe(true);
      }
    }
  });
});

describe('a Multiboot kernel', () => {
  function info(rig: RigResult) {
    const start = startOf(rig);
    if (start.mode !== 'protected') throw new Error('not in protected mode');
    const at = rig.memory.resolve(start.ebx, MultibootInfo.size);
    return { start, info: MultibootInfo.cursor(rig.memory.view).at(at) };
  }

  it('is loaded by its segments and entered with the magic number', () => {
    const rig = bootKernel(multibootElf({ bssBytes: 0x2000 }), { commandLine: 'smp 4' });
    const { start, info: found } = info(rig);
    expect(start).toMatchObject({ mode: 'protected', entryGpa: 4 * MIB + 0x40, eax: 0x2bad_b002 });
    expect(String.fromCharCode(...rig.memory.readBytes(start.entryGpa, 6))).toBe('kernel');
    expect(text(rig.memory, found.commandLine)).toBe('vmlinuz smp 4');
    expect(found.flags).toBe(0x1245);
    expect(found.lowerKib).toBe(640);
    expect(start.ebx, 'after the zeroed memory of the kernel').toBeGreaterThan(4 * MIB + 0x2000);
  });

  it('may give its entry point as a virtual address', () => {
    const rig = bootKernel(multibootElf({ virtualAddress: 0xc040_0000, entry: 0xc040_0040 }));
    expect(startOf(rig).entryGpa).toBe(4 * MIB + 0x40);
  });

  it('gets a module for each file, in whole pages', () => {
    const rig = bootKernel(multibootElf(), {
      initrds: [
        ['/home/me/env', Uint8Array.of(1, 2, 3)],
        ['b', new Uint8Array(5000).fill(7)],
      ],
    });
    const { info: found } = info(rig);
    expect(found.moduleCount).toBe(2);
    const at = rig.memory.resolve(found.modules, 2 * MultibootModule.size);
    const first = MultibootModule.cursor(rig.memory.view).at(at);
    expect(first.start % 4096).toBe(0);
    expect([...rig.memory.readBytes(first.start, first.end - first.start)]).toEqual([1, 2, 3]);
    expect(text(rig.memory, first.text)).toBe('env');
    const second = MultibootModule.cursor(rig.memory.view).at(at + MultibootModule.size);
    expect(second.end - second.start).toBe(5000);
  });

  it('finds the memory map, whose entries say their size', () => {
    const rig = bootKernel(multibootElf(), { generation: 1 });
    const { info: found } = info(rig);
    const ranges: string[] = [];
    for (let offset = 0; offset < found.mapBytes;) {
      const at = rig.memory.resolve(found.map + offset, MultibootMapEntry.size);
      const entry = MultibootMapEntry.cursor(rig.memory.view).at(at);
      ranges.push(`${entry.base.toString(16)} ${entry.type}`);
      offset += entry.size + 4;
    }
    expect(ranges.slice(0, 4)).toEqual(['0 1', '9fc00 2', 'e0000 2', '100000 1']);
  });

  it('may say itself where it goes', () => {
    const rig = bootKernel(multibootFlat(2 * MIB, 2 * MIB + 0x10_0000));
    expect(startOf(rig).entryGpa).toBe(2 * MIB + 0x80);
    expect(rig.memory.readBytes(2 * MIB + 0x80, 1)).toEqual(Uint8Array.of(0x90));
  });

  it('is refused when it loads to where there is no RAM', () => {
    expect(problemOf(() => bootKernel(multibootElf({ gpa: 200 * MIB })))).toMatch(
      /^vmlinuz: it loads to 0xc800000 to 0x[\da-f]+, which is not all RAM; --memory 201M would do$/,
    );
    expect(problemOf(() => bootKernel(multibootElf({ gpa: 0xf_0000 })))).toMatch(/not all RAM$/);
  });
});
