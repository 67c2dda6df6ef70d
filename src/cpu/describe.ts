/** A processor's registers as text, for reports. */
import type { Cpu } from './cpu.ts';
import { Decoder } from './decode/decode.ts';
import type { Instruction } from './decode/instruction.ts';
import { disassemble } from './disassemble/disassemble.ts';
import { fetchPosition } from './mmu/access.ts';
import { linearOf } from './system/segments.ts';
import { GPR, RIP, SegmentIndex, System } from './state.ts';

const NAMES = [
  'RAX',
  'RCX',
  'RDX',
  'RBX',
  'RSP',
  'RBP',
  'RSI',
  'RDI',
  ...Array.from({ length: 8 }, (_, index) => `R${index + 8}`),
];

function wide(cpu: Cpu, offset: number): string {
  const [low, high] = [cpu.u32[offset >> 2]!, cpu.u32[(offset >> 2) + 1]!];
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}

/** Lines of registers: general, RIP and EFLAGS, segments, control. */
export function describeProcessor(cpu: Cpu): string {
  const lines: string[] = [];
  for (let first = 0; first < 16; first += 4) {
    const row = [0, 1, 2, 3].map(
      (each) => `${NAMES[first + each]!.padEnd(3)}=${wide(cpu, GPR + 8 * (first + each))}`,
    );
    lines.push(row.join(' '));
  }
  lines.push(
    `RIP=${wide(cpu, RIP)} EFLAGS=${cpu.eflags.toString(16).padStart(8, '0')} CPL=${cpu.cpl}`,
  );
  const segments = Object.entries(SegmentIndex).map(
    ([name, index]) => `${name.toUpperCase()}=${cpu.selector(index).toString(16).padStart(4, '0')}`,
  );
  lines.push(segments.join(' '));
  const control = (['cr0', 'cr2', 'cr3', 'cr4', 'efer'] as const).map(
    (name) => `${name.toUpperCase()}=${wide(cpu, System[name])}`,
  );
  lines.push(control.join(' '));
  return lines.join('\n');
}

/** Bytes, disassembly and address of the instruction at RIP. */
export function describeInstruction(cpu: Cpu, insn: Instruction): string {
  const bytes = new Uint8Array(insn.length);
  for (let index = 0; index < insn.length; index += 1) {
    const linear = linearOf(cpu, SegmentIndex.cs, cpu.rip + index);
    bytes[index] = cpu.u8[fetchPosition(cpu, linear)]!;
  }
  const address = BigInt(cpu.rip);
  const { text } = disassemble(new Decoder(), bytes, 0, insn.mode, address, 'intel');
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return `${hex} (${text.trim()}) at RIP 0x${wide(cpu, RIP)}`;
}
