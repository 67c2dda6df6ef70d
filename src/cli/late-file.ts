import { closeSync, existsSync, openSync, unlinkSync, writeFileSync } from 'node:fs';
import { writingTo } from '../machine/output-file.ts';

/** A file that is written at the end. That it can be written is known before anything is booted. */
export class LateFile {
  readonly #path: string;
  /** The file has come into being for this run, and is empty so far. */
  #isPlaceholder: boolean;

  /** @throws InputError when it cannot be written */
  constructor(path: string) {
    this.#path = path;
    this.#isPlaceholder = !existsSync(path);
    writingTo(path, () => closeSync(openSync(path, 'a')));
  }

  write(bytes: Uint8Array): void {
    writingTo(this.#path, () => writeFileSync(this.#path, bytes));
    this.#isPlaceholder = false;
  }

  /** Leaves no empty file behind when nothing came to be written. */
  close(): void {
    if (this.#isPlaceholder) unlinkSync(this.#path);
  }
}
