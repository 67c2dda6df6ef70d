/** The guest's connection to the bus: contact, requests and their answers, what the host says. */
import { ConnectionId, VMBUS_SINT } from '../../vmbus/spec/ids.ts';
import * as wire from '../../vmbus/spec/messages.ts';
import { MessageType } from '../../vmbus/spec/messages.ts';
import { showVmbusVersion, VMBUS_VERSIONS, VmbusVersion } from '../../vmbus/spec/versions.ts';
import type { Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Synic } from './synic.ts';

/** Versions by preference. 10.2 knew up to 3.0; today's driver begins at 4.0. */
const LEGACY_VERSIONS = [
  VmbusVersion.win8_1,
  VmbusVersion.win8,
  VmbusVersion.win7,
  VmbusVersion.v1,
] as const;
const MODERN_VERSIONS = [VmbusVersion.win10, ...LEGACY_VERSIONS] as const;

const FIVE_SECONDS_NS = 5_000_000_000;
/** "Five seconds", counted in ticks whatever their length. */
const LEGACY_TIMEOUT_TICKS = 500;

/** An answer that some thread waits for. */
interface Waiter {
  answer: DataView | undefined;
}

export type MessageHandler = (message: DataView) => void;

export class Connection {
  readonly #kernel: Kernel;
  readonly #synic: Synic;
  readonly #waiters = new Map<string, Waiter>();
  readonly #handlers = new Map<number, MessageHandler>();
  /** Guest-to-host half of the interrupt page, linear position. */
  readonly sendFlags: number;
  /** Host-to-guest half. */
  readonly receiveFlags: number;
  /** Child-to-parent monitor page, linear position. */
  readonly monitorPage: number;
  readonly #interruptPageGpa: number;
  readonly #monitorGpas: readonly [parentToChild: number, childToParent: number];
  #version = 0;
  #messageConnectionId: number = ConnectionId.message;
  #postFailures = 0;

  constructor(kernel: Kernel, synic: Synic) {
    this.#kernel = kernel;
    this.#synic = synic;
    this.#interruptPageGpa = kernel.allocatePages(1);
    this.#monitorGpas = [kernel.allocatePages(1), kernel.allocatePages(1)];
    const { memory } = kernel.hw;
    this.receiveFlags = memory.resolve(this.#interruptPageGpa, 4096);
    this.sendFlags = this.receiveFlags + 2048;
    this.monitorPage = memory.resolve(this.#monitorGpas[1], 4096);
  }

  /** 0 while there is no connection. */
  get version(): number {
    return this.#version;
  }

  get versionText(): string {
    return showVmbusVersion(this.#version);
  }

  /** Before 2.4 events come through the shared interrupt page. */
  get hasSharedInterruptPage(): boolean {
    return this.#version < VmbusVersion.win8;
  }

  /** Posts that never got through. */
  get postFailures(): number {
    return this.#postFailures;
  }

  on(type: number, handler: MessageHandler): void {
    this.#handlers.set(type, handler);
  }

  /** The wait for an answer: 500 ticks in 10.2, five seconds in today's driver. */
  get timeoutNs(): number {
    if (!this.#kernel.isLegacy) return FIVE_SECONDS_NS;
    return (LEGACY_TIMEOUT_TICKS / this.#kernel.hz) * 1e9;
  }

  /** Proposes versions until the host takes one. @returns false when none or no answer */
  *connect(): Task<boolean> {
    for (const version of this.#versions()) {
      const answer = yield* this.#contact(version);
      if (answer === undefined) return false;
      const response = wire.VersionResponse.cursor(answer).at(0);
      const { connectionState, versionSupported } = response;
      if (versionSupported === 0 || connectionState !== wire.ConnectionState.successful) continue;
      this.#version = version;
      if (version >= VmbusVersion.rs3_1) {
        this.#messageConnectionId = response.selectedVersionOrConnectionId;
      }
      return true;
    }
    return false;
  }

  #versions(): readonly number[] {
    const only = this.#kernel.switches.vmbusVersion;
    if (only !== 'auto')
      return VMBUS_VERSIONS.filter((version) => showVmbusVersion(version) === only);
    return this.#kernel.isLegacy ? LEGACY_VERSIONS : MODERN_VERSIONS;
  }

  *#contact(version: number): Task<DataView | undefined> {
    const isTargeted = version >= VmbusVersion.rs3_1;
    const message = build(wire.InitiateContact, MessageType.initiateContact);
    message.fields.versionRequested = version;
    message.fields.targetMessageVp = this.#synic.vpIndexOf(0);
    // From 5.0 on the page's field says which SINT and VTL the messages go to.
    message.fields.interruptPageOrTargetInfo = isTargeted
      ? BigInt(VMBUS_SINT)
      : BigInt(this.#interruptPageGpa);
    message.fields.parentToChildMonitorPageGpa = BigInt(this.#monitorGpas[0]);
    message.fields.childToParentMonitorPageGpa = BigInt(this.#monitorGpas[1]);
    this.#messageConnectionId = isTargeted ? ConnectionId.multiClientMessage : ConnectionId.message;
    return yield* this.request(message.bytes, 'version', this.timeoutNs);
  }

  /** Sends a message that has no answer. @returns false when the host never took it */
  *send(message: Uint8Array): Task<boolean> {
    const status = yield* this.#synic.post(this.#messageConnectionId, message);
    if (status !== 0) this.#postFailures += 1;
    return status === 0;
  }

  /**
   * Sends a message and waits for the answer that `deliver` gives under the key.
   * @param isOver looked at every clock tick when given; ends the wait
   */
  *request(
    message: Uint8Array,
    key: string,
    timeoutNs: number,
    isOver?: () => boolean,
  ): Task<DataView | undefined> {
    const waiter = this.expect(key);
    if (!(yield* this.send(message))) {
      this.#waiters.delete(key);
      return undefined;
    }
    return yield* this.wait(key, waiter, timeoutNs, isOver);
  }

  /** Announces that an answer will be waited for, before the message goes out. */
  expect(key: string): Waiter {
    const waiter: Waiter = { answer: undefined };
    this.#waiters.set(key, waiter);
    return waiter;
  }

  *wait(
    key: string,
    waiter: Waiter,
    timeoutNs: number,
    isOver?: () => boolean,
  ): Task<DataView | undefined> {
    const kernel = this.#kernel;
    const end = timeoutNs === Infinity ? Infinity : kernel.uptimeNs() + timeoutNs;
    while (waiter.answer === undefined) {
      const left = end === Infinity ? Infinity : end - kernel.uptimeNs();
      if (left <= 0 || isOver?.() === true) break;
      const tickNs = 1e9 / kernel.hz;
      yield* kernel.tsleep(waiter, isOver === undefined ? left : Math.min(left, tickNs));
    }
    this.#waiters.delete(key);
    return waiter.answer;
  }

  /** Hands an answer to whoever waits for it; late and unasked ones are dropped. */
  #deliver(key: string, answer: DataView): void {
    const waiter = this.#waiters.get(key);
    if (waiter === undefined) return;
    waiter.answer = answer;
    this.#kernel.wakeup(waiter);
  }

  /** Messages that only complete a request: quick, never blocking. @returns false for others */
  complete(message: DataView): boolean {
    const type = message.getUint32(0, true);
    const length = message.byteLength;
    if (type === MessageType.versionResponse && length >= wire.VersionResponse.size) {
      this.#deliver('version', message);
    } else if (type === MessageType.openResult && length >= wire.OpenResult.size) {
      this.#deliver(`open ${message.getUint32(8, true)}`, message);
    } else if (type === MessageType.gpadlCreated && length >= wire.GpadlCreated.size) {
      this.#deliver(`gpadl ${message.getUint32(12, true)}`, message);
    } else if (type === MessageType.gpadlTorndown && length >= wire.GpadlTorndown.size) {
      this.#deliver(`torndown ${message.getUint32(8, true)}`, message);
    } else if (type === MessageType.unloadComplete) {
      this.#deliver('unload', message);
    } else {
      return false;
    }
    return true;
  }

  /** Messages that have a handler; numbers that this kernel does not know are ignored. */
  dispatch(message: DataView): void {
    if (message.byteLength < wire.MessageHeader.size || this.complete(message)) return;
    this.#handlers.get(message.getUint32(0, true))?.(message);
  }

  /** Tells the host that this kernel leaves; today's driver waits for the answer. */
  *unload(): Task {
    if (this.#version === 0) return;
    const message = build(wire.Unload, MessageType.unload).bytes;
    if (this.#kernel.isLegacy || this.#version < VmbusVersion.win7) yield* this.send(message);
    else yield* this.request(message, 'unload', FIVE_SECONDS_NS);
    this.#version = 0;
  }
}

interface MessageStruct {
  readonly size: number;
  cursor(view: DataView): unknown;
}

/** A zeroed message with its type set, and a cursor on its fields. */
export function build<S extends MessageStruct>(
  struct: S,
  type: number,
): { readonly bytes: Uint8Array; readonly fields: ReturnType<S['cursor']> } {
  const bytes = new Uint8Array(struct.size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  return { bytes, fields: struct.cursor(view) as ReturnType<S['cursor']> };
}
