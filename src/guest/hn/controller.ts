/** One hn interface: its channels, buffers and rings, and the adapter behind them. */
import { NS_PER_MS, NS_PER_SECOND } from '../../core/clock.ts';
import { Oid } from '../../devices/netvsc/spec/oids.ts';
import {
  NdisStatus,
  PacketFilter,
  RndisIndicateStatus,
  RndisType,
} from '../../devices/netvsc/spec/rndis.ts';
import { NvspStatus, NvspType } from '../../devices/netvsc/spec/nvsp.ts';
import { PacketType } from '../../vmbus/spec/ring.ts';
import { VmbusVersion } from '../../vmbus/spec/versions.ts';
import { Capability, type InterfaceDriver, NetInterface } from '../inet/interface.ts';
import { ChecksumFlag, type Packet } from '../inet/packet.ts';
import type { NetStack } from '../inet/stack.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { Errno, type GuestChannel, type GuestDevice, type WorkQueue } from '../vmbus/api.ts';
import { LargeReceive } from './lro.ts';
import { isNvsTransaction, NvsControl } from './nvs.ts';
import { queryOffload, setOffload } from './offload.ts';
import { Receiver } from './receive.ts';
import { isRndisTransaction, RndisControl } from './rndis.ts';
import { queryReceiveQueues, RSS_HASH, setReceiveScaling } from './rss.ts';
import { addHnSysctls } from './sysctls.ts';
import { Chimney, TransmitRing } from './transmit.ts';

/** Pages of each ring, its header page included. */
const RING_PAGES = 128;
/** Channels at the most (HN_RING_CNT_DEF_MAX). */
const MAX_CHANNELS = 8;
/** NDIS 6.20 is the first with RSS over sub-channels; NVS 5 the first that can ask for them. */
const MIN_NVS_OF_SUB_CHANNELS = 0x0005_0000;
const DRAIN_NS = 200 * NS_PER_MS;
/** "Network changed": the link is shown down so that dhclient asks again. */
const NETWORK_CHANGE_NS = 5 * NS_PER_SECOND;
/** Frames between two chances for other work, and the processor time of each. */
const BATCH = 16;
const FRAME_NS = 450;
const COMPLETION_NS = 120;
/** HN_DIRECT_TX_SIZE_DEF: longer packets are left to the transmit task, which puts them together. */
const DIRECT_BYTES = 128;
const TRANSMIT_TASK_NS = 300;
const DEFAULT_MTU = 1500;
/** NETVSC_MAX_CONFIGURABLE_MTU. */
const MTU_LIMIT = 9216;

/** One channel with what it counted. */
export interface HnRing {
  readonly channel: GuestChannel;
  readonly transmit: TransmitRing;
  packetsIn: number;
  bytesIn: number;
  readonly lro: LargeReceive;
  /** Completions of transfer-page packets that found no room in the ring, to be sent again. */
  readonly owedCompletions: number[];
}

export class HnController implements InterfaceDriver {
  readonly device: GuestDevice;
  readonly kernel: KernelApi;
  readonly stack: NetStack;
  nvs: NvsControl;
  readonly rings: HnRing[] = [];
  readonly receiver: Receiver;
  rndis!: RndisControl;
  ifp: NetInterface | undefined;
  filter = 0;
  /** Entries of the indirection table in use; 0 without RSS. */
  rssEntries = 0;
  rssHash = 0;
  /** The host can coalesce what it receives for this interface, and is to do so. */
  hasCoalescing = false;
  coalesces = false;
  #nextProcessor: () => number = () => 0;
  #mac: Uint8Array | undefined;
  /** ChecksumFlag bits that the adapter takes over. */
  #assist = 0;
  #chimney: Chimney | undefined;
  #currentRing: HnRing | undefined;
  /** Frames that came before there was an interface. */
  earlyFrames = 0;
  #transmitQueue: WorkQueue | undefined;
  #isTransmitDue = false;
  readonly #statusWork: number[] = [];
  #isStatusThread = false;
  readonly #completion = new Uint8Array(32);

  constructor(device: GuestDevice, stack: NetStack) {
    this.device = device;
    this.kernel = device.kernel;
    this.stack = stack;
    this.nvs = new NvsControl(device.kernel, device.channel, device.name);
    this.receiver = new Receiver(device.kernel.hardware.memory, {
      frame: (packet) => this.#frame(packet),
      control: (type, at, length) => this.#control(type, at, length),
    });
    const view = new DataView(this.#completion.buffer);
    view.setUint32(0, NvspType.is.sendRndisPacketComplete, true);
    view.setUint32(4, NvspStatus.is.success, true);
  }

  get #isLegacy(): boolean {
    return this.kernel.switches.release === 'legacy';
  }

  /**
   * @param nextProcessor chooses where a channel's interrupts go
   * @returns 0 or an errno
   */
  *attach(nextProcessor: () => number): Task<number> {
    this.#nextProcessor = nextProcessor;
    if (!this.#isLegacy) this.device.channel.assignProcessor(nextProcessor());
    const error = yield* this.#connect(DEFAULT_MTU, () => this.#attachInterface());
    if (error === 0) addHnSysctls(this);
    return error;
  }

  /** Opens the channel and agrees with the host on everything. @returns 0 or an errno */
  *#connect(mtu: number, finish: () => Task<number>): Task<number> {
    const { channel } = this.device;
    this.rndis = new RndisControl(this.kernel, channel);
    let error = yield* this.#open(channel);
    if (error !== 0) {
      this.rndis.free();
      return error;
    }
    error = yield* this.#attachAdapter(mtu);
    if (error === 0) error = yield* finish();
    if (error !== 0) yield* this.#close();
    return error;
  }

  /** A new MTU means a new adapter: everything is taken down and agreed on again (SIOCSIFMTU). */
  *setMtu(mtu: number): Task<number> {
    const { ifp } = this;
    if (ifp === undefined || !(mtu >= 68 && mtu <= MTU_LIMIT)) return Errno.EINVAL;
    if (mtu === ifp.mtu) return 0;
    ifp.isRunning = false;
    const filter = this.filter;
    yield* this.#close();
    this.nvs = new NvsControl(this.kernel, this.device.channel, this.device.name);
    this.filter = 0;
    const error = yield* this.#connect(mtu, () => this.#quiet());
    if (error !== 0) return error;
    ifp.mtu = mtu;
    if (filter !== 0) yield* this.configure(ifp.isUp, ifp.isPromiscuous);
    return 0;
  }

  *#open(channel: GuestChannel): Task<number> {
    return yield* channel.open({
      sendPages: RING_PAGES,
      receivePages: RING_PAGES,
      onEvent: (from) => this.#drain(from),
    });
  }

  #addRing(channel: GuestChannel): void {
    const transmit = new TransmitRing({
      kernel: this.kernel,
      channel,
      index: this.rings.length,
      chimney: this.#chimney,
      isAnyFlag: this.kernel.switches.txCsumDecision === 'anyFlag',
    });
    const lro = new LargeReceive((packet) => {
      if (this.ifp?.isRunning === true) this.stack.input(this.ifp, packet);
    });
    this.#limit(transmit);
    this.rings.push({ channel, transmit, lro, packetsIn: 0, bytesIn: 0, owedCompletions: [] });
  }

  /** 10.2 sends one packet to a message. */
  #limit(transmit: TransmitRing): void {
    if (this.#isLegacy) return;
    const { maxPackets, maxTransferBytes, alignment } = this.rndis;
    // Messages are written by words.
    const step = Math.max(alignment, 4);
    transmit.aggregation = { packets: maxPackets, bytes: maxTransferBytes, alignment: step };
  }

  *#attachAdapter(mtu: number): Task<number> {
    const { nvs, rndis, kernel } = this;
    const { channel } = this.device;
    let error = yield* nvs.attach(mtu);
    if (nvs.receive !== undefined) {
      const { gpa, bytes } = nvs.receive;
      this.receiver.useBuffer(kernel.hardware.memory.locate(gpa, bytes), bytes);
    }
    if (error !== 0) return error;
    if (nvs.send !== undefined && nvs.sectionCount > 0) {
      const { memory } = kernel.hardware;
      this.#chimney = new Chimney(memory, nvs.send, nvs.sectionBytes, nvs.sectionCount);
    }
    this.#addRing(channel);
    error = yield* rndis.initialize();
    if (error !== 0) return error;
    this.#limit(this.rings[0]!.transmit);
    if (this.#isLegacy) this.#mac = yield* rndis.query(Oid.is.permanentAddress);
    if (this.#isLegacy) {
      this.#assist = this.#legacyAssist();
    } else {
      const { flags, hasCoalescing } = yield* queryOffload(rndis);
      this.#assist = flags;
      this.hasCoalescing = hasCoalescing;
    }
    error = yield* this.#setOffload();
    if (error !== 0) kernel.bootverbose(`${this.device.name}: set offload params failed\n`);
    // 10.2's queue of offers waits for this attach: sub-channels would wait behind it.
    if (!this.#isLegacy) yield* this.#attachSubChannels();
    return 0;
  }

  *#setOffload(): Task<number> {
    const flags = this.#assist | (this.#isLegacy ? ChecksumFlag.ip : 0);
    return yield* setOffload(this.rndis, flags, this.hasCoalescing ? this.coalesces : undefined);
  }

  /** dev.hn.N.rsc_switch: from now on the host coalesces TCP segments, or no longer does. */
  switchCoalescing(isOn: boolean): boolean {
    if (isOn === this.coalesces) return true;
    if (!this.hasCoalescing) return false;
    this.coalesces = isOn;
    this.kernel.spawn(`${this.device.name} rsc`, () => this.#reconfigure());
    return true;
  }

  *#reconfigure(): Task {
    if ((yield* this.#setOffload()) === 0) return;
    this.kernel.printf(`${this.device.name}: set offload params failed\n`);
  }

  /** 10.2 asks the host nothing: UDP from VMBus 3.0 on, TCP always, headers never. */
  #legacyAssist(): number {
    const udp = this.device.vmbusVersion >= VmbusVersion.win8_1 ? ChecksumFlag.udp : 0;
    return ChecksumFlag.tcp | ChecksumFlag.tso | udp;
  }

  /** A host may have left the filter open: nothing is to come before there is an interface. */
  *#quiet(): Task<number> {
    if (this.#isLegacy) return 0;
    yield* this.rndis.setWord(Oid.is.currentPacketFilter, 0);
    yield* this.kernel.tsleep({}, DRAIN_NS);
    return 0;
  }

  *#attachInterface(): Task<number> {
    const { rndis, kernel } = this;
    yield* this.#quiet();
    const mac = this.#mac ?? (yield* rndis.query(Oid.is.permanentAddress));
    if (mac === undefined || mac.length < 6) return Errno.EIO;
    const ifp = new NetInterface(kernel, this.device.name, mac.slice(0, 6), this);
    if (!this.#isLegacy) {
      const mtu = yield* rndis.queryWord(Oid.is.maximumFrameSize);
      if (mtu !== undefined && mtu >= 576 && mtu <= MTU_LIMIT) ifp.mtu = Math.min(DEFAULT_MTU, mtu);
    }
    const link = yield* rndis.queryWord(Oid.is.mediaConnectStatus);
    ifp.hwassist = this.#assist;
    ifp.hasMedia = kernel.switches.ifmedia;
    ifp.capabilities = this.#capabilities(this.#assist);
    this.ifp = ifp;
    this.stack.attach(ifp);
    this.#showLink(link === 0);
    if (this.#isLegacy && kernel.switches.vrss) {
      kernel.spawn(`${this.device.name} subch`, () => this.#attachSubChannels());
    }
    return 0;
  }

  #capabilities(assist: number): number {
    const { rxcsum, txcsum, vlanMtu, vlanHwtagging, tso4, lro, linkstate } = Capability;
    const common = rxcsum | txcsum | vlanMtu | vlanHwtagging | lro;
    const large = (assist & ChecksumFlag.tso) === 0 ? 0 : tso4;
    return common | large | (this.kernel.switches.ifmedia ? linkstate : 0);
  }

  *#attachSubChannels(): Task {
    const { kernel, nvs, rndis, device } = this;
    const wanted = Math.min(kernel.processorCount, MAX_CHANNELS);
    if (!kernel.switches.vrss || wanted < 2) return;
    if (nvs.version < MIN_NVS_OF_SUB_CHANNELS) return;
    const queues = yield* queryReceiveQueues(rndis);
    kernel.bootverbose(`${device.name}: RX rings offered ${queues}, requested ${wanted}\n`);
    const total = Math.min(wanted, queues);
    if (total < 2) return;
    const granted = yield* nvs.allocateSubChannels(total - 1);
    if (granted === 0) return;
    const offered = yield* device.channel.waitSubChannels(granted, Infinity);
    for (const channel of offered) {
      channel.assignProcessor(
        this.#isLegacy ? device.channel.processor + this.rings.length : this.#nextProcessor(),
      );
      if ((yield* this.#open(channel)) !== 0) break;
      this.#addRing(channel);
    }
    if ((yield* setReceiveScaling(rndis, this.rings.length)) !== 0) return;
    this.rssEntries = 128;
    this.rssHash = RSS_HASH;
  }

  /** Only with ifmedia does the stack, and so devd, hear of the link. */
  #showLink(isUp: boolean): void {
    const { ifp } = this;
    if (ifp === undefined || !ifp.hasMedia) return;
    this.stack.setLinkState(ifp, isUp ? 'up' : 'down');
  }

  /** ifconfig up or down: opens or shuts the filter. */
  *configure(isUp: boolean, isPromiscuous: boolean): Task {
    const { ifp } = this;
    if (ifp === undefined) return;
    const { bit } = PacketFilter;
    let filter = 0;
    if (isUp) filter = bit.directed | bit.broadcast | bit.allMulticast;
    if (isUp && isPromiscuous) filter = bit.promiscuous;
    ifp.isRunning = isUp;
    if (filter === this.filter) return;
    this.filter = filter;
    const error = yield* this.rndis.setWord(Oid.is.currentPacketFilter, filter);
    if (error !== 0) this.kernel.printf(`${this.device.name}: set RX filter failed: ${error}\n`);
  }

  /** By the flow, so that the frames of one keep their order. */
  transmit(packet: Packet): boolean {
    const { rings } = this;
    const index = rings.length === 1 || packet.hashType === 0 ? 0 : packet.flowId % rings.length;
    const { transmit } = rings[index]!;
    if (packet.length > DIRECT_BYTES && transmit.aggregation.packets > 1) {
      transmit.begin();
      this.#scheduleTransmit();
    }
    return transmit.send(packet);
  }

  /** hn_tx_taskfunc: what was sent meanwhile shares messages, and goes when the task runs. */
  #scheduleTransmit(): void {
    if (this.#isTransmitDue) return;
    this.#isTransmitDue = true;
    this.#transmitQueue ??= this.device.createQueue(`${this.device.name} tx`);
    this.#transmitQueue.enqueue(() => this.#transmitTask());
  }

  *#transmitTask(): Task {
    yield TRANSMIT_TASK_NS;
    this.#isTransmitDue = false;
    this.#flush();
  }

  #flush(): void {
    for (const { transmit } of this.rings) transmit.flush();
  }

  /** The host has completed packets: what waited for room goes out, several to a message. */
  #restart(): void {
    this.#flush();
    if (this.ifp === undefined || this.ifp.queued === 0) return;
    for (const { transmit } of this.rings) transmit.begin();
    this.ifp.restart();
    this.#flush();
  }

  /** The channel's event: frames, completions, and the host's own notices. */
  *#drain(channel: GuestChannel): Task {
    let ring = this.rings.find((one) => one.channel === channel);
    let count = 0;
    let completions = 0;
    while (channel.receive()) {
      const { packet } = channel;
      const { type, transactionLo, transactionHi } = packet;
      // The primary's ring is there only after the first answers came.
      ring ??= this.rings.find((one) => one.channel === channel);
      if (type === PacketType.transferPages) {
        this.#currentRing = ring;
        const frames = this.receiver.packet(packet);
        this.kernel.charge(frames * FRAME_NS);
        this.#release(channel, ring, transactionLo);
      } else if (type === PacketType.completion) {
        if (isNvsTransaction(transactionLo, transactionHi)) {
          this.nvs.answered(packet.bytes, packet.payloadStart, packet.payloadLength);
        } else if (ring?.transmit.owns(transactionLo, transactionHi) === true) {
          ring.transmit.completed(transactionLo);
          this.kernel.charge(COMPLETION_NS);
          completions += 1;
        } else if (!isRndisTransaction(transactionLo, transactionHi)) {
          this.kernel.bootverbose(`${this.device.name}: unknown completion\n`);
        }
      }
      count += 1;
      if (count % BATCH === 0) {
        ring?.lro.flush();
        if (completions > 0) this.#restart();
        completions = 0;
        yield 0;
      }
    }
    ring?.lro.flush();
    if (completions > 0) this.#restart();
    if (ring !== undefined && ring.owedCompletions.length > 0) this.#payOwed(channel, ring);
    yield 0;
  }

  /** Tells the host that the sections of a packet are its own again. */
  #release(channel: GuestChannel, ring: HnRing | undefined, transaction: number): void {
    if (ring !== undefined && ring.owedCompletions.length > 0) this.#payOwed(channel, ring);
    const isSent = channel.sendCompletion(this.#completion, 0, 32, transaction, 0);
    if (!isSent) ring?.owedCompletions.push(transaction);
  }

  #payOwed(channel: GuestChannel, ring: HnRing): void {
    const owed = ring.owedCompletions;
    while (owed.length > 0 && channel.sendCompletion(this.#completion, 0, 32, owed[0]!, 0)) {
      owed.shift();
    }
  }

  #frame(packet: Packet): void {
    const { ifp } = this;
    const ring = this.#currentRing;
    if (ring !== undefined) {
      ring.packetsIn += 1;
      ring.bytesIn += packet.length;
    }
    if (ifp?.isRunning !== true) {
      this.earlyFrames += 1;
      return;
    }
    // A router would send merged packets on as they are.
    const mayMerge = (ifp.capabilities & Capability.lro) !== 0 && !this.stack.isForwarding;
    if (mayMerge && ring?.lro.take(packet) === true) return;
    this.stack.input(ifp, packet);
  }

  #control(type: number, at: number, length: number): void {
    if (type !== RndisType.is.indicateStatus) {
      this.rndis.answered(at, length);
      return;
    }
    if (length < RndisIndicateStatus.size) return;
    const { view } = this.kernel.hardware.memory;
    const status = view.getUint32(at + RndisIndicateStatus.offset.status, true);
    this.#statusWork.push(status);
    if (this.#isStatusThread) return;
    this.#isStatusThread = true;
    this.kernel.spawn(`${this.device.name} mgmt`, () => this.#handleStatus());
  }

  /** Not from the event thread: it asks the host again, and the answer comes through that thread. */
  *#handleStatus(): Task {
    const { mediaConnect, mediaDisconnect, networkChange } = NdisStatus.is;
    for (;;) {
      const status = this.#statusWork.shift();
      if (status === undefined) break;
      if (status === mediaConnect || status === mediaDisconnect) {
        yield* this.#updateLink(status === mediaConnect);
      } else if (status === networkChange && !this.#isLegacy) {
        this.kernel.bootverbose(`${this.device.name}: network changed\n`);
        this.#showLink(false);
        yield* this.kernel.tsleep(this.#statusWork, NETWORK_CHANGE_NS);
        yield* this.#updateLink(true);
      }
    }
    this.#isStatusThread = false;
  }

  *#updateLink(isUp: boolean): Task {
    if (this.#isLegacy) {
      this.#showLink(isUp);
      return;
    }
    const status = yield* this.rndis.queryWord(Oid.is.mediaConnectStatus);
    this.#showLink(status === undefined ? isUp : status === 0);
  }

  *detach(): Task {
    const { ifp } = this;
    if (ifp !== undefined) {
      ifp.isUp = false;
      this.stack.detach(ifp);
      if (!this.device.channel.isRevoked) yield* this.configure(false, false);
    }
    this.ifp = undefined;
    yield* this.#close();
  }

  /** S11: a host from VMBus 4.0 on lets go of the buffers only after the channel is closed. */
  *#close(): Task {
    const { nvs, kernel } = this;
    const { channel, vmbusVersion } = this.device;
    if (!channel.isRevoked && nvs.version !== 0) this.rndis.halt();
    yield* nvs.disconnectBuffers();
    const isFirst =
      kernel.switches.gpadlTeardown === 'beforeClose' || vmbusVersion < VmbusVersion.win10;
    if (isFirst) yield* nvs.tearDownGpadls();
    yield* channel.close();
    if (!isFirst) yield* nvs.tearDownGpadls();
    for (const { transmit } of this.rings) transmit.freePages();
    this.rings.length = 0;
    this.rndis.free();
  }
}
