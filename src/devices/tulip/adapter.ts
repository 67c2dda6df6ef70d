import {
  type InterruptLine,
  type MmioBus,
  type MmioDevice,
  openBus,
  type PortBus,
  type PortDevice,
} from '../../core/bus.ts';
import type { EventHandle, EventQueue } from '../../core/events.ts';
import type { GuestMemory } from '../../core/memory.ts';
import type { StateStream } from '../../core/state.ts';
import { traceType, type Trace } from '../../core/trace.ts';
import { u16, u32, u8 } from '../../core/wire.ts';
import type { FrameReceiver, PacketLink } from '../../net/link.ts';
import { PciFunction } from '../pci/function.ts';
import { PCI_BAR_IO, PCI_INTERRUPT, PciClass, PciCommand, PciRegister } from '../pci/spec.ts';
import { AddressFilter, passesAll } from './filter.ts';
import { Receiver, ReceiveTurn } from './receiver.ts';
import { DescriptorList } from './ring.ts';
import {
  BusMode,
  Csr,
  CSR_COUNT,
  CSR_RESET,
  CSR_STRIDE,
  OperationMode,
  ReceiveState,
  SerialBit,
  TimerBit,
  TIMER_NS,
  TransmitState,
  TULIP_DEVICE_ID,
  TULIP_DRIVER_AREA,
  TULIP_DRIVER_AREA_MASK,
  TULIP_FIRST_SLOT,
  TULIP_IO_BYTES,
  TULIP_IO_PORT,
  TULIP_MAX_LATENCY,
  TULIP_MEMORY_BYTES,
  TULIP_MEMORY_GPA,
  TULIP_MIN_GRANT,
  TULIP_REVISION,
  TULIP_SUBSYSTEM,
  TULIP_SUBSYSTEM_VENDOR,
  TULIP_VENDOR_ID,
  TulipStatus,
} from './spec.ts';
import { SerialRom, sromContent } from './srom.ts';
import { Transceiver } from './transceiver.ts';
import { Transmitter, TransmitTurn } from './transmitter.ts';

const transmitEvent = traceType('tulip', 'transmit', { adapter: u8, bytes: u16 });
const receiveEvent = traceType('tulip', 'receive', { adapter: u8, bytes: u16 });
const missedEvent = traceType('tulip', 'missed', { adapter: u8, bytes: u16 });
const setupEvent = traceType('tulip', 'setup', { adapter: u8, mode: u8 });
const busErrorEvent = traceType('tulip', 'bus-error', { adapter: u8, gpa: u32 });

/** From a poll to the first frame, and from one frame to the next beside its time on the wire. */
const POLL_NS = 2_000;
const GAP_NS = 960;
const NS_PER_BYTE = 80;
const ALL_ONES = 0xffff_ffff;
const MISSED_MASK = 0xffff;

export interface TulipOptions {
  /** Among the machine's adapters of this kind, from 0. */
  readonly index: number;
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly link: PacketLink;
  /** IRQ 11. */
  readonly line: InterruptLine;
  readonly events: EventQueue;
  readonly memory: GuestMemory;
  readonly trace: Trace;
}

/** The emulated network adapter: registers behind two base addresses, two lists of descriptors, a filter. */
export class TulipAdapter extends PciFunction {
  readonly slot: number;
  readonly #index: number;
  readonly #link: PacketLink;
  readonly #line: InterruptLine;
  readonly #events: EventQueue;
  readonly #trace: Trace;
  readonly #csr = new Uint32Array(CSR_COUNT);
  readonly #rom: SerialRom;
  readonly #transceiver: Transceiver;
  readonly #filter = new AddressFilter();
  readonly #receiveList: DescriptorList;
  readonly #transmitList: DescriptorList;
  readonly #receiver: Receiver;
  readonly #transmitter: Transmitter;
  #receiveState: number = ReceiveState.stopped;
  #transmitState: number = TransmitState.stopped;
  #transmitEvent: EventHandle = 0;
  #timerEvent: EventHandle = 0;
  #ports: PortBus | undefined;
  #mmio: MmioBus | undefined;
  /** Where the registers answer now; 0 for nowhere. */
  #port = 0;
  #gpa = 0;

  constructor(options: TulipOptions) {
    super({
      vendorId: TULIP_VENDOR_ID,
      deviceId: TULIP_DEVICE_ID,
      revision: TULIP_REVISION,
      classCode: PciClass.ethernet,
      command: PciCommand.io | PciCommand.memory | PciCommand.busMaster,
      commandMask: PciCommand.io | PciCommand.memory | PciCommand.busMaster,
    });
    const { index, memory, link } = options;
    this.#index = index;
    this.slot = TULIP_FIRST_SLOT + index;
    this.#link = link;
    this.#line = options.line;
    this.#events = options.events;
    this.#trace = options.trace;
    this.#defineRegisters();
    this.#rom = new SerialRom(sromContent(options.mac, this.slot));
    this.#transceiver = new Transceiver(() => link.isUp);
    this.#receiveList = new DescriptorList(memory);
    this.#transmitList = new DescriptorList(memory);
    this.#receiver = new Receiver(memory, this.#receiveList);
    this.#transmitter = new Transmitter(memory, this.#transmitList, this.#filter);
    this.#reset();
    link.receiver = this.#network;
  }

  #defineRegisters(): void {
    const port = TULIP_IO_PORT - this.#index * TULIP_IO_BYTES;
    const gpa = TULIP_MEMORY_GPA - this.#index * TULIP_MEMORY_BYTES;
    this.define(PciRegister.bar0, 4, port | PCI_BAR_IO, -TULIP_IO_BYTES & 0xffff);
    this.define(PciRegister.bar0 + 4, 4, gpa, -TULIP_MEMORY_BYTES >>> 0);
    this.define(PciRegister.subsystemVendor, 2, TULIP_SUBSYSTEM_VENDOR);
    this.define(PciRegister.subsystem, 2, TULIP_SUBSYSTEM);
    this.define(PciRegister.interruptLine, 1, PCI_INTERRUPT, 0xff);
    this.define(PciRegister.interruptPin, 1, 1);
    this.define(PciRegister.minGrant, 1, TULIP_MIN_GRANT);
    this.define(PciRegister.maxLatency, 1, TULIP_MAX_LATENCY);
    this.define(TULIP_DRIVER_AREA, 4, 0, TULIP_DRIVER_AREA_MASK);
  }

  attach(ports: PortBus, mmio: MmioBus): void {
    this.#ports = ports;
    this.#mmio = mmio;
    this.#decode();
  }

  override exchange(state: StateStream): void {
    super.exchange(state);
    state.array('csr', this.#csr);
    state.part('rom', () => this.#rom.exchange(state));
    state.part('transceiver', () => this.#transceiver.exchange(state));
    state.part('filter', () => this.#filter.exchange(state));
    state.part('receiveList', () => this.#receiveList.exchange(state));
    state.part('transmitList', () => this.#transmitList.exchange(state));
    state.part('transmitter', () => this.#transmitter.exchange(state));
    this.#receiveState = state.number('receiveState', this.#receiveState);
    this.#transmitState = state.number('transmitState', this.#transmitState);
    this.#transmitEvent = state.event('transmit', this.#transmitEvent, this.#transmitDue) ?? 0;
    this.#timerEvent = state.event('timer', this.#timerEvent, this.#timerDue) ?? 0;
    if (state.isRestoring) this.#decode();
  }

  protected override changed(): void {
    this.#decode();
  }

  /** Where the registers answer, by the command register and the base addresses. */
  #decode(): void {
    const { command } = this;
    const hasIo = (command & PciCommand.io) !== 0;
    const hasMemory = (command & PciCommand.memory) !== 0;
    const port = hasIo ? this.read(PciRegister.bar0, 4) & ~3 & 0xffff : 0;
    const gpa = hasMemory ? (this.read(PciRegister.bar0 + 4, 4) & ~0xf) >>> 0 : 0;
    const ports = this.#ports;
    if (ports !== undefined && port !== this.#port) {
      if (this.#port !== 0) ports.detach(this.#port, TULIP_IO_BYTES);
      this.#port = port !== 0 && ports.isFree(port, TULIP_IO_BYTES) ? port : 0;
      if (this.#port !== 0) ports.attach(port, TULIP_IO_BYTES, this.#portWindow);
    }
    const mmio = this.#mmio;
    if (mmio !== undefined && gpa !== this.#gpa) {
      if (this.#gpa !== 0) mmio.detach(this.#gpa);
      this.#gpa = gpa !== 0 && mmio.isFree(gpa, TULIP_MEMORY_BYTES) ? gpa : 0;
      if (this.#gpa !== 0) mmio.attach(gpa, TULIP_MEMORY_BYTES, this.#memoryWindow);
    }
  }

  readonly #portWindow: PortDevice = {
    portRead: (port, size) => this.#readPart(port & (TULIP_IO_BYTES - 1), size),
    portWrite: (port, size, value) => this.#writePart(port & (TULIP_IO_BYTES - 1), size, value),
  };

  /** The registers repeat every 128 bytes. */
  readonly #memoryWindow: MmioDevice = {
    mmioRead: (address, size) => this.#readPart(address & (TULIP_IO_BYTES - 1), size),
    mmioWrite: (address, size, value) =>
      this.#writePart(address & (TULIP_IO_BYTES - 1), size, value),
  };

  #readPart(address: number, size: number): number {
    const within = address % CSR_STRIDE;
    if (within >= 4) return openBus(size);
    const value = this.readRegister(Math.floor(address / CSR_STRIDE)) >>> (8 * within);
    return (value & openBus(size)) >>> 0;
  }

  /** Registers are written whole: what is narrower is dropped. */
  #writePart(address: number, size: number, value: number): void {
    if (address % CSR_STRIDE === 0 && size === 4) this.writeRegister(address / CSR_STRIDE, value);
  }

  readRegister(register: number): number {
    switch (register) {
      case Csr.transmitPoll:
      case Csr.receivePoll:
        return ALL_ONES;
      case Csr.receiveList:
        return this.#receiveList.baseGpa;
      case Csr.transmitList:
        return this.#transmitList.baseGpa;
      case Csr.status:
        return this.#status;
      case Csr.mode:
        return (this.#mode | this.#filter.modeBits) >>> 0;
      case Csr.missedFrames: {
        const missed = this.#csr[register]!;
        this.#csr[register] = CSR_RESET[register]!;
        return missed;
      }
      case Csr.serial:
        return this.#serial;
      default:
        return CSR_RESET[register] === undefined ? ALL_ONES : this.#csr[register]!;
    }
  }

  writeRegister(register: number, value: number): void {
    switch (register) {
      case Csr.busMode:
        if ((value & BusMode.softwareReset) !== 0) this.#reset();
        this.#csr[register] = value;
        break;
      case Csr.transmitPoll:
        this.#pollTransmit();
        break;
      case Csr.receivePoll:
        this.#pollReceive();
        break;
      case Csr.receiveList:
        this.#receiveList.baseGpa = (value & ~3) >>> 0;
        break;
      case Csr.transmitList:
        this.#transmitList.baseGpa = (value & ~3) >>> 0;
        break;
      case Csr.status:
        this.#csr[register]! &= ~(value & TulipStatus.events);
        this.#interrupt();
        break;
      case Csr.mode:
        this.#writeMode(value);
        break;
      case Csr.interruptEnable:
        this.#csr[register] = value | CSR_RESET[register]!;
        this.#interrupt();
        break;
      case Csr.serial:
        this.#writeSerial(value);
        break;
      case Csr.timer:
        this.#writeTimer(value);
        break;
      case Csr.missedFrames:
        break;
      default:
        if (CSR_RESET[register] !== undefined) this.#csr[register] = value;
    }
  }

  get #mode(): number {
    return this.#csr[Csr.mode]!;
  }

  get #skipBytes(): number {
    const longwords = (this.#csr[Csr.busMode]! >> BusMode.skipShift) & BusMode.skipMask;
    return longwords * 4;
  }

  get #status(): number {
    const { normalSummary, abnormalSummary, reserved } = TulipStatus;
    const events = this.#csr[Csr.status]!;
    const enabled = events & this.#csr[Csr.interruptEnable]!;
    const summary =
      ((enabled & TulipStatus.normal) !== 0 ? normalSummary : 0) |
      ((enabled & TulipStatus.abnormal) !== 0 ? abnormalSummary : 0);
    const states =
      (this.#receiveState << TulipStatus.receiveStateShift) |
      (this.#transmitState << TulipStatus.transmitStateShift);
    return ((events & TulipStatus.events) | summary | states | reserved) >>> 0;
  }

  /** The line follows the summary bits that are enabled. */
  #interrupt(): void {
    const { normalSummary, abnormalSummary } = TulipStatus;
    const shown = this.#status & this.#csr[Csr.interruptEnable]!;
    this.#line.set((shown & (normalSummary | abnormalSummary)) !== 0);
  }

  #raise(events: number): void {
    this.#csr[Csr.status]! |= events;
    this.#interrupt();
  }

  #reset(): void {
    this.#events.cancel(this.#transmitEvent);
    this.#events.cancel(this.#timerEvent);
    for (let register = 0; register < CSR_COUNT; register += 1) {
      this.#csr[register] = CSR_RESET[register] ?? ALL_ONES;
    }
    this.#filter.reset();
    this.#receiveList.baseGpa = 0;
    this.#transmitList.baseGpa = 0;
    this.#transmitter.reset();
    this.#receiveState = ReceiveState.stopped;
    this.#transmitState = TransmitState.stopped;
    this.#interrupt();
  }

  #writeMode(value: number): void {
    const changed = this.#mode ^ value;
    this.#csr[Csr.mode] = (value & ~OperationMode.filterMask) | OperationMode.mustBeOne;
    if ((changed & OperationMode.startTransmit) !== 0) {
      if ((value & OperationMode.startTransmit) !== 0) {
        this.#transmitState = TransmitState.suspended;
        this.#pollTransmit();
      } else this.#stopTransmit();
    }
    if ((changed & OperationMode.startReceive) === 0) return;
    if ((value & OperationMode.startReceive) !== 0) {
      this.#receiveState = ReceiveState.waiting;
      this.#lookForBuffer();
    } else if (this.#receiveState !== ReceiveState.stopped) {
      this.#receiveState = ReceiveState.stopped;
      this.#raise(TulipStatus.receiveStopped);
    }
  }

  #stopTransmit(): void {
    if (this.#transmitState === TransmitState.stopped) return;
    this.#events.cancel(this.#transmitEvent);
    this.#transmitState = TransmitState.stopped;
    this.#transmitter.reset();
    this.#raise(TulipStatus.transmitStopped);
  }

  #pollTransmit(): void {
    if (this.#transmitState !== TransmitState.suspended || !this.#isBusMaster) return;
    this.#transmitState = TransmitState.reading;
    this.#transmitEvent = this.#events.after(POLL_NS, this.#transmitDue);
  }

  /** Without it the adapter reaches no memory. */
  get #isBusMaster(): boolean {
    return (this.command & PciCommand.busMaster) !== 0;
  }

  readonly #transmitDue = (): void => {
    const transmitter = this.#transmitter;
    const turn = transmitter.turn(this.#skipBytes);
    let waitNs = GAP_NS;
    switch (turn) {
      case TransmitTurn.empty:
        this.#transmitState = TransmitState.suspended;
        this.#raise(TulipStatus.transmitUnavailable);
        return;
      case TransmitTurn.busError:
        this.#fail(this.#transmitList);
        return;
      case TransmitTurn.jabber:
        this.#raise(TulipStatus.transmitJabber);
        this.#stopTransmit();
        return;
      case TransmitTurn.frame:
        this.#send();
        // Looped back, it may have met a bus error, which stops both processes.
        if (this.#transmitState !== TransmitState.reading) return;
        waitNs += transmitter.length * NS_PER_BYTE;
        break;
      case TransmitTurn.setup:
        this.#trace.emit(setupEvent, this.#index, this.#filter.modeBits);
        break;
      default:
    }
    // One interrupt of a frame comes with its last descriptor.
    if (turn !== TransmitTurn.part && transmitter.wantsInterrupt) {
      this.#raise(TulipStatus.transmitInterrupt);
    }
    this.#transmitEvent = this.#events.after(waitNs, this.#transmitDue);
  };

  #send(): void {
    const { frame, length } = this.#transmitter;
    this.#trace.emit(transmitEvent, this.#index, length);
    if ((this.#mode & OperationMode.loopbackMask) === 0) this.#link.send(frame, 0, length);
    else if (this.#take(frame, 0, length)) this.#raise(TulipStatus.receiveInterrupt);
  }

  /** What a list names is not in RAM: both processes stop until the next reset. */
  #fail(list: DescriptorList): void {
    this.#trace.emit(busErrorEvent, this.#index, list.gpa);
    this.#events.cancel(this.#transmitEvent);
    this.#transmitState = TransmitState.stopped;
    this.#receiveState = ReceiveState.stopped;
    this.#raise(TulipStatus.fatalBusError);
  }

  #pollReceive(): void {
    if (this.#receiveState !== ReceiveState.suspended) return;
    this.#receiveState = ReceiveState.waiting;
    this.#lookForBuffer();
  }

  #lookForBuffer(): void {
    if (!this.#isBusMaster) return;
    const turn = this.#receiver.look();
    if (turn === ReceiveTurn.busError) this.#fail(this.#receiveList);
    else if (turn === ReceiveTurn.unavailable) {
      this.#receiveState = ReceiveState.suspended;
      this.#raise(TulipStatus.receiveUnavailable);
    }
  }

  readonly #network: FrameReceiver = {
    frame: (bytes, start, length) => {
      if ((this.#mode & OperationMode.loopbackMask) !== 0) return;
      if (this.#take(bytes, start, length)) {
        this.#csr[Csr.status]! |= TulipStatus.receiveInterrupt;
      }
    },
    framesEnd: () => this.#interrupt(),
    linkChanged: () => undefined,
  };

  /** @returns whether the guest has the frame */
  #take(bytes: Uint8Array, start: number, length: number): boolean {
    if (this.#receiveState === ReceiveState.stopped || !this.#isBusMaster) return false;
    const isMulticast = (bytes[start]! & 1) !== 0;
    const isListed = this.#filter.matches(bytes, start, isMulticast);
    if (!isListed && !passesAll(isMulticast, this.#mode)) return false;
    const turn = this.#receiver.put(bytes, start, length, isListed, this.#skipBytes);
    if (turn === ReceiveTurn.busError) {
      this.#fail(this.#receiveList);
      return false;
    }
    if (turn === ReceiveTurn.unavailable) {
      this.#trace.emit(missedEvent, this.#index, length);
      const missed = this.#csr[Csr.missedFrames]!;
      if ((missed & MISSED_MASK) !== MISSED_MASK) this.#csr[Csr.missedFrames] = missed + 1;
      this.#receiveState = ReceiveState.suspended;
      this.#raise(TulipStatus.receiveUnavailable);
      return false;
    }
    this.#trace.emit(receiveEvent, this.#index, length);
    this.#receiveState = ReceiveState.waiting;
    this.#lookForBuffer();
    return true;
  }

  get #serial(): number {
    const { read, romEnable, romDataOut, miiDataIn } = SerialBit;
    let value = this.#csr[Csr.serial]! & ~(romDataOut | miiDataIn);
    const isRomRead = (value & (read | romEnable)) === (read | romEnable);
    if (isRomRead && this.#rom.output === 1) value |= romDataOut;
    if (this.#transceiver.output === 1) value |= miiDataIn;
    return value >>> 0;
  }

  #writeSerial(value: number): void {
    const bit = SerialBit;
    this.#csr[Csr.serial] = (value & 0x0007_ffff) | (CSR_RESET[Csr.serial]! & 0xfff0_0000);
    const isRom = (value & bit.romEnable) !== 0;
    this.#rom.drive(
      isRom && (value & bit.romSelect) !== 0,
      (value & bit.romClock) !== 0,
      (value & bit.romDataIn) === 0 ? 0 : 1,
    );
    const isDriven = (value & bit.miiInput) === 0;
    this.#transceiver.drive(
      (value & bit.miiClock) !== 0,
      isDriven && (value & bit.miiDataOut) === 0 ? 0 : 1,
    );
  }

  get #timerNs(): number {
    const { portSelect, thresholdMode } = OperationMode;
    if ((this.#mode & portSelect) === 0) return TIMER_NS.serial;
    return (this.#mode & thresholdMode) === 0 ? TIMER_NS.mii100 : TIMER_NS.mii10;
  }

  #writeTimer(value: number): void {
    this.#csr[Csr.timer] = (value | CSR_RESET[Csr.timer]!) >>> 0;
    this.#events.cancel(this.#timerEvent);
    const count = value & TimerBit.countMask;
    if (count > 0) this.#timerEvent = this.#events.after(count * this.#timerNs, this.#timerDue);
  }

  readonly #timerDue = (): void => {
    const timer = this.#csr[Csr.timer]!;
    this.#raise(TulipStatus.timerExpired);
    if ((timer & TimerBit.continuous) === 0) return;
    const count = timer & TimerBit.countMask;
    this.#timerEvent = this.#events.after(count * this.#timerNs, this.#timerDue);
  };
}
