/** Hypercalls about virtual processors: registers, start, and names. TLFS, one page each. */
import type { HypercallFrame } from './hypercalls.ts';
import {
  HvStatus,
  PARTITION_ID_SELF_HALF,
  RegisterAssociation,
  StartVpInput,
  VP_INDEX_SELF,
  VpIndexFromApicIdInput,
  VpRegistersInput,
} from './spec/hypercalls.ts';
import { registerCpuidLeaves, registerMsrs } from './spec/registers.ts';
import type { PartitionProcessor } from './virtual-processor.ts';

const Status = HvStatus.is;
const header = VpRegistersInput.offset;
const association = RegisterAssociation.offset;
const start = StartVpInput.offset;
const CONTEXT_BYTES = StartVpInput.size - start.context;
const words = new Uint32Array(4);
const context = new Uint8Array(CONTEXT_BYTES);

/** Every header of this file begins with the partition's id. */
function namesThisPartition({ view, input }: HypercallFrame): boolean {
  const low = view.getUint32(input, true);
  return low === PARTITION_ID_SELF_HALF && view.getUint32(input + 4, true) === low;
}

function findProcessor(
  vp: PartitionProcessor,
  { view, input }: HypercallFrame,
): PartitionProcessor | undefined {
  const index = view.getUint32(input + header.vpIndex, true);
  return index === VP_INDEX_SELF ? vp : vp.partition.processors[index];
}

/** HvCallGetVpRegisters: 16 bytes for each name. */
export function getVpRegisters(vp: PartitionProcessor, frame: HypercallFrame): number {
  if (!namesThisPartition(frame)) return fail(frame, Status.invalidPartitionId);
  const target = findProcessor(vp, frame);
  if (target === undefined) return fail(frame, Status.invalidVpIndex);
  const { view, input, output, repCount } = frame;
  for (; frame.repIndex < repCount; frame.repIndex += 1) {
    const name = view.getUint32(input + VpRegistersInput.size + frame.repIndex * 4, true);
    if (!readRegister(target, name)) return Status.invalidParameter;
    const at = output + frame.repIndex * 16;
    for (let word = 0; word < 4; word += 1) view.setUint32(at + word * 4, words[word]!, true);
  }
  return Status.success;
}

function readRegister(target: PartitionProcessor, name: number): boolean {
  const leaf = registerCpuidLeaves.get(name);
  if (leaf !== undefined) {
    target.cpuid(leaf, 0, words);
    return true;
  }
  words.fill(0);
  const msr = registerMsrs.get(name);
  return msr !== undefined && target.readMsr(msr, words);
}

/** HvCallSetVpRegisters. */
export function setVpRegisters(vp: PartitionProcessor, frame: HypercallFrame): number {
  if (!namesThisPartition(frame)) return fail(frame, Status.invalidPartitionId);
  const target = findProcessor(vp, frame);
  if (target === undefined) return fail(frame, Status.invalidVpIndex);
  const { view, input, repCount } = frame;
  for (; frame.repIndex < repCount; frame.repIndex += 1) {
    const at = input + VpRegistersInput.size + frame.repIndex * RegisterAssociation.size;
    const msr = registerMsrs.get(view.getUint32(at + association.name, true));
    const low = view.getUint32(at + association.valueLow, true);
    const high = view.getUint32(at + association.valueLow + 4, true);
    if (msr === undefined || !target.writeMsr(msr, low, high)) return Status.invalidParameter;
  }
  return Status.success;
}

/** HvCallStartVirtualProcessor. */
export function startVirtualProcessor(vp: PartitionProcessor, frame: HypercallFrame): number {
  if (!namesThisPartition(frame)) return Status.invalidPartitionId;
  const { view, u8, input } = frame;
  const index = view.getUint32(input + start.vpIndex, true);
  const target = vp.partition.processors[index];
  if (target === undefined) return Status.invalidVpIndex;
  if (u8[input + start.targetVtl] !== 0) return Status.invalidParameter;
  if (!target.waitsForStartup) return Status.invalidVpState;
  for (let byte = 0; byte < CONTEXT_BYTES; byte += 1) {
    context[byte] = u8[input + start.context + byte]!;
  }
  if (!vp.partition.callbacks.onStartProcessor(index, context)) return Status.operationDenied;
  target.waitsForStartup = false;
  return Status.success;
}

/** HvCallGetVpIndexFromApicId: on this machine both are the same number. */
export function getVpIndexFromApicId(vp: PartitionProcessor, frame: HypercallFrame): number {
  if (!namesThisPartition(frame)) return fail(frame, Status.invalidPartitionId);
  const { view, input, output, repCount } = frame;
  for (; frame.repIndex < repCount; frame.repIndex += 1) {
    const at = input + VpIndexFromApicIdInput.size + frame.repIndex * 4;
    const target = vp.partition.processors[view.getUint32(at, true)];
    if (target === undefined) return Status.invalidParameter;
    view.setUint32(output + frame.repIndex * 4, target.index, true);
  }
  return Status.success;
}

/** Refuses a rep call before its first element. */
function fail(frame: HypercallFrame, status: number): number {
  frame.repIndex = 0;
  return status;
}
