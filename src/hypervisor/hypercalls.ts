import { PAGE_BYTES } from '../core/memory.ts';
import type { Partition } from './partition.ts';
import { FIRST_VALID_VECTOR, MESSAGE_PAYLOAD_BYTES } from './spec/synic.ts';
import type { HypercallRow } from './spec/hypercalls.ts';
import {
  CONNECTION_ID_MASK,
  CONTROL_FAST,
  CONTROL_HIGH_RESERVED,
  CONTROL_LOW_RESERVED,
  CONTROL_REP_MASK,
  CONTROL_REP_START_SHIFT,
  CONTROL_VARIABLE_MASK,
  CONTROL_VARIABLE_SHIFT,
  ClusterIpiExInput,
  ClusterIpiInput,
  FAST_INPUT_BYTES,
  FLUSH_ALL_PROCESSORS,
  FlushExInput,
  FlushInput,
  HvStatus,
  HypercallCode,
  PostMessageInput,
  SignalEventInput,
  hypercalls,
} from './spec/hypercalls.ts';
import { eventSignaled, hypercallFailed, messagePosted } from './trace.ts';
import type { PartitionProcessor } from './virtual-processor.ts';
import {
  getVpIndexFromApicId,
  getVpRegisters,
  setVpRegisters,
  startVirtualProcessor,
} from './vp-hypercalls.ts';
import { VpSet } from './vp-set.ts';

const U32 = 0x1_0000_0000;
const Status = HvStatus.is;
const rows = new Map<number, HypercallRow>(hypercalls.map((row) => [row.code, row]));

const postMessage = PostMessageInput.offset;
const signalEvent = SignalEventInput.offset;
const clusterIpi = ClusterIpiInput.offset;
const clusterIpiEx = ClusterIpiExInput.offset;
const flush = FlushInput.offset;
const flushEx = FlushExInput.offset;

/**
 * The parameters of the call being made. Input and output are positions in a view: of guest memory
 * for the slow form, of a copy of the registers for the fast one.
 */
export interface HypercallFrame {
  view: DataView;
  u8: Uint8Array;
  input: number;
  output: number;
  /** Units of 8 bytes after the fixed input. */
  variableCount: number;
  repCount: number;
  /** The first element to do, and after the call the first one not done. */
  repIndex: number;
}

/** Decodes and answers hypercalls: TLFS "Hypercall Interface". No call allocates. */
export class Hypercalls implements HypercallFrame {
  readonly #partition: Partition;
  readonly #fast = new Uint8Array(FAST_INPUT_BYTES);
  readonly #fastView = new DataView(this.#fast.buffer);
  readonly #payload = new Uint8Array(MESSAGE_PAYLOAD_BYTES);
  readonly #vpSet = new VpSet();
  view: DataView = this.#fastView;
  u8: Uint8Array = this.#fast;
  input = 0;
  output = 0;
  variableCount = 0;
  repCount = 0;
  repIndex = 0;

  constructor(partition: Partition) {
    this.#partition = partition;
  }

  /**
   * @param registers see `VirtualProcessor.hypercall`
   * @returns false when the guest enabled no hypercall page: #UD
   */
  run(vp: PartitionProcessor, registers: Uint32Array): boolean {
    if (!this.#partition.isHypercallEnabled) return false;
    const low = registers[0]!;
    const high = registers[1]!;
    this.repIndex = 0;
    const status = this.#call(vp, registers);
    if (status !== Status.success) {
      vp.trace.emit(hypercallFailed, vp.index, low & 0xffff, status, low, high);
    }
    registers[0] = status;
    registers[1] = this.repIndex & CONTROL_REP_MASK;
    return true;
  }

  #call(vp: PartitionProcessor, registers: Uint32Array): number {
    const row = rows.get(registers[0]! & 0xffff);
    if (row === undefined) return Status.invalidHypercallCode;
    if (row.privilege !== undefined && !this.#partition.has(row.privilege)) {
      return Status.accessDenied;
    }
    const status = this.#locate(row, registers);
    return status === Status.success ? this.#dispatch(vp, row) : status;
  }

  /** Checks the control word and finds the parameters. */
  #locate(row: HypercallRow, registers: Uint32Array): number {
    const low = registers[0]!;
    const high = registers[1]!;
    if ((low & CONTROL_LOW_RESERVED) !== 0 || (high & CONTROL_HIGH_RESERVED) !== 0) {
      return Status.invalidHypercallInput;
    }
    this.variableCount = (low >>> CONTROL_VARIABLE_SHIFT) & CONTROL_VARIABLE_MASK;
    this.repCount = high & CONTROL_REP_MASK;
    const repStart = (high >>> CONTROL_REP_START_SHIFT) & CONTROL_REP_MASK;
    if (this.variableCount !== 0 && !row.hasVariableHeader) return Status.invalidHypercallInput;
    const hasGoodReps = row.isRep ? repStart < this.repCount : (this.repCount | repStart) === 0;
    if (!hasGoodReps) return Status.invalidHypercallInput;
    this.repIndex = repStart;
    const status = this.#locateParameters(row, registers);
    // Nothing was done: no element counts as complete.
    if (status !== Status.success) this.repIndex = 0;
    return status;
  }

  #locateParameters(row: HypercallRow, registers: Uint32Array): number {
    const inputBytes = row.inputBytes + this.variableCount * 8 + row.repInputBytes * this.repCount;
    const outputBytes = row.outputBytes + row.repOutputBytes * this.repCount;
    if ((registers[0]! & CONTROL_FAST) !== 0) {
      // Larger ones need the XMM registers, which do not pass through this interface.
      if (inputBytes > FAST_INPUT_BYTES || outputBytes > 0) return Status.invalidHypercallInput;
      for (let word = 0; word < 4; word += 1) {
        this.#fastView.setUint32(word * 4, registers[2 + word]!, true);
      }
      this.view = this.#fastView;
      this.u8 = this.#fast;
      this.input = 0;
      return Status.success;
    }
    const { memory } = this.#partition;
    this.view = memory.view;
    this.u8 = memory.u8;
    this.input = this.#resolve(registers[2]!, registers[3]!, inputBytes);
    this.output = this.#resolve(registers[4]!, registers[5]!, outputBytes);
    return this.input < 0 || this.output < 0 ? Status.invalidAlignment : Status.success;
  }

  /** @returns -1 when the block is misaligned, crosses a page or is not memory; 0 for an empty one */
  #resolve(low: number, high: number, bytes: number): number {
    if (bytes === 0) return 0;
    if ((low & 7) !== 0 || (low & (PAGE_BYTES - 1)) + bytes > PAGE_BYTES) return -1;
    return this.#partition.memory.resolve(high * U32 + low, bytes);
  }

  #dispatch(vp: PartitionProcessor, row: HypercallRow): number {
    switch (row.code) {
      case HypercallCode.PostMessage:
        return this.#postMessage(vp);
      case HypercallCode.SignalEvent:
        return this.#signalEvent(vp);
      case HypercallCode.NotifyLongSpinWait:
        return Status.success;
      case HypercallCode.SendSyntheticClusterIpi:
        this.#vpSet.useMask(this.view, this.input + clusterIpi.processorMask);
        return this.#sendIpi();
      case HypercallCode.SendSyntheticClusterIpiEx:
        if (!this.#useSparseSet(clusterIpiEx.setFormat, row.inputBytes)) {
          return Status.invalidHypercallInput;
        }
        return this.#sendIpi();
      case HypercallCode.FlushVirtualAddressSpace:
      case HypercallCode.FlushVirtualAddressList:
        this.#vpSet.useMask(this.view, this.input + flush.processorMask);
        return this.#flush();
      case HypercallCode.FlushVirtualAddressSpaceEx:
      case HypercallCode.FlushVirtualAddressListEx:
        if (!this.#useSparseSet(flushEx.setFormat, row.inputBytes)) {
          this.repIndex = 0;
          return Status.invalidHypercallInput;
        }
        return this.#flush();
      case HypercallCode.GetVpRegisters:
        return getVpRegisters(vp, this);
      case HypercallCode.SetVpRegisters:
        return setVpRegisters(vp, this);
      case HypercallCode.StartVirtualProcessor:
        return startVirtualProcessor(vp, this);
      case HypercallCode.GetVpIndexFromApicId:
        return getVpIndexFromApicId(vp, this);
      case HypercallCode.ExtQueryCapabilities:
        // No extended call is offered.
        this.u8.fill(0, this.output, this.output + row.outputBytes);
        return Status.success;
      default:
        return Status.invalidHypercallCode;
    }
  }

  #useSparseSet(formatOffset: number, fixedBytes: number): boolean {
    const banks = this.input + fixedBytes;
    return this.#vpSet.useSparse(this.view, this.input + formatOffset, banks, this.variableCount);
  }

  #postMessage(vp: PartitionProcessor): number {
    const { view, input, u8 } = this;
    const connection = view.getUint32(input + postMessage.connectionId, true) & CONNECTION_ID_MASK;
    const type = view.getUint32(input + postMessage.messageType, true);
    const bytes = view.getUint32(input + postMessage.payloadBytes, true);
    let status: number = Status.invalidParameter;
    if (type !== 0 && type < 0x8000_0000 && bytes <= MESSAGE_PAYLOAD_BYTES) {
      // A copy: the answer may be written to guest memory while the message is still being read.
      const from = input + postMessage.payload;
      this.#payload.set(u8.subarray(from, from + bytes));
      const { callbacks } = this.#partition;
      status = callbacks.onPostMessage(connection, type, this.#payload, 0, bytes, vp.index);
    }
    vp.trace.emit(messagePosted, vp.index, connection, type, bytes, status);
    return status;
  }

  #signalEvent(vp: PartitionProcessor): number {
    const { view, input } = this;
    const connection = view.getUint32(input + signalEvent.connectionId, true) & CONNECTION_ID_MASK;
    const flag = view.getUint16(input + signalEvent.flagNumber, true);
    const status = this.#partition.callbacks.onSignalEvent(connection, flag, vp.index);
    vp.trace.emit(eventSignaled, vp.index, connection, flag, status);
    return status;
  }

  #sendIpi(): number {
    const vector = this.view.getUint32(this.input + clusterIpi.vector, true);
    const targetVtl = this.u8[this.input + clusterIpi.targetVtl]!;
    if (vector < FIRST_VALID_VECTOR || vector > 0xff || targetVtl !== 0) {
      return Status.invalidParameter;
    }
    for (const processor of this.#partition.processors) {
      if (this.#vpSet.has(processor.index)) processor.raiseVector(vector);
    }
    return Status.success;
  }

  /** Flushes everything of each target: more than was asked for is always allowed. */
  #flush(): number {
    if ((this.u8[this.input + flush.flags]! & FLUSH_ALL_PROCESSORS) !== 0) this.#vpSet.useAll();
    for (const { index } of this.#partition.processors) {
      if (this.#vpSet.has(index)) this.#partition.callbacks.onFlush(index);
    }
    this.repIndex = this.repCount;
    return Status.success;
  }
}
