import type { StateStream } from '../../core/state.ts';
import type { PortBus } from '../../core/bus.ts';
import { BytePortDevice } from '../byte-ports.ts';
import {
  CRTC_PORT,
  CRTC_PORT_COUNT,
  CRTC_REGISTERS,
  CrtcRegister,
  CURSOR_OFF,
  MODE_3_CRTC,
} from './spec.ts';

/**
 * As much of a VGA as its text mode needs: the CRT controller, which says where in the text buffer
 * the picture begins and where the cursor is. Its memory is guest memory; mode 3 is set.
 */
export class Vga extends BytePortDevice {
  readonly #registers = Uint8Array.from(MODE_3_CRTC);
  #index = 0;

  attach(ports: PortBus): void {
    ports.attach(CRTC_PORT, CRTC_PORT_COUNT, this);
  }

  exchange(state: StateStream): void {
    state.array('registers', this.#registers);
    this.#index = state.number('index', this.#index);
  }

  /** Cell of the text buffer that the picture begins with. */
  get startAddress(): number {
    return this.#word(CrtcRegister.startAddressHigh);
  }

  /** Cell of the text buffer that the cursor is in, -1 when it is off. */
  get cursorAddress(): number {
    const isOff = (this.#registers[CrtcRegister.cursorStart]! & CURSOR_OFF) !== 0;
    return isOff ? -1 : this.#word(CrtcRegister.cursorHigh);
  }

  /** Two registers, the high one first. */
  #word(high: number): number {
    return this.#registers[high]! * 0x100 + this.#registers[high + 1]!;
  }

  protected override readByte(port: number): number {
    if (port === CRTC_PORT) return this.#index;
    return this.#index < CRTC_REGISTERS ? this.#registers[this.#index]! : 0xff;
  }

  protected override writeByte(port: number, value: number): void {
    if (port === CRTC_PORT) this.#index = value;
    else if (this.#index < CRTC_REGISTERS) this.#registers[this.#index] = value;
  }
}
