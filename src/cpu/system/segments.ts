/** Segment registers: what may be loaded, and what may be reached through them (SDM volume 3, chapters 3 and 5). */
import { type Cpu, Eflags } from '../cpu.ts';
import { raise, Vector } from '../exception.ts';
import { isCanonical } from '../mmu/walk.ts';
import { Mode } from '../mode.ts';
import { SEGMENT_BASE, SegmentIndex, SegmentState } from '../state.ts';
import {
  Attribute,
  type Descriptor,
  findDescriptor,
  markAccessed,
  needDescriptor,
  selectorError,
} from './descriptor.ts';

const U32_MAX = 0xffff_ffff;
/** Real mode: present, data, writable, accessed. */
const REAL_MODE_ACCESS = 0x93;
/** Virtual-8086 mode: the same at ring 3. */
export const VIRTUAL_8086_ACCESS = 0xf3;
const VIRTUAL_8086_LIMIT = 0xffff;

export function isProtected(cpu: Cpu): boolean {
  return (cpu.mode & Mode.protected) !== 0;
}

export function isVirtual8086(cpu: Cpu): boolean {
  return (cpu.systemFlags & Eflags.vm) !== 0;
}

export function is64Bit(cpu: Cpu): boolean {
  return (cpu.mode & Mode.code64) !== 0;
}

/** First and last offset of the last call of {@link setBounds}. */
export const bounds = { first: 0, last: 0 };

/** Offsets that a read or a write may touch; the first is above the last where there are none. */
export function setBounds(attributes: number, limit: number, isWrite: boolean): void {
  const isCode = (attributes & Attribute.code) !== 0;
  const allowed = isWrite
    ? !isCode && (attributes & Attribute.writable) !== 0
    : !isCode || (attributes & Attribute.readable) !== 0;
  bounds.first = 1;
  bounds.last = 0;
  if (!allowed || (attributes & (Attribute.unusable | Attribute.segment)) !== Attribute.segment) {
    return;
  }
  if (isCode || (attributes & Attribute.expandDown) === 0) {
    bounds.first = 0;
    bounds.last = limit;
    return;
  }
  const last = (attributes & Attribute.big) === 0 ? 0xffff : U32_MAX;
  if (limit >= last) return;
  bounds.first = limit + 1;
  bounds.last = last;
}

/** Writes all parts of a segment register. The caller calls `updateMode`. */
export function setSegment(
  cpu: Cpu,
  segment: number,
  selector: number,
  base: number,
  limit: number,
  attributes: number,
): void {
  const { u32 } = cpu;
  u32[(SegmentState.selector >> 2) + segment] = selector;
  u32[(SegmentState.limit >> 2) + segment] = limit;
  u32[(SegmentState.attributes >> 2) + segment] = attributes;
  cpu.setSigned(SEGMENT_BASE + 8 * segment, base);
  setBounds(attributes, limit, false);
  u32[(SegmentState.readBounds >> 2) + 2 * segment] = bounds.first;
  u32[(SegmentState.readBounds >> 2) + 2 * segment + 1] = bounds.last;
  setBounds(attributes, limit, true);
  u32[(SegmentState.writeBounds >> 2) + 2 * segment] = bounds.first;
  u32[(SegmentState.writeBounds >> 2) + 2 * segment + 1] = bounds.last;
}

export function setFromDescriptor(
  cpu: Cpu,
  segment: number,
  selector: number,
  descriptor: Descriptor,
): void {
  const { base, limit, attributes } = descriptor;
  setSegment(cpu, segment, selector, base, limit, attributes);
}

/** A null selector: nothing can be reached outside 64-bit mode, and FS and GS lose their base. */
export function setNull(cpu: Cpu, segment: number, selector: number, dpl = 0): void {
  const attributes = Attribute.unusable | (dpl << Attribute.dplShift);
  setSegment(cpu, segment, selector, 0, 0, attributes);
}

/** Real mode changes selector, base and access, and keeps limit and size: "unreal" mode lives on that. */
export function setReal(cpu: Cpu, segment: number, selector: number): void {
  if (isVirtual8086(cpu)) {
    setSegment(cpu, segment, selector, selector << 4, VIRTUAL_8086_LIMIT, VIRTUAL_8086_ACCESS);
    return;
  }
  const kept = cpu.attributes(segment) & 0xff00;
  const limit = cpu.segmentLimit(segment);
  setSegment(cpu, segment, selector, selector << 4, limit, kept | REAL_MODE_ACCESS);
}

export function isNull(selector: number): boolean {
  return (selector & 0xfffc) === 0;
}

function loadStack(cpu: Cpu, selector: number): void {
  const { cpl } = cpu;
  if (isNull(selector)) {
    if (!is64Bit(cpu) || cpl === 3 || (selector & 3) !== cpl) raise(Vector.generalProtection, 0);
    setNull(cpu, SegmentIndex.ss, selector, cpl);
    cpu.updateMode();
    return;
  }
  const descriptor = needDescriptor(cpu, selector);
  checkStackDescriptor(selector, descriptor, cpl, Vector.generalProtection, 0);
  markAccessed(cpu, descriptor);
  setFromDescriptor(cpu, SegmentIndex.ss, selector, descriptor);
  cpu.updateMode();
}

/**
 * Whether a descriptor may be the stack at a privilege level.
 * @param vector of the fault for a wrong one; one that is not present is #SS
 */
export function checkStackDescriptor(
  selector: number,
  descriptor: Descriptor,
  cpl: number,
  vector: number,
  external: number,
): void {
  const error = selectorError(selector, external);
  if ((selector & 3) !== cpl || descriptor.dpl !== cpl || !descriptor.isWritableData) {
    raise(vector, error);
  }
  if (!descriptor.isPresent) raise(Vector.stackFault, error);
}

/** Loads ES, SS, DS, FS or GS, as MOV and POP do. */
export function loadSegment(cpu: Cpu, segment: number, selector: number): void {
  if (!isProtected(cpu)) {
    setReal(cpu, segment, selector);
    cpu.updateMode();
    return;
  }
  if (segment === SegmentIndex.ss) {
    loadStack(cpu, selector);
    return;
  }
  if (isNull(selector)) {
    setNull(cpu, segment, selector);
    cpu.updateMode();
    return;
  }
  const descriptor = needDescriptor(cpu, selector);
  const error = selectorError(selector, 0);
  if (!descriptor.isReadable) raise(Vector.generalProtection, error);
  const level = Math.max(cpu.cpl, selector & 3);
  if (!descriptor.isConforming && descriptor.dpl < level) raise(Vector.generalProtection, error);
  if (!descriptor.isPresent) raise(Vector.segmentNotPresent, error);
  markAccessed(cpu, descriptor);
  setFromDescriptor(cpu, segment, selector, descriptor);
  cpu.updateMode();
}

/** After a return to a less privileged level: data segments that it may not use become null. */
export function dropPrivilegedSegments(cpu: Cpu, cpl: number): void {
  for (const segment of [SegmentIndex.es, SegmentIndex.ds, SegmentIndex.fs, SegmentIndex.gs]) {
    const attributes = cpu.attributes(segment);
    if ((attributes & Attribute.unusable) !== 0) continue;
    const isConforming = (attributes & (Attribute.code | Attribute.conforming)) === 0xc;
    const dpl = (attributes & Attribute.dplMask) >> Attribute.dplShift;
    if (isConforming || dpl >= cpl) continue;
    // The base stays: 64-bit code goes on using that of FS and GS.
    const base = cpu.segmentBase(segment);
    const limit = cpu.segmentLimit(segment);
    setSegment(cpu, segment, 0, base, limit, attributes | Attribute.unusable);
  }
}

/** The exception of an access that a segment does not allow. */
function segmentFault(segment: number): never {
  return raise(segment === SegmentIndex.ss ? Vector.stackFault : Vector.generalProtection, 0);
}

/** The linear address of an offset, wrapped as the mode has it, without a check. */
export function linearOf(cpu: Cpu, segment: number, offset: number): number {
  if (is64Bit(cpu)) {
    return segment === SegmentIndex.fs || segment === SegmentIndex.gs
      ? cpu.segmentBase(segment) + offset
      : offset;
  }
  return (cpu.segmentBase(segment) + offset) >>> 0;
}

/**
 * Raises #GP(0), or #SS(0) for SS, when `size` bytes at an offset may not be reached.
 * @param offset unsigned outside 64-bit mode, signed there
 * @returns the linear address
 */
export function checkSegment(
  cpu: Cpu,
  segment: number,
  offset: number,
  size: number,
  isWrite: boolean,
): number {
  const linear = linearOf(cpu, segment, offset);
  if (is64Bit(cpu)) {
    if (!isCanonical(linear) || !isCanonical(linear + size - 1)) segmentFault(segment);
    return linear;
  }
  const at = ((isWrite ? SegmentState.writeBounds : SegmentState.readBounds) >> 2) + 2 * segment;
  const first = cpu.u32[at]!;
  const last = cpu.u32[at + 1]!;
  if (offset < first || offset > last) segmentFault(segment);
  // A segment of 4 GiB has no end to run over: the address wraps.
  const isWhole = first === 0 && last === U32_MAX;
  if (offset + size - 1 > last && !isWhole) segmentFault(segment);
  return linear;
}

/** Reads a descriptor for LAR, LSL, VERR and VERW, which never fault for what it says. */
export function inspectDescriptor(cpu: Cpu, selector: number): Descriptor | undefined {
  if (isNull(selector)) return undefined;
  return findDescriptor(cpu, selector);
}
