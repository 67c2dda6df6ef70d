/** One de interface: the chip, its rings, its transceiver (dev/de/if_de.c). */
import {
  BusMode,
  Csr,
  Mii,
  MiiStatus,
  OperationMode,
  SETUP_ADDRESSES,
  SETUP_BYTES,
  SromOffset,
  TulipStatus,
} from '../../devices/tulip/spec.ts';
import { NS_PER_MS } from '../../core/clock.ts';
import { MAC_BYTES } from '../../net/spec/ethernet.ts';
import { FileErrno } from '../fs/errors.ts';
import { type InterfaceDriver, NetInterface } from '../inet/interface.ts';
import { HEADROOM, Packet } from '../inet/packet.ts';
import type { NetStack } from '../inet/stack.ts';
import type { Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { NO_TRANSCEIVER, TulipRegisters } from './registers.ts';
import { BUFFER_BYTES, ReceiveRing, TransmitRing } from './rings.ts';

/** TULIP_RXDESCS and TULIP_TXDESCS. */
const RECEIVE_DESCRIPTORS = 48;
const TRANSMIT_DESCRIPTORS = 128;
const RESET_US = 100;
/** TULIP_HZ: how often the transceiver is looked at, and when its silence counts. */
const LINK_POLL_NS = 100 * NS_PER_MS;
const LINK_SUSPECT_NS = 3000 * NS_PER_MS;
const FRAME_NS = 900;
const FRAMES_PER_TURN = 16;
const MOST_MTU = 1500;
const LEAST_MTU = 68;
/** Bytes of the setup frame for one address: two in the low half of each double word. */
const SETUP_ENTRY_BYTES = 12;
const BROADCAST = new Uint8Array(MAC_BYTES).fill(0xff);
const MEDIUM = 'Full Duplex 100baseTX';

const INTERRUPTS =
  TulipStatus.normalSummary |
  TulipStatus.abnormalSummary |
  TulipStatus.receiveInterrupt |
  TulipStatus.transmitInterrupt |
  TulipStatus.receiveUnavailable |
  TulipStatus.receiveStopped |
  TulipStatus.transmitUnderflow |
  TulipStatus.fatalBusError;

export class TulipController implements InterfaceDriver {
  readonly name: string;
  readonly #kernel: Kernel;
  readonly #stack: NetStack;
  readonly #registers: TulipRegisters;
  readonly #receive: ReceiveRing;
  readonly #transmit: TransmitRing;
  readonly #packet = new Packet(HEADROOM + BUFFER_BYTES);
  #transceiver = NO_TRANSCEIVER;
  #ifp: NetInterface | undefined;
  /** Events of the chip that the interface's thread has not seen yet. */
  #events = 0;
  #isUp = false;
  /** Counts bring-ups: a link monitor of an earlier one ends. */
  #generation = 0;

  constructor(kernel: Kernel, stack: NetStack, name: string, gpa: number) {
    this.name = name;
    this.#kernel = kernel;
    this.#stack = stack;
    this.#registers = new TulipRegisters(kernel, gpa);
    this.#receive = new ReceiveRing(kernel, RECEIVE_DESCRIPTORS);
    this.#transmit = new TransmitRing(kernel, TRANSMIT_DESCRIPTORS);
  }

  /** tulip_pci_attach. @param revision pass of the chip, a digit each */
  *attach(revision: number): Task {
    yield* this.#reset();
    const rom = yield* this.#registers.readRom();
    this.#transceiver = yield* this.#registers.findTransceiver();
    this.#kernel.printf(
      `${this.name}: 21140A [10-100Mb/s] pass ${revision >> 4}.${revision & 0xf}\n`,
    );
    const mac = rom.slice(SromOffset.address, SromOffset.address + MAC_BYTES);
    const ifp = new NetInterface(this.#kernel, this.name, mac, this);
    ifp.hasMedia = true;
    ifp.hasLinkStatus = false;
    ifp.medium = '100baseTX <full-duplex>';
    this.#ifp = ifp;
    this.#stack.attach(ifp);
    this.#kernel.spawn(`irq11: ${this.name}`, () => this.#serve());
  }

  *#reset(): Task {
    this.#registers.write(Csr.busMode, BusMode.softwareReset);
    yield* this.#kernel.delay(RESET_US);
    this.#registers.write(Csr.busMode, 0);
  }

  /** Interrupt context: what the line is up for is taken, and left to the thread. */
  interrupt(): void {
    const events = this.#registers.read(Csr.status) & TulipStatus.events;
    if (events === 0) return;
    this.#registers.write(Csr.status, events);
    this.#events |= events;
    this.#kernel.wakeup(this);
  }

  *#serve(): Task {
    for (;;) {
      while (this.#events === 0) yield* this.#kernel.tsleep(this, Infinity);
      this.#events = 0;
      yield* this.#receiveFrames();
      if (this.#transmit.reclaim()) this.#ifp?.restart();
    }
  }

  *#receiveFrames(): Task {
    const ifp = this.#ifp!;
    for (let frames = 0; ; frames += 1) {
      const taken = this.#receive.take(this.#packet);
      if (taken === 0) return;
      this.#kernel.charge(FRAME_NS);
      if (taken < 0) ifp.errorsIn += 1;
      else if (ifp.isRunning) this.#stack.input(ifp, this.#packet);
      if (frames % FRAMES_PER_TURN === FRAMES_PER_TURN - 1) yield 0;
    }
  }

  transmit(packet: Packet): boolean {
    if (!this.#isUp || !this.#transmit.put(packet)) return false;
    this.#kernel.charge(FRAME_NS);
    this.#registers.write(Csr.transmitPoll, 1);
    return true;
  }

  /** tulip_init: the chip from its reset on, or only its filter. */
  *configure(isUp: boolean, isPromiscuous: boolean): Task {
    const ifp = this.#ifp;
    if (ifp === undefined) return;
    if (!isUp) {
      if (this.#isUp) yield* this.#reset();
      this.#isUp = false;
      ifp.isRunning = false;
      this.#generation += 1;
      return;
    }
    if (!this.#isUp) yield* this.#start();
    const { startReceive, startTransmit, portSelect, mustBeOne, promiscuous, fullDuplex } =
      OperationMode;
    const mode = mustBeOne | portSelect | fullDuplex | startTransmit | startReceive;
    this.#registers.write(Csr.mode, mode | (isPromiscuous ? promiscuous : 0));
    this.#sendSetup();
    ifp.isRunning = true;
  }

  *#start(): Task {
    const registers = this.#registers;
    yield* this.#reset();
    this.#receive.start();
    this.#transmit.start();
    registers.write(Csr.receiveList, this.#receive.gpa);
    registers.write(Csr.transmitList, this.#transmit.gpa);
    registers.write(Csr.status, registers.read(Csr.status));
    registers.write(Csr.interruptEnable, INTERRUPTS);
    this.#isUp = true;
    this.#generation += 1;
    const generation = this.#generation;
    this.#kernel.spawn(`${this.name} media`, () => this.#monitorLink(generation));
  }

  /** tulip_addr_filter: the interface's address and the broadcast address, for perfect filtering. */
  #sendSetup(): void {
    const bytes = new Uint8Array(SETUP_BYTES);
    for (let entry = 0; entry < SETUP_ADDRESSES; entry += 1) {
      const address = entry === 0 ? this.#ifp!.mac : BROADCAST;
      for (let index = 0; index < MAC_BYTES; index += 1) {
        const place = entry * SETUP_ENTRY_BYTES + (index >> 1) * 4 + (index & 1);
        bytes[place] = address[index]!;
      }
    }
    this.#transmit.putSetup(bytes);
    this.#registers.write(Csr.transmitPoll, 1);
  }

  get #isLinkUp(): boolean {
    if (this.#transceiver === NO_TRANSCEIVER) return false;
    const status = this.#registers.readMii(this.#transceiver, Mii.status);
    return (status & MiiStatus.linkUp) !== 0;
  }

  /** tulip_media_poll and tulip_media_link_monitor. */
  *#monitorLink(generation: number): Task {
    const kernel = this.#kernel;
    let isUp = false;
    let isTold = false;
    let silentNs = 0;
    while (this.#generation === generation) {
      if (this.#isLinkUp) {
        if (!isUp) kernel.printf(`${this.name}: enabling ${MEDIUM} port\n`);
        isUp = true;
        silentNs = 0;
      } else silentNs += LINK_POLL_NS;
      if (silentNs >= LINK_SUSPECT_NS) {
        if (isUp) kernel.printf(`${this.name}: link down: cable problem?\n`);
        else if (!isTold) kernel.printf(`${this.name}: autosense failed: cable problem?\n`);
        isTold = true;
        isUp = false;
        silentNs = 0;
      }
      yield* kernel.tsleep({}, LINK_POLL_NS);
    }
  }

  /** The chip takes frames of Ethernet's own size only. */
  *setMtu(mtu: number): Task<number> {
    yield 0;
    if (!(mtu >= LEAST_MTU && mtu <= MOST_MTU)) return FileErrno.EINVAL;
    this.#ifp!.mtu = mtu;
    return 0;
  }
}
