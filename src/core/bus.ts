/** A device behind x86 I/O ports. Sizes are 1, 2 or 4 bytes; values are unsigned. */
export interface PortDevice {
  portRead(port: number, size: number): number;
  portWrite(port: number, size: number, value: number): void;
}

/** A device behind guest physical addresses that are not RAM. */
export interface MmioDevice {
  /** @param address bytes from the start of the range it was attached at */
  mmioRead(address: number, size: number): number;
  mmioWrite(address: number, size: number, value: number): void;
}

/** An interrupt line into an interrupt controller. Level lines stay as set; edges are set, cleared. */
export interface InterruptLine {
  set(active: boolean): void;
}

/** What a read of so many bytes gives where nothing answers. */
export function openBus(size: number): number {
  return size === 4 ? 0xffff_ffff : size === 2 ? 0xffff : 0xff;
}

/** The 64 Ki port space. An absent port reads as all ones and ignores writes, as on a PC. */
export class PortBus {
  readonly #devices = new Map<number, PortDevice>();

  /** Throws when a port of the range is taken: two devices on one port are our own mistake. */
  attach(first: number, count: number, device: PortDevice): void {
    for (let port = first; port < first + count; port += 1) {
      if (this.#devices.has(port)) throw new Error(`port 0x${port.toString(16)} attached twice`);
      this.#devices.set(port, device);
    }
  }

  /** Whether no device has any of the ports. */
  isFree(first: number, count: number): boolean {
    for (let port = first; port < first + count; port += 1) {
      if (this.#devices.has(port)) return false;
    }
    return true;
  }

  isTaken(first: number, count: number): boolean {
    return [...this.#devices.keys()].some((port) => port >= first && port < first + count);
  }

  detach(first: number, count: number): void {
    for (let port = first; port < first + count; port += 1) this.#devices.delete(port);
  }

  read(port: number, size: number): number {
    return this.#devices.get(port)?.portRead(port, size) ?? openBus(size);
  }

  write(port: number, size: number, value: number): void {
    this.#devices.get(port)?.portWrite(port, size, value);
  }
}

/** Guest physical addresses outside RAM. Absent ones read as all ones and ignore writes. */
export class MmioBus {
  readonly #ranges: { start: number; end: number; device: MmioDevice }[] = [];

  attach(gpa: number, bytes: number, device: MmioDevice): void {
    const end = gpa + bytes;
    if (!this.isFree(gpa, bytes)) {
      throw new Error(`MMIO range at 0x${gpa.toString(16)} overlaps another`);
    }
    this.#ranges.push({ start: gpa, end, device });
  }

  /** Whether no device has any of the addresses. */
  isFree(gpa: number, bytes: number): boolean {
    return !this.#ranges.some((range) => gpa < range.end && range.start < gpa + bytes);
  }

  /** @param gpa where a range was attached */
  detach(gpa: number): void {
    const index = this.#ranges.findIndex(({ start }) => start === gpa);
    if (index >= 0) this.#ranges.splice(index, 1);
  }

  read(gpa: number, size: number): number {
    const range = this.#find(gpa, size);
    return range === undefined ? openBus(size) : range.device.mmioRead(gpa - range.start, size);
  }

  write(gpa: number, size: number, value: number): void {
    const range = this.#find(gpa, size);
    range?.device.mmioWrite(gpa - range.start, size, value);
  }

  #find(gpa: number, size: number): { start: number; device: MmioDevice } | undefined {
    return this.#ranges.find((range) => gpa >= range.start && gpa + size <= range.end);
  }
}
