import type { PortBus } from '../../core/bus.ts';
import { PAGE_BYTES, type GuestMemory } from '../../core/memory.ts';
import type { StateStream } from '../../core/state.ts';
import { BytePortDevice } from '../byte-ports.ts';
import {
  CASCADE_CHANNEL,
  DMA_CHANNELS,
  DMA_PAGE_OF_CHANNEL,
  DMA_PAGE_PORT,
  DMA_PAGE_PORT_COUNT,
  DMA_PORT,
  DMA_PORT_COUNT,
  DMA_SET_BIT,
  DMA_WORD_PORT,
  DMA_WORD_PORT_COUNT,
  DmaCommand,
  DmaMode,
  DmaRegister,
} from './spec.ts';

/** One 8237A: four channels with a base and a current address and count each. */
class Controller {
  readonly baseAddress = new Uint16Array(DMA_CHANNELS);
  readonly baseCount = new Uint16Array(DMA_CHANNELS);
  readonly address = new Uint16Array(DMA_CHANNELS);
  readonly count = new Uint16Array(DMA_CHANNELS);
  readonly mode = new Uint8Array(DMA_CHANNELS);
  command = 0;
  mask = 0xf;
  /** Bits 3:0 terminal count of a channel, 7:4 a request by software. */
  status = 0;
  /** The next byte of a 16-bit register is its high one. */
  isHigh = false;

  exchange(state: StateStream): void {
    state.array('baseAddress', this.baseAddress);
    state.array('baseCount', this.baseCount);
    state.array('address', this.address);
    state.array('count', this.count);
    state.array('mode', this.mode);
    this.command = state.number('command', this.command);
    this.mask = state.number('mask', this.mask);
    this.status = state.number('status', this.status);
    this.isHigh = state.flag('isHigh', this.isHigh);
  }

  readRegister(register: number): number {
    if (register < DmaRegister.status) {
      const values = (register & 1) === 0 ? this.address : this.count;
      const value = values[register >> 1]!;
      this.isHigh = !this.isHigh;
      return this.isHigh ? value & 0xff : value >> 8;
    }
    if (register === DmaRegister.status) {
      const status = this.status;
      // Terminal counts are told once.
      this.status &= 0xf0;
      return status;
    }
    return register === DmaRegister.maskAll ? this.mask | 0xf0 : 0;
  }

  writeRegister(register: number, value: number): void {
    if (register < DmaRegister.status) {
      this.#writeWord(register, value);
      return;
    }
    const bit = 1 << (value & DmaMode.channelMask);
    switch (register) {
      case DmaRegister.status:
        this.command = value;
        break;
      case DmaRegister.request:
        if ((value & DMA_SET_BIT) !== 0) this.status |= bit << 4;
        else this.status &= ~(bit << 4);
        break;
      case DmaRegister.mask:
        this.mask = (value & DMA_SET_BIT) !== 0 ? this.mask | bit : this.mask & ~bit;
        break;
      case DmaRegister.mode:
        this.mode[value & DmaMode.channelMask] = value & ~DmaMode.channelMask;
        break;
      case DmaRegister.clearPointer:
        this.isHigh = false;
        break;
      case DmaRegister.masterClear:
        this.command = 0;
        this.status = 0;
        this.isHigh = false;
        this.mask = 0xf;
        break;
      case DmaRegister.clearMask:
        this.mask = 0;
        break;
      default:
        this.mask = value & 0xf;
    }
  }

  #writeWord(register: number, value: number): void {
    const channel = register >> 1;
    const isAddress = (register & 1) === 0;
    const base = isAddress ? this.baseAddress : this.baseCount;
    const old = base[channel]!;
    base[channel] = this.isHigh ? (old & 0xff) | (value << 8) : (old & 0xff00) | value;
    this.isHigh = !this.isHigh;
    (isAddress ? this.address : this.count)[channel] = base[channel];
  }
}

/**
 * Both controllers of a PC. A device asks for a transfer of bytes on its channel, as by DREQ; what moves
 * is what the guest has programmed.
 */
export class DmaControllers extends BytePortDevice {
  readonly #memory: GuestMemory;
  readonly #bytes = new Controller();
  readonly #words = new Controller();
  readonly #pages = new Uint8Array(DMA_PAGE_PORT_COUNT);

  constructor(memory: GuestMemory) {
    super();
    this.#memory = memory;
    // Firmware lets the first controller's requests through.
    this.#words.mode[CASCADE_CHANNEL - DMA_CHANNELS] = DmaMode.cascade;
    this.#words.mask &= ~1;
  }

  attach(ports: PortBus): void {
    ports.attach(DMA_PORT, DMA_PORT_COUNT, this);
    ports.attach(DMA_WORD_PORT, DMA_WORD_PORT_COUNT, this);
    ports.attach(DMA_PAGE_PORT, DMA_PAGE_PORT_COUNT, this);
  }

  exchange(state: StateStream): void {
    state.part('bytes', () => this.#bytes.exchange(state));
    state.part('words', () => this.#words.exchange(state));
    state.array('pages', this.#pages);
    this.isAtTerminalCount = state.flag('isAtTerminalCount', this.isAtTerminalCount);
  }

  protected override readByte(port: number): number {
    if (port < DMA_PAGE_PORT) return this.#bytes.readRegister(port);
    if (port < DMA_WORD_PORT) return this.#pages[port - DMA_PAGE_PORT]!;
    return this.#words.readRegister((port - DMA_WORD_PORT) >> 1);
  }

  protected override writeByte(port: number, value: number): void {
    if (port < DMA_PAGE_PORT) this.#bytes.writeRegister(port, value);
    else if (port < DMA_WORD_PORT) this.#pages[port - DMA_PAGE_PORT] = value;
    else this.#words.writeRegister((port - DMA_WORD_PORT) >> 1, value);
  }

  /**
   * Gives a device's bytes to memory on a byte-wide channel.
   * @returns how many went: up to the terminal count, and none while the channel is masked
   */
  toMemory(channel: number, source: Uint8Array, start: number, length: number): number {
    return this.#move(channel, DmaMode.toMemory, source, start, length);
  }

  /** The other way: fills `target` from memory. Addresses without RAM read as all ones. */
  fromMemory(channel: number, target: Uint8Array, start: number, length: number): number {
    return this.#move(channel, DmaMode.fromMemory, target, start, length);
  }

  /** Whether the last transfer came to the terminal count, at which a device stops. */
  isAtTerminalCount = false;

  #isHeld(channel: number): boolean {
    const { mask, command, mode } = this.#bytes;
    const isCascade = (mode[channel]! & DmaMode.selectMask) === DmaMode.cascade;
    // The first controller's requests pass through channel 4 of the second.
    const isPassed =
      (this.#words.mask & 1) === 0 && (this.#words.command & DmaCommand.disable) === 0;
    return (
      (mask & (1 << channel)) !== 0 ||
      (command & DmaCommand.disable) !== 0 ||
      isCascade ||
      !isPassed
    );
  }

  #move(
    channel: number,
    direction: number,
    buffer: Uint8Array,
    start: number,
    length: number,
  ): number {
    const { address, count, mode } = this.#bytes;
    const transfer = mode[channel]! & DmaMode.transferMask;
    const isDown = (mode[channel]! & DmaMode.decrement) !== 0;
    let done = 0;
    this.isAtTerminalCount = false;
    if (this.#isHeld(channel)) return 0;
    while (done < length && !this.isAtTerminalCount) {
      const at = address[channel]!;
      // A run ends with the page of RAM that it is in; the register goes round in its 64 KiB.
      const room = isDown ? 1 : PAGE_BYTES - (at % PAGE_BYTES);
      const part = Math.min(room, length - done, count[channel]! + 1);
      // Verify transfers, and those of the wrong direction, only count.
      if (transfer === direction)
        this.#copy(this.#gpaOf(channel, at), direction, buffer, start + done, part);
      else if (direction === DmaMode.fromMemory)
        buffer.fill(0xff, start + done, start + done + part);
      done += part;
      address[channel] = isDown ? at - part : at + part;
      const left = count[channel]! - part;
      count[channel] = left;
      if (left < 0) this.#terminalCount(channel);
    }
    return done;
  }

  #gpaOf(channel: number, address: number): number {
    return this.#pages[DMA_PAGE_OF_CHANNEL[channel]!]! * 0x1_0000 + address;
  }

  #copy(gpa: number, direction: number, buffer: Uint8Array, start: number, length: number): void {
    const memory = this.#memory;
    const isRead = direction === DmaMode.fromMemory;
    const at = isRead ? memory.locate(gpa, length) : memory.resolve(gpa, length);
    if (isRead) {
      if (at < 0) buffer.fill(0xff, start, start + length);
      else buffer.set(memory.u8.subarray(at, at + length), start);
    } else if (at >= 0) {
      memory.written(at, length);
      memory.u8.set(buffer.subarray(start, start + length), at);
    }
  }

  #terminalCount(channel: number): void {
    const controller = this.#bytes;
    this.isAtTerminalCount = true;
    controller.status |= 1 << channel;
    if ((controller.mode[channel]! & DmaMode.autoInitialize) === 0) {
      controller.mask |= 1 << channel;
      return;
    }
    controller.address[channel] = controller.baseAddress[channel]!;
    controller.count[channel] = controller.baseCount[channel]!;
  }
}
