import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { BOOT_SECTOR_CODE, efiLoader, MBR_CODE } from '../../src/boot/default-code.ts';
import { createDefaultDisk } from '../../src/boot/default-disk.ts';
import { guessGeneration } from '../../src/boot/guess-generation.ts';
import type { BlockDevice } from '../../src/storage/block.ts';
import { readPartitions } from '../../src/storage/partitions/read.ts';
import { hasTool, run } from '../support/tools.ts';
import { boot, disk, MIB } from './rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'synthvm-default-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Of 96 MiB, a piece after the other. */
function* content(block: BlockDevice): Generator<Uint8Array> {
  const bytes = new Uint8Array(MIB);
  for (let at = 0; at < block.sizeBytes; at += MIB) {
    block.read(at, bytes, 0, MIB);
    yield bytes;
  }
}

/** A sparse file: most of a disk is zeros. */
function writeDisk(name: string, block: BlockDevice): string {
  const path = join(folder, name);
  const file = openSync(path, 'w');
  const zeros = new Uint8Array(MIB);
  let at = 0;
  for (const bytes of content(block)) {
    if (Buffer.compare(bytes, zeros) !== 0) writeSync(file, bytes, 0, MIB, at);
    at += MIB;
  }
  ftruncateSync(file, at);
  closeSync(file);
  return path;
}

function write(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe('the disk of a machine whose user gave none', () => {
  it('boots each generation through all phases, and is guessed as that generation', () => {
    for (const generation of [1, 2] as const) {
      const block = createDefaultDisk({ generation });
      expect(guessGeneration(block).generation).toBe(generation);
      const rig = boot({ generation, disks: [disk(block)] });
      expect(rig.result.kind).toBe('started');
      expect(rig.phases.map((phase) => phase.split(' ')[2])).toEqual([
        'firmware',
        'boot-device',
        'loader',
      ]);
      expect(rig.warnings).toEqual([]);
      expect(rig.clock.nowNs).toBe(rig.result.elapsedNs);
    }
  });

  it('is the same every time, and takes little memory', () => {
    const one = createDefaultDisk({ generation: 2, sizeBytes: 96 * MIB });
    const two = createDefaultDisk({ generation: 2, sizeBytes: 96 * MIB });
    const [hashes, others] = [one, two].map((block) =>
      content(block).map((piece) => Bun.hash(piece)),
    );
    expect([...hashes!]).toEqual([...others!]);
    expect(one.diskId).toEqual(two.diskId);
  });

  it.skipIf(!hasTool('sgdisk'))('has a GPT that sgdisk verifies', () => {
    const block = createDefaultDisk({ generation: 2, sizeBytes: 96 * MIB });
    const path = writeDisk('gpt.img', block);
    const verdict = run('sgdisk', ['--verify', path]);
    expect(verdict).toContain('No problems found');
    const info = run('sgdisk', ['--info=2', path]);
    expect(info).toContain('FreeBSD UFS');
  });

  it.skipIf(!hasTool('mcopy'))('has an ESP that mtools reads', () => {
    const block = createDefaultDisk({ generation: 2, sizeBytes: 96 * MIB });
    const path = writeDisk('esp.img', block);
    const start = readPartitions(block).partitions[0]!.startByte;
    const copy = join(folder, 'copy.efi');
    run('mcopy', ['-i', `${path}@@${start}`, '::EFI/BOOT/BOOTX64.EFI', copy]);
    expect(Bun.hash(readFileSync(copy))).toBe(Bun.hash(efiLoader()));
  });

  it.skipIf(!hasTool('blkid'))('has a root that blkid knows as UFS', () => {
    for (const generation of [1, 2] as const) {
      const block = createDefaultDisk({ generation, sizeBytes: 96 * MIB });
      const root = readPartitions(block).partitions[generation - 1]!;
      const path = writeDisk(`root${generation}.img`, block);
      const verdict = run('blkid', ['-p', '-o', 'export', '-O', `${root.startByte}`, path]);
      expect(verdict).toContain('TYPE=ufs');
      expect(verdict).toContain('LABEL=rootfs');
    }
  });
});

describe.skipIf(!hasTool('objdump'))('our own code, disassembled by binutils', () => {
  function disassemble(name: string, bytes: Uint8Array, machine: string): string[] {
    const options = ['-D', '-b', 'binary', '-m', 'i386', '-M', `${machine},intel`];
    const text = run('objdump', [...options, write(name, bytes)]);
    return text
      .split('\n')
      .filter((line) => /^\s+[0-9a-f]+:\t/.test(line))
      .map((line) => line.split('\t')[2]?.replaceAll(/\s+/g, ' ').replace(/ #.*/, '').trim() ?? '')
      .filter((line) => line !== '');
  }

  it('finds the active partition in the MBR and jumps to its boot sector', () => {
    const lines = disassemble('mbr', MBR_CODE, 'i8086');
    expect(lines).not.toContain('(bad)');
    expect(lines.slice(9, 12)).toEqual([
      'rep movs WORD PTR es:[di],WORD PTR ds:[si]',
      'jmp 0x0:0x61c',
      'mov si,0x7be',
    ]);
    expect(lines.at(-1)).toBe('jmp 0x0:0x7c00');
    expect(lines).toContain('cmp WORD PTR ds:0x7dfe,0xaa55');
  });

  it('prints and halts in the boot sector', () => {
    const lines = disassemble('pbr', BOOT_SECTOR_CODE.subarray(0, 0x19), 'i8086');
    expect(lines).toEqual([
      'xor ax,ax',
      'mov ds,ax',
      'mov si,0x7c19',
      'cld',
      'lods al,BYTE PTR ds:[si]',
      'test al,al',
      'je 0x16',
      'mov ah,0xe',
      'mov bx,0x7',
      'int 0x10',
      'jmp 0x8',
      'hlt',
      'jmp 0x16',
    ]);
  });

  it('is a PE32+ EFI application for x86-64', () => {
    const path = write('loader.efi', efiLoader());
    const headers = run('objdump', ['-f', '-p', path]);
    expect(headers).toContain('file format pei-x86-64');
    expect(headers).toMatch(/Subsystem\s+0000000a\s+\(EFI application\)/);
    expect(headers).toMatch(/AddressOfEntryPoint\s+0+1000/);
    const code = run('objdump', ['-d', '-M', 'intel', path]);
    expect(code).toMatch(/call\s+QWORD PTR \[rcx\+0x8\]/);
    expect(code).toMatch(/lea\s+rdx,\[rip\+0x21\]\s+# 0x1030/);
    expect(code).toMatch(/movabs\s+rax,0x800000000000000e/);
  });
});
