import { describe, expect, it } from 'vitest';
import { guessGeneration } from '../../src/boot/guess-generation.ts';
import { GptType } from '../../src/storage/partitions/spec.ts';
import { ArrayDisk } from '../support/array-disk.ts';
import { efiDisk, gptDisk, LOADER_PATH, mbrDisk } from './disks.ts';
import { MIB } from './rig.ts';

const damaged = gptDisk(GptType.efiSystem);
damaged.bytes.fill(0, 512, 1024);
damaged.bytes.fill(0, damaged.sizeBytes - 512);
const { disk: esp, espStart } = efiDisk({ [LOADER_PATH]: 'x' });

describe('the generation of a disk', () => {
  it.each([
    ['a GPT with an ESP', gptDisk(GptType.efiSystem), '', 2, 'a GPT with an EFI system partition'],
    ['the same as VHD', gptDisk(GptType.efiSystem), 'vhd-fixed', 2, 'a GPT with an EFI'],
    ['a GPT for a BIOS', gptDisk(GptType.freebsdBoot), '', 1, 'freebsd-boot'],
    ['a GPT for GRUB', gptDisk(GptType.biosBoot), '', 1, 'BIOS boot partition'],
    ['a GPT without either', gptDisk(GptType.linuxRoot), '', 2, 'a GPT'],
    ['a damaged GPT', damaged, '', 2, 'a damaged one'],
    ['an active partition', mbrDisk([{ typeByte: 0xa5, active: true }]), '', 1, 'active partition'],
    ['an ESP in an MBR', mbrDisk([{ typeByte: 0xef }]), '', 2, 'an MBR with an EFI'],
    ['a data MBR', mbrDisk([{ typeByte: 0x83 }]), '', 2, 'nothing on the disk decides'],
    ['a data MBR as VHD', mbrDisk([{ typeByte: 0x83 }]), 'vhd-dynamic', 1, 'VHD cannot boot'],
    ['a blank disk', new ArrayDisk(MIB), 'vhdx-dynamic', 2, 'nothing on the disk decides'],
    ['a blank file *.vhd', new ArrayDisk(MIB, { name: 'a.VHD' }), '', 1, 'VHD cannot boot'],
    ['a FAT stick', new ArrayDisk(esp.bytes.slice(espStart)), '', 2, 'a FAT volume with \\EFI'],
  ] as const)('%s', (_name, block, format, generation, reason) => {
    const guess = guessGeneration(block, format);
    expect(guess.generation).toBe(generation);
    expect(guess.reason).toContain(reason);
  });
});
