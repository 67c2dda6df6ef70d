/** One storvsc controller: its channels, its request table, and the SIM that CAM drives. */
import { NS_PER_MS } from '../../core/clock.ts';
import { ScsiOperation, ScsiStatus, SRB_AUTOSENSE_VALID } from '../../devices/scsi/spec.ts';
import { SENSE_FIELD_BYTES, VstorOperation, VstorScsiRequest } from '../../devices/storvsc/spec.ts';
import type { CommandBlock } from '../cam/command.ts';
import type { PathInquiry, Sim } from '../cam/sim.ts';
import { CamStatus } from '../cam/status.ts';
import { pathText, type Bus } from '../cam/topology.ts';
import type { Cam } from '../cam/transport.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import type { GuestChannel, GuestDevice } from '../vmbus/api.ts';
import { completeCommand, type Completion } from './completion.ts';
import { INIT_TRANSACTION_LO, Negotiation } from './negotiate.ts';
import { negotiatesVersion, type StorvscMode } from './protocol.ts';
import {
  fillRequest,
  MAX_TRANSFER_BYTES,
  POINTER_HI,
  requestIndex,
  StorvscRequest,
} from './request.ts';

/** Pages of each ring, its header page included. */
const RING_PAGES = 20;
const CHANNEL_PROPERTIES_BYTES = 32;
/** Requests that a controller has out at a time (STORVSC_MAX_IO_REQUESTS). */
const REQUESTS = 128;
const MAX_TARGET = 2;
const SCSI_MAX_LUN = 64;
const IDE_MAX_LUN = 1;
const TRANSFER_SPEED = 300_000;
/** DFLTPHYS: what a SIM that names no limit gets in 10.2. */
const LEGACY_TRANSFER_BYTES = 0x1_0000;
/** Processor time to build a request, and to finish one. */
const SUBMIT_NS = 1_200;
const COMPLETE_NS = 800;
const NO_DATA = new Uint8Array(0);

/** The completion under way; one a controller, refilled. */
class CompletionState implements Completion {
  readonly mode: StorvscMode;
  readonly isIde: boolean;
  readonly verbose: boolean;
  readonly print: (text: string) => void;
  version = 0;
  command: CommandBlock;
  srbStatus = 0;
  scsiStatus = 0;
  transferLength = 0;
  data: Uint8Array = NO_DATA;

  constructor(
    mode: StorvscMode,
    isIde: boolean,
    verbose: boolean,
    command: CommandBlock,
    print: (text: string) => void,
  ) {
    this.mode = mode;
    this.isIde = isIde;
    this.verbose = verbose;
    this.command = command;
    this.print = print;
  }
}

export class StorvscController implements Sim {
  readonly name: string;
  readonly unit: number;
  readonly #instanceId: string;
  readonly inquiry: PathInquiry;
  readonly #kernel: KernelApi;
  readonly #cam: Cam;
  readonly #device: GuestDevice;
  readonly #mode: StorvscMode;
  readonly #negotiation: Negotiation;
  readonly #channels: GuestChannel[];
  readonly #requests: StorvscRequest[] = [];
  readonly #free: StorvscRequest[] = [];
  readonly #completion: CompletionState;
  readonly #answer: ReturnType<typeof VstorScsiRequest.cursor>;
  readonly #answerBytes = new Uint8Array(VstorScsiRequest.size);
  #bus: Bus | undefined;
  #isFrozen = false;
  #isDetached = false;
  /** Requests with data: from disks, and from probes. */
  diskTransfers = 0;
  otherTransfers = 0;
  /** Requests by channel, the primary first. */
  readonly channelSends: number[] = [0];

  constructor(device: GuestDevice, cam: Cam, isIde: boolean) {
    const { kernel } = device;
    this.#device = device;
    this.#kernel = kernel;
    this.#cam = cam;
    this.#mode = kernel.switches.storvscMode;
    this.name = isIde ? 'blkvsc' : 'storvsc';
    this.unit = device.unit;
    this.#instanceId = device.channel.offer.instanceId;
    const isLegacy = kernel.switches.release === 'legacy';
    this.inquiry = {
      maxTarget: MAX_TARGET,
      maxLun: isIde ? IDE_MAX_LUN : SCSI_MAX_LUN,
      initiatorId: MAX_TARGET,
      transferSpeed: TRANSFER_SPEED,
      maxTransferBytes: isLegacy ? LEGACY_TRANSFER_BYTES : MAX_TRANSFER_BYTES,
    };
    this.#channels = [device.channel];
    this.#negotiation = new Negotiation(kernel, device.channel, {
      mode: this.#mode,
      vmbusVersion: device.vmbusVersion,
    });
    for (let index = 0; index < REQUESTS; index += 1) {
      this.#requests.push(new StorvscRequest(index));
    }
    this.#free.push(...this.#requests.toReversed());
    this.#answer = VstorScsiRequest.cursor(new DataView(this.#answerBytes.buffer));
    const none = undefined as unknown as CommandBlock;
    this.#completion = new CompletionState(this.#mode, isIde, kernel.verbose, none, (text) =>
      this.#print(this.#completion.command, text),
    );
  }

  instanceOf(): string {
    return this.#instanceId;
  }

  /** Opens the channel, agrees with the host, opens sub-channels, and gives the bus to CAM. */
  *attach(nextProcessor: () => number): Task<number> {
    const kernel = this.#kernel;
    const releaseRoot = kernel.holdRootMount('storvsc');
    const isModern = kernel.switches.release === 'modern';
    const primary = this.#device.channel;
    if (isModern) primary.assignProcessor(nextProcessor());
    let error = yield* this.#open(primary);
    if (error === 0) error = yield* this.#negotiation.run();
    if (error !== 0) {
      releaseRoot();
      return error;
    }
    this.#completion.version = this.#negotiation.dialect.version;
    const wanted = kernel.processorCount - (isModern ? 1 : 0);
    const count = Math.min(this.#negotiation.maxSubChannels, wanted);
    if (count > 0 && (yield* this.#negotiation.createSubChannels(count))) {
      if (isModern) yield* this.#openSubChannels(count, nextProcessor);
      // 10.2 opens each as its offer comes, and goes on meanwhile.
      else kernel.spawn(`${this.#device.name} chan`, () => this.#openSubChannels(count, undefined));
      kernel.bootverbose('Storvsc create multi-channel success!\n');
    }
    this.#bus = this.#cam.registerBus(this);
    this.#addSysctls();
    releaseRoot();
    return 0;
  }

  *#open(channel: GuestChannel): Task<number> {
    return yield* channel.open({
      sendPages: RING_PAGES,
      receivePages: RING_PAGES,
      userData: new Uint8Array(CHANNEL_PROPERTIES_BYTES),
      onEvent: (from) => this.#drain(from),
    });
  }

  *#openSubChannels(count: number, nextProcessor: (() => number) | undefined): Task {
    const offered = yield* this.#device.channel.waitSubChannels(count, Infinity);
    for (const channel of offered) {
      if (nextProcessor !== undefined) channel.assignProcessor(nextProcessor());
      if ((yield* this.#open(channel)) !== 0) continue;
      this.#channels.push(channel);
      this.channelSends.push(0);
    }
  }

  #addSysctls(): void {
    const tree = `dev.storvsc.${this.unit}`;
    const kernel = this.#kernel;
    if (kernel.switches.release === 'legacy') return;
    kernel.addSysctl(`${tree}.data_bio_cnt`, () => String(this.diskTransfers));
    kernel.addSysctl(`${tree}.data_vaddr_cnt`, () => String(this.otherTransfers));
    kernel.addSysctl(`${tree}.data_sg_cnt`, () => '0');
    for (const [index, channel] of this.#channels.entries()) {
      kernel.addSysctl(`${tree}.channel.${channel.id}.send_req`, () =>
        String(this.channelSends[index]),
      );
    }
  }

  /** A disk of it is mounted. */
  get isBusy(): boolean {
    return this.#cam.disks.some(
      ({ device, openCount }) => openCount > 0 && device.bus === this.#bus,
    );
  }

  /** After a rescind: nothing that is out will come back. */
  *detach(): Task {
    this.#isDetached = true;
    for (const request of this.#requests) {
      if (request.command === undefined || request.isDone) continue;
      request.command.status = CamStatus.deviceNotThere;
      this.#finish(request);
    }
    if (this.#bus !== undefined) this.#cam.deregisterBus(this.#bus);
    yield* this.#device.channel.close();
  }

  *execute(command: CommandBlock): Task {
    command.hasSense = false;
    yield SUBMIT_NS;
    while ((this.#free.length === 0 || this.#isFrozen) && !this.#isDetached) {
      yield* this.#kernel.tsleep(this.#free, Infinity);
    }
    const request = this.#free.pop();
    if (request === undefined || this.#isDetached) {
      command.status = CamStatus.deviceNotThere;
      return;
    }
    fillRequest(request, command, this.unit, this.#negotiation.dialect, this.#mode);
    if (!this.#send(request, command)) {
      this.#print(command, 'hv_storvsc_io_request failed with 35\n');
      command.status = CamStatus.provideFail;
      this.#release(request);
      return;
    }
    yield* this.#await(request, command);
    this.#release(request);
  }

  #release(request: StorvscRequest): void {
    request.command = undefined;
    this.#free.push(request);
    if (this.#free.length === 1) this.#kernel.wakeup(this.#free);
  }

  #send(request: StorvscRequest, command: CommandBlock): boolean {
    const channels = this.#channels;
    let chosen = 0;
    if (channels.length > 1) chosen = this.#chooseChannel(command.lun);
    const channel = channels[chosen]!;
    const length = this.#negotiation.dialect.packetBytes;
    const { packet, transactionLo } = request;
    if (command.dataLength === 0) {
      this.channelSends[chosen]! += 1;
      return channel.sendInBand(packet, 0, length, transactionLo, POINTER_HI, true);
    }
    if (command.dataLength > MAX_TRANSFER_BYTES) return false;
    const isTransfer = isMediumTransfer(command.operation);
    if (isTransfer) this.diskTransfers += 1;
    else this.otherTransfers += 1;
    this.channelSends[chosen]! += 1;
    return channel.sendGpaDirect(request.ranges, packet, 0, length, transactionLo, POINTER_HI);
  }

  /** Today: by LUN and processor. 10.2: the channel of this processor, else the primary. */
  #chooseChannel(lun: number): number {
    const { processor } = this.#kernel;
    if (this.#kernel.switches.release === 'modern') {
      return (lun + processor) % this.#channels.length;
    }
    const own = this.#channels.findIndex((channel) => channel.processor === processor);
    return Math.max(0, own);
  }

  /** Waits for the end. 10.2 watches the time; today's driver leaves that to the host. */
  *#await(request: StorvscRequest, command: CommandBlock): Task {
    const kernel = this.#kernel;
    const isWatched = !negotiatesVersion(this.#mode) && command.timeoutMs < Infinity;
    let expirations = 0;
    while (!request.isDone) {
      const limitNs = isWatched && expirations < 2 ? command.timeoutMs * NS_PER_MS : Infinity;
      const wasWoken = yield* kernel.tsleep(request, limitNs);
      if (wasWoken || request.isDone) continue;
      expirations += 1;
      this.#reportTimeout(request, command, expirations);
    }
    if (expirations > 0) {
      this.#print(command, `${this.#ticks}: IO returned after timeout, stopping timer if any.\n`);
    }
    if (this.#isFrozen) {
      this.#print(command, `${this.#ticks}: storvsc unfreezing softc ${pointer(0)}.\n`);
      this.#isFrozen = false;
      kernel.wakeup(this.#free);
    }
  }

  #reportTimeout(request: StorvscRequest, command: CommandBlock, expirations: number): void {
    const seconds = command.timeoutMs / 1000;
    const address = pointer(request.transactionLo);
    if (expirations === 1) {
      const text = `IO timed out (req=${address}), wait for another ${seconds} secs.`;
      this.#print(command, `${this.#ticks}: ${text}\n`);
      return;
    }
    const action = this.#isFrozen ? 'the queue is already frozen' : 'freezing the queue';
    const text = `IO (reqp = ${address}) did not return for ${seconds * 2} seconds, ${action}.`;
    this.#print(command, `${this.#ticks}: ${text}\n`);
    this.#isFrozen = true;
  }

  get #ticks(): number {
    const kernel = this.#kernel;
    return Math.floor((kernel.uptimeNs() / 1_000_000_000) * kernel.hz);
  }

  #print(command: CommandBlock, text: string): void {
    const path = pathText(command.peripheral, this, command.target, command.lun);
    this.#kernel.printf(path + text);
  }

  /** The channel's event: completions, answers to the init request, and the host's own notices. */
  *#drain(channel: GuestChannel): Task {
    while (channel.receive()) {
      const { packet } = channel;
      if (packet.transactionLo === INIT_TRANSACTION_LO && packet.transactionHi === POINTER_HI) {
        this.#negotiation.answered(packet.bytes, packet.payloadStart, packet.payloadLength);
        continue;
      }
      this.#takePacket(channel);
      yield COMPLETE_NS;
    }
  }

  #takePacket(channel: GuestChannel): void {
    const { packet } = channel;
    const length = Math.min(packet.payloadLength, VstorScsiRequest.size);
    this.#answerBytes.fill(0);
    for (let index = 0; index < length; index += 1) {
      this.#answerBytes[index] = packet.bytes[packet.payloadStart + index]!;
    }
    const { operation } = this.#answer.at(0);
    const { is } = VstorOperation;
    if (operation === is.completeIo) {
      this.#complete(packet.transactionLo, packet.transactionHi);
    } else if (operation === is.enumerateBus) {
      if (this.#bus !== undefined) this.#cam.rescan(this.#bus);
    } else if (operation === is.removeDevice) {
      this.#kernel.printf(`VMBUS: storvsc operation ${operation} not implemented.\n`);
    }
  }

  #complete(transactionLo: number, transactionHi: number): void {
    if (transactionLo === 0 && transactionHi === 0) {
      this.#kernel.panic(
        'VMBUS: storvsc received a packet with NULL request id in COMPLETEIO operation.',
      );
    }
    const request = this.#requests[requestIndex(transactionLo, transactionHi)];
    const command = request?.command;
    if (request === undefined || command === undefined || request.isDone) return;
    const answer = this.#answer;
    const state = this.#completion;
    state.command = command;
    state.srbStatus = answer.srbStatus;
    state.scsiStatus = answer.scsiStatus;
    state.transferLength = Math.min(answer.dataTransferLength, command.dataLength);
    const hasSense =
      state.scsiStatus === ScsiStatus.checkCondition &&
      (state.srbStatus & SRB_AUTOSENSE_VALID) !== 0;
    if (hasSense) {
      const at = VstorScsiRequest.offset.cdbOrSense;
      const length = Math.min(answer.senseLength, SENSE_FIELD_BYTES);
      command.sense.fill(0);
      command.sense.set(this.#answerBytes.subarray(at, at + length));
      command.hasSense = true;
    }
    const isInquiry = command.operation === ScsiOperation.inquiry;
    state.data = isInquiry ? this.#dataOf(command) : NO_DATA;
    completeCommand(state);
    this.#finish(request);
  }

  #dataOf(command: CommandBlock): Uint8Array {
    const { memory } = this.#kernel.hardware;
    const offset = memory.resolve(command.dataGpa, command.dataLength);
    return offset < 0 ? NO_DATA : memory.u8.subarray(offset, offset + command.dataLength);
  }

  #finish(request: StorvscRequest): void {
    request.isDone = true;
    this.#kernel.wakeup(request);
  }
}

function isMediumTransfer(operation: number): boolean {
  return (
    operation === ScsiOperation.read6 ||
    operation === ScsiOperation.read10 ||
    operation === ScsiOperation.read16 ||
    operation === ScsiOperation.write6 ||
    operation === ScsiOperation.write10 ||
    operation === ScsiOperation.write16
  );
}

/** A kernel address as printf's %p shows it. */
function pointer(low: number): string {
  return `0x${POINTER_HI.toString(16)}${low.toString(16).padStart(8, '0')}`;
}
