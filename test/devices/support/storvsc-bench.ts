import { VirtualClock } from '../../../src/core/clock.ts';
import { EventQueue } from '../../../src/core/events.ts';
import { Trace } from '../../../src/core/trace.ts';
import { StorvscController, type StorvscOptions } from '../../../src/devices/storvsc/controller.ts';
import {
  DEFAULT_STORVSC_PROFILE,
  type StorvscProfile,
} from '../../../src/devices/storvsc/profile.ts';
import { VstorOperation, VstorScsiRequest } from '../../../src/devices/storvsc/spec.ts';
import { FakeChannel, type SentPacket } from './fake-channel.ts';
import { emptyMemory, rangesOf, unhex } from './scsi-runner.ts';

const { is } = VstorOperation;

export interface Srb {
  readonly path?: number;
  readonly target?: number;
  readonly lun?: number;
  readonly cdb: string;
  /** 0 out, 1 in, 2 none. */
  readonly dataIn?: number;
  readonly length?: number;
  readonly runs?: readonly (readonly [number, number])[];
  readonly senseLength?: number;
  readonly channel?: FakeChannel;
}

export interface Completion {
  readonly status: number;
  readonly srb: number;
  readonly scsi: number;
  readonly transferred: number;
  readonly sense: Uint8Array;
  readonly bytes: Uint8Array;
  readonly transaction: number;
}

/** A controller, its virtual time and a guest that sends packets to it. */
export class StorvscBench {
  readonly clock = new VirtualClock();
  readonly events = new EventQueue(this.clock);
  readonly trace = new Trace(this.clock);
  readonly memory = emptyMemory();
  readonly controller: StorvscController;
  readonly primary = new FakeChannel(this.memory);
  offeredSubChannels = 0;
  #transaction = 1;

  constructor(options: Partial<StorvscOptions> = {}, profile: Partial<StorvscProfile> = {}) {
    this.controller = new StorvscController({
      kind: { type: 'scsi', instanceId: '00000000-1111-2222-3333-444444444444' },
      order: 5,
      events: this.events,
      clock: this.clock,
      trace: this.trace,
      memory: this.memory,
      profile: { ...DEFAULT_STORVSC_PROFILE, ...profile },
      ...options,
    });
    this.controller.attached({
      offerSubChannels: (count) => {
        this.offeredSubChannels += count;
        return count;
      },
      rescind: () => {},
    });
    this.controller.open(this.primary);
  }

  /** Runs events until nothing is left to happen. */
  settle(): void {
    for (let count = 0; this.events.runNext(); count += 1) {
      if (count > 100_000) throw new Error('the controller never comes to rest');
    }
  }

  /** Queues a packet without telling the host. @returns its transaction id */
  queue(
    payload: Uint8Array,
    options: {
      readonly channel?: FakeChannel;
      readonly type?: number;
      readonly flags?: number;
      readonly runs?: readonly (readonly [number, number])[];
      readonly rangeCount?: number;
    } = {},
  ): number {
    const channel = options.channel ?? this.primary;
    const ranges = rangesOf(options.runs ?? []);
    if (options.rangeCount !== undefined) ranges.rangeCount = options.rangeCount;
    const transaction = this.#transaction;
    this.#transaction += 1;
    channel.queued.push({
      type: options.type ?? (ranges.count > 0 ? 9 : 6),
      flags: options.flags ?? 1,
      transactionLo: transaction,
      transactionHi: 0x8000_0000,
      payload,
      ranges,
    });
    return transaction;
  }

  /** A control packet and its answer. */
  control(
    operation: number,
    operand = 0,
    options: { readonly bytes?: number; readonly channel?: FakeChannel } = {},
  ): Completion {
    const payload = new Uint8Array(options.bytes ?? 64);
    const view = new DataView(payload.buffer);
    view.setUint32(0, operation, true);
    view.setUint32(4, 1, true);
    if (payload.length >= 14) view.setUint16(12, operand, true);
    return this.#exchange(payload, options.channel ?? this.primary, []);
  }

  /** BEGIN, QUERY_VERSION, QUERY_PROPERTIES, END. */
  initialize(version = 0x0602, bytes = 64): this {
    this.control(is.beginInitialization, 0, { bytes });
    this.control(is.queryProtocolVersion, version, { bytes });
    this.control(is.queryProperties, 0, { bytes });
    const { status } = this.control(is.endInitialization, 0, { bytes });
    if (status !== 0) throw new Error(`initialisation ended with 0x${status.toString(16)}`);
    return this;
  }

  srbPayload(srb: Srb, bytes = 64): Uint8Array {
    const payload = new Uint8Array(64);
    const request = VstorScsiRequest.cursor(new DataView(payload.buffer)).at(0);
    request.operation = is.executeSrb;
    request.flags = 1;
    request.length = 52;
    request.path = srb.path ?? 0;
    request.target = srb.target ?? 0;
    request.lun = srb.lun ?? 0;
    request.cdbLength = 16;
    request.senseLength = srb.senseLength ?? 20;
    request.dataIn = srb.dataIn ?? ((srb.length ?? 0) > 0 ? 1 : 2);
    request.dataTransferLength = srb.length ?? 0;
    request.cdbOrSense = unhex(srb.cdb);
    return payload.slice(0, bytes);
  }

  /** One request and its completion. */
  execute(srb: Srb): Completion {
    const length = srb.length ?? 0;
    const runs = srb.runs ?? (length > 0 ? [[0x1_0000, length] as const] : []);
    return this.#exchange(this.srbPayload(srb), srb.channel ?? this.primary, runs);
  }

  #exchange(
    payload: Uint8Array,
    channel: FakeChannel,
    runs: readonly (readonly [number, number])[],
  ): Completion {
    const before = channel.sent.length;
    const transaction = this.queue(payload, { channel, runs });
    this.controller.signaled(channel);
    this.settle();
    const answers = channel.sent.slice(before);
    if (answers.length !== 1) throw new Error(`${answers.length} answers to one packet`);
    const completion = parse(answers[0]!);
    if (completion.transaction !== transaction) throw new Error('answer to another transaction');
    return completion;
  }
}

export function parse(sent: SentPacket): Completion {
  const whole = new Uint8Array(64);
  whole.set(sent.bytes);
  const request = VstorScsiRequest.cursor(new DataView(whole.buffer)).at(0);
  if (sent.isCompletion && request.operation !== is.completeIo) throw new Error('not COMPLETE_IO');
  return {
    status: request.status,
    srb: request.srbStatus,
    scsi: request.scsiStatus,
    transferred: request.dataTransferLength,
    sense: request.cdbOrSense.slice(0, request.senseLength),
    bytes: sent.bytes,
    transaction: sent.transactionLo,
  };
}
