import { IcMessageType, IcStatus } from '../../devices/ic/spec.ts';
import { ShutdownFlag, ShutdownMessage, ShutdownVersion } from '../../devices/shutdown/spec.ts';
import type { KernelApi } from '../kernel/api.ts';
import type { IcService } from './component.ts';
import type { IcMessage } from './message.ts';

const NEEDED_BYTES = ShutdownMessage.offset.text;

/** Powers off when the host asks politely or by force; FreeBSD knows nothing else (version 3.0). */
export class ShutdownService implements IcService {
  readonly type = IcMessageType.is.shutdown;
  readonly messageVersion = ShutdownVersion.v3;
  readonly #kernel: KernelApi;
  readonly #print: (text: string) => void;

  /** @param print a line of the driver's */
  constructor(kernel: KernelApi, print: (text: string) => void) {
    this.#kernel = kernel;
    this.#print = print;
  }

  request(message: IcMessage): (() => void) | undefined {
    const isWhole = message.bodyLength >= NEEDED_BYTES;
    const flags = isWhole
      ? ShutdownMessage.cursor(message.view).at(message.bodyStart).flags
      : ShutdownFlag.bit.hibernate;
    const isLegacy = this.#kernel.switches.release === 'legacy';
    if (flags !== 0 && flags !== ShutdownFlag.bit.force) {
      message.header.status = IcStatus.is.fail;
      const text = 'Shutdown request received - Invalid request';
      if (isLegacy) this.#kernel.printf(`${text}\n`);
      else this.#print(`unknown shutdown flags 0x${flags.toString(16).padStart(8, '0')}`);
      return undefined;
    }
    message.header.status = IcStatus.is.success;
    if (this.#kernel.verbose) {
      const text = 'Shutdown request received - graceful shutdown initiated';
      if (isLegacy) this.#kernel.printf(`${text}\n`);
      else this.#print('shutdown requested');
    }
    // Only once the host has its answer: nobody may be there to give it later.
    return () => this.#kernel.userland.requestEnd('poweroff');
  }
}
