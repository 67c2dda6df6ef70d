import { closeSync, openSync, writeSync } from 'node:fs';
import { InputError } from '../core/errors.ts';

/** Bytes that wait before they are written, so that an event is not a system call. */
const BUFFER_BYTES = 1 << 20;

/** @throws InputError naming the file when what touches it fails */
export function writingTo<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(path, `cannot be written (${code ?? String(error)})`);
  }
}

/** A file that a run writes, opened before anything is booted. */
export class OutputFile {
  readonly path: string;
  readonly #descriptor: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #encoder = new TextEncoder();
  #used = 0;

  /** @throws InputError when it cannot be written */
  constructor(path: string) {
    this.path = path;
    this.#descriptor = writingTo(path, () => openSync(path, 'w'));
  }

  readonly writeText = (text: string): void => this.writeBytes(this.#encoder.encode(text));

  readonly writeBytes = (bytes: Uint8Array): void => {
    if (this.#used + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) {
      writeSync(this.#descriptor, bytes);
      return;
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  };

  close(): void {
    this.#flush();
    closeSync(this.#descriptor);
  }

  #flush(): void {
    writeSync(this.#descriptor, this.#buffer, 0, this.#used);
    this.#used = 0;
  }
}
