/** A processor on its own: memory, partition, and a host that remembers what it was told. */
import { MmioBus, PortBus } from '../../src/core/bus.ts';
import { VirtualClock } from '../../src/core/clock.ts';
import { EventQueue } from '../../src/core/events.ts';
import { GuestMemory, PAGE_BYTES } from '../../src/core/memory.ts';
import { Trace } from '../../src/core/trace.ts';
import { Cpu, Cr0, Cr4, Efer } from '../../src/cpu/cpu.ts';
import { CpuException, NO_ERROR_CODE } from '../../src/cpu/exception.ts';
import { flushAll } from '../../src/cpu/mmu/tlb.ts';
import {
  ACCESS_ADDRESS,
  ACCESS_VALUE,
  privateBytes,
  SegmentIndex,
  System,
} from '../../src/cpu/state.ts';
import { setNull, setSegment } from '../../src/cpu/system/segments.ts';
import { Partition } from '../../src/hypervisor/partition.ts';
import { x86Cpuid } from '../../src/hypervisor/x86-cpuid.ts';
import { fullProfile } from '../hypervisor/machine.ts';

export const RAM_BYTES = 4 << 20;
const TSC_HZ = 1_000_000_000;

export interface Rig {
  readonly cpu: Cpu;
  readonly memory: GuestMemory;
  readonly partition: Partition;
  readonly clock: VirtualClock;
  readonly ports: PortBus;
  readonly mmio: MmioBus;
  /** Guest physical pages that have code in them. */
  readonly codePages: Set<number>;
  /** Reports of writes to code: guest physical address and length. */
  readonly codeWrites: [gpa: number, length: number][];
  readonly calls: { recheck: number; syncClock: number; flush: number; tripleFault: number };
  /** Position of a guest physical address, which must be RAM. */
  at(gpa: number): number;
  /** Little-endian bytes of a number at a guest physical address. */
  put(gpa: number, size: 1 | 2 | 4 | 8, value: number | bigint): void;
  get(gpa: number, size: 1 | 2 | 4 | 8): bigint;
}

/** @param isLinear executors of generated code can be made on it, and it takes longer to make */
export function rigMemory(isLinear: boolean, ramBytes = RAM_BYTES): GuestMemory {
  return new GuestMemory({
    ramBytes,
    lowGapStart: 0xf800_0000,
    privateBytes: privateBytes(1),
    isLinear,
  });
}

/** Real mode after construction, all of the state block 0 but for the TLB, which is empty. */
export function cpuRig(memory = rigMemory(false)): Rig {
  const clock = new VirtualClock();
  const ports = new PortBus();
  const mmio = new MmioBus();
  const calls = { recheck: 0, syncClock: 0, flush: 0, tripleFault: 0 };
  const partition = new Partition({
    memory,
    clock,
    events: new EventQueue(clock),
    trace: new Trace(clock),
    ports,
    mmio,
    profile: fullProfile,
    processorCount: 1,
    tscHz: TSC_HZ,
    apicHz: 200_000_000,
    baseCpuid: x86Cpuid(TSC_HZ, 1),
    onTripleFault: () => {
      calls.tripleFault += 1;
    },
  });
  const cpu = new Cpu(memory, partition.processors[0]!);
  const first = memory.resolve(0, 1);
  const codePages = new Set<number>();
  const codeWrites: [number, number][] = [];
  cpu.host = {
    arithmeticFlags: () => {
      throw new Error('no lazy flags here');
    },
    left: 0,
    syncClock: () => {
      calls.syncClock += 1;
    },
    recheck: () => {
      calls.recheck += 1;
    },
    codeWritten: (position, length) => {
      codeWrites.push([position - first, length]);
    },
    hasCode: (position) => codePages.has(Math.floor((position - first) / PAGE_BYTES) * PAGE_BYTES),
  };
  flushAll(cpu);
  const at = (gpa: number): number => {
    const position = memory.resolve(gpa, 8);
    if (position < 0) throw new Error(`${gpa.toString(16)} is not RAM`);
    return position;
  };
  return {
    cpu,
    memory,
    partition,
    clock,
    ports,
    mmio,
    codePages,
    codeWrites,
    calls,
    at,
    put(gpa, size, value) {
      const whole = BigInt.asUintN(64, BigInt(value));
      for (let byte = 0; byte < size; byte += 1) {
        memory.u8[at(gpa) + byte] = Number((whole >> BigInt(8 * byte)) & 0xffn);
      }
    },
    get(gpa, size) {
      let value = 0n;
      for (let byte = size - 1; byte >= 0; byte -= 1) {
        value = (value << 8n) | BigInt(memory.u8[at(gpa) + byte]!);
      }
      return value;
    },
  };
}

/** Vector and error code of the exception, or undefined if there is none. */
export function faultOf(action: () => unknown): string | undefined {
  try {
    action();
  } catch (error) {
    if (!(error instanceof CpuException)) throw error;
    return error.errorCode === NO_ERROR_CODE
      ? `#${error.vector}`
      : `#${error.vector}(${error.errorCode.toString(16)})`;
  }
  return undefined;
}

export interface Registers {
  readonly cr0?: number;
  readonly cr3?: number;
  readonly cr4?: number;
  readonly efer?: number;
  readonly cpl?: number;
}

/** Writes control registers behind the back of the instructions that would. */
export function setControl({ cpu }: Rig, registers: Registers): void {
  if (registers.cr0 !== undefined) cpu.u32[System.cr0 >> 2] = registers.cr0;
  if (registers.cr3 !== undefined) cpu.setSigned(System.cr3, registers.cr3);
  if (registers.cr4 !== undefined) cpu.u32[System.cr4 >> 2] = registers.cr4;
  if (registers.efer !== undefined) cpu.u32[System.efer >> 2] = registers.efer;
  cpu.updateMode(registers.cpl ?? cpu.cpl);
  flushAll(cpu);
}

/** Control register values of long mode with paging and all protections but SMEP. */
export const LONG_MODE: Registers = {
  cr0: Cr0.pe | Cr0.pg | Cr0.wp,
  cr4: Cr4.pae | Cr4.pge,
  efer: Efer.lme | Efer.lma | Efer.nxe,
};

/** A task register and no LDT, as every kernel has them. */
export function setSystemSegments({ cpu }: Rig): void {
  setSegment(cpu, SegmentIndex.tr, 0x40, 0x6000, 0x67, 0x8b);
  setNull(cpu, SegmentIndex.ldtr, 0);
}

export function setAccess({ cpu }: Rig, linear: bigint, value = 0n): void {
  cpu.view.setBigInt64(ACCESS_ADDRESS, linear, true);
  cpu.view.setBigUint64(ACCESS_VALUE, value, true);
}
