import { closeSync, existsSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import type { Ending } from '../machine/endings.ts';
import type { Machine } from '../machine/machine.ts';
import { writingTo } from './output-file.ts';

/** Until a guest's screen shows what the guest has written: FreeBSD draws 25 times a second. */
const SETTLE_NS = 80_000_000;

/** The file of `--screenshot`. That it can be written is known before anything is booted. */
export class ScreenshotFile {
  readonly #path: string;
  /** The file has come into being for this run, and is empty so far. */
  #isPlaceholder: boolean;

  constructor(path: string) {
    this.#path = path;
    this.#isPlaceholder = !existsSync(path);
    writingTo(this.#path, () => closeSync(openSync(path, 'a')));
  }

  /** Writes what the machine shows at the end of its run, once the guest's last words are drawn. */
  write(machine: Machine, ending: Ending): void {
    if (ending.kind === 'reached') {
      const endNs = machine.clock.nowNs + SETTLE_NS;
      while (machine.run(endNs) === undefined);
    }
    const png = machine.screen.png();
    writingTo(this.#path, () => writeFileSync(this.#path, png));
    this.#isPlaceholder = false;
  }

  /** Leaves no empty file behind when nothing came to be shown. */
  close(): void {
    if (this.#isPlaceholder) unlinkSync(this.#path);
  }
}
