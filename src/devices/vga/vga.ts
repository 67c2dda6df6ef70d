import type { StateStream } from '../../core/state.ts';
import type { PortBus } from '../../core/bus.ts';
import { BytePortDevice } from '../byte-ports.ts';
import {
  ATTRIBUTE_PORT,
  ATTRIBUTE_READ_PORT,
  COMMON_PORT,
  COMMON_PORT_COUNT,
  CRTC_OVERFLOW,
  CRTC_OVERFLOW_FREE,
  CRTC_PORT,
  CRTC_PORT_COUNT,
  CRTC_PROTECT,
  CrtcRegister,
  CURSOR_OFF,
  DAC_DATA_PORT,
  DAC_ENTRIES,
  DAC_MASK_PORT,
  DAC_READ_PORT,
  DAC_READING,
  DAC_WRITE_PORT,
  FEATURE_READ_PORT,
  GRAPHICS_PORT,
  MISCELLANEOUS_PORT,
  MISCELLANEOUS_READ_PORT,
  MODE_3_ATTRIBUTES,
  MODE_3_CRTC,
  MODE_3_GRAPHICS,
  MODE_3_MISCELLANEOUS,
  MODE_3_SEQUENCER,
  SEQUENCER_PORT,
  STATUS_PORT,
  StatusBit,
} from './spec.ts';

/** Registers behind an index. */
class Bank {
  readonly registers: Uint8Array;
  index = 0;

  constructor(values: readonly number[]) {
    this.registers = Uint8Array.from(values);
  }

  get value(): number {
    return this.registers[this.index] ?? 0xff;
  }

  set value(value: number) {
    if (this.index < this.registers.length) this.registers[this.index] = value;
  }

  exchange(state: StateStream): void {
    state.array('registers', this.registers);
    this.index = state.number('index', this.index);
  }
}

/**
 * A VGA in text mode 3, with all registers that drivers of text consoles touch. The CRT controller
 * says where in the text buffer the picture begins and where the cursor is; the others are kept, and
 * change nothing. Its memory is guest memory.
 */
export class Vga extends BytePortDevice {
  readonly #crtc = new Bank(MODE_3_CRTC);
  readonly #sequencer = new Bank(MODE_3_SEQUENCER);
  readonly #graphics = new Bank(MODE_3_GRAPHICS);
  readonly #attributes = new Bank(MODE_3_ATTRIBUTES);
  readonly #dac = new Uint8Array(DAC_ENTRIES * 3);
  #miscellaneous = MODE_3_MISCELLANEOUS;
  #dacMask = 0xff;
  /** Byte of the palette that the next access takes; which of them depends on the direction. */
  #dacRead = 0;
  #dacWrite = 0;
  #isDacReading = false;
  /** The attribute controller's next write is data. */
  #isAttributeData = false;
  /** Bits of input status 1, which turn with every look: a poll for either edge ends. */
  #status = 0;

  attach(ports: PortBus): void {
    ports.attach(COMMON_PORT, COMMON_PORT_COUNT, this);
    ports.attach(CRTC_PORT, CRTC_PORT_COUNT, this);
    ports.attach(STATUS_PORT, 1, this);
  }

  exchange(state: StateStream): void {
    state.part('crtc', () => this.#crtc.exchange(state));
    state.part('sequencer', () => this.#sequencer.exchange(state));
    state.part('graphics', () => this.#graphics.exchange(state));
    state.part('attributes', () => this.#attributes.exchange(state));
    state.array('dac', this.#dac);
    this.#miscellaneous = state.number('miscellaneous', this.#miscellaneous);
    this.#dacMask = state.number('dacMask', this.#dacMask);
    this.#dacRead = state.number('dacRead', this.#dacRead);
    this.#dacWrite = state.number('dacWrite', this.#dacWrite);
    this.#isDacReading = state.flag('isDacReading', this.#isDacReading);
    this.#isAttributeData = state.flag('isAttributeData', this.#isAttributeData);
    this.#status = state.number('status', this.#status);
  }

  /** Cell of the text buffer that the picture begins with. */
  get startAddress(): number {
    return this.#word(CrtcRegister.startAddressHigh);
  }

  /** Cell of the text buffer that the cursor is in, -1 when it is off. */
  get cursorAddress(): number {
    const isOff = (this.#crtc.registers[CrtcRegister.cursorStart]! & CURSOR_OFF) !== 0;
    return isOff ? -1 : this.#word(CrtcRegister.cursorHigh);
  }

  /** Two registers, the high one first. */
  #word(high: number): number {
    return this.#crtc.registers[high]! * 0x100 + this.#crtc.registers[high + 1]!;
  }

  protected override readByte(port: number): number {
    switch (port) {
      case CRTC_PORT:
        return this.#crtc.index;
      case CRTC_PORT + 1:
        return this.#crtc.value;
      case SEQUENCER_PORT:
        return this.#sequencer.index;
      case SEQUENCER_PORT + 1:
        return this.#sequencer.value;
      case GRAPHICS_PORT:
        return this.#graphics.index;
      case GRAPHICS_PORT + 1:
        return this.#graphics.value;
      case ATTRIBUTE_PORT:
        return this.#attributes.index;
      case ATTRIBUTE_READ_PORT:
        return this.#attributes.value;
      case MISCELLANEOUS_READ_PORT:
        return this.#miscellaneous;
      case MISCELLANEOUS_PORT:
      case FEATURE_READ_PORT:
        return 0;
      case STATUS_PORT:
        this.#isAttributeData = false;
        this.#status ^= StatusBit.displayOff | StatusBit.retrace;
        return this.#status;
      case DAC_MASK_PORT:
        return this.#dacMask;
      case DAC_READ_PORT:
        return this.#isDacReading ? DAC_READING : 0;
      case DAC_WRITE_PORT:
        return Math.floor(this.#dacWrite / 3);
      case DAC_DATA_PORT: {
        const value = this.#dac[this.#dacRead]!;
        this.#dacRead = (this.#dacRead + 1) % this.#dac.length;
        return value;
      }
      default:
        return 0xff;
    }
  }

  protected override writeByte(port: number, value: number): void {
    switch (port) {
      case CRTC_PORT:
        this.#crtc.index = value;
        return;
      case CRTC_PORT + 1:
        this.#writeCrtc(value);
        return;
      case SEQUENCER_PORT:
        this.#sequencer.index = value;
        return;
      case SEQUENCER_PORT + 1:
        this.#sequencer.value = value;
        return;
      case GRAPHICS_PORT:
        this.#graphics.index = value;
        return;
      case GRAPHICS_PORT + 1:
        this.#graphics.value = value;
        return;
      case ATTRIBUTE_PORT:
        if (this.#isAttributeData) this.#attributes.value = value;
        // Bit 5 keeps the palette on.
        else this.#attributes.index = value & 0x1f;
        this.#isAttributeData = !this.#isAttributeData;
        return;
      case MISCELLANEOUS_PORT:
        this.#miscellaneous = value;
        return;
      case DAC_MASK_PORT:
        this.#dacMask = value;
        return;
      case DAC_READ_PORT:
        this.#dacRead = value * 3;
        this.#isDacReading = true;
        return;
      case DAC_WRITE_PORT:
        this.#dacWrite = value * 3;
        this.#isDacReading = false;
        return;
      case DAC_DATA_PORT:
        this.#dac[this.#dacWrite] = value & 0x3f;
        this.#dacWrite = (this.#dacWrite + 1) % this.#dac.length;
        return;
      default:
    }
  }

  #writeCrtc(value: number): void {
    const { index, registers } = this.#crtc;
    const isProtected = (registers[CrtcRegister.verticalRetraceEnd]! & CRTC_PROTECT) !== 0;
    if (!isProtected || index > CRTC_OVERFLOW) this.#crtc.value = value;
    else if (index === CRTC_OVERFLOW) {
      const free = value & CRTC_OVERFLOW_FREE;
      this.#crtc.value = (registers[CRTC_OVERFLOW]! & ~CRTC_OVERFLOW_FREE) | free;
    }
  }
}
