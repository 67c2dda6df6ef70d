import type { PortDevice } from '../core/bus.ts';

/**
 * A device with 8-bit registers. As on an ISA bus, a wider access becomes one access for each port
 * in ascending order, the lowest port being the least significant byte.
 */
export abstract class BytePortDevice implements PortDevice {
  protected abstract readByte(port: number): number;
  protected abstract writeByte(port: number, value: number): void;

  portRead(port: number, size: number): number {
    let value = this.readByte(port);
    for (let index = 1; index < size; index += 1) {
      value |= this.readByte(port + index) << (8 * index);
    }
    return value >>> 0;
  }

  portWrite(port: number, size: number, value: number): void {
    for (let index = 0; index < size; index += 1) {
      this.writeByte(port + index, (value >>> (8 * index)) & 0xff);
    }
  }
}
