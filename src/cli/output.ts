import { createColors } from 'picocolors';
import { ExitCode } from '../core/errors.ts';

type Colors = ReturnType<typeof createColors>;

/** Where a command writes: standard output is for results, standard error for progress and errors. */
export interface Output {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Colours for each stream: none unless that stream is a terminal (NO_COLOR and FORCE_COLOR win). */
  readonly outColors: Colors;
  readonly errorColors: Colors;
  /** Writes out what `out` holds back. */
  flush(): void;
}

/** picocolors looks at standard output only, and takes CI as a terminal; this decides per stream. */
function wantsColor(stream: NodeJS.WriteStream): boolean {
  if ((process.env['NO_COLOR'] ?? '') !== '') return false;
  if ((process.env['FORCE_COLOR'] ?? '') !== '') return true;
  return stream.isTTY && process.env['TERM'] !== 'dumb';
}

/** Bytes a character at a time, as a guest prints them, would be a system call each. */
const FLUSH_AT = 16_384;

/** Writes to this process's own streams, in order, and in large pieces. `flush` ends a piece. */
export class ProcessOutput implements Output {
  readonly outColors = createColors(wantsColor(process.stdout));
  readonly errorColors = createColors(wantsColor(process.stderr));
  #pending = '';

  constructor() {
    // A reader that has seen enough (`| head`) is no error.
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      process.exit(error.code === 'EPIPE' ? ExitCode.ok : ExitCode.failed);
    });
  }

  readonly out = (text: string): void => {
    this.#pending += text;
    if (this.#pending.length >= FLUSH_AT) this.flush();
  };

  /** Standard output goes first, so that the two streams interleave as they happened. */
  readonly error = (text: string): void => {
    this.flush();
    process.stderr.write(text);
  };

  flush(): void {
    if (this.#pending === '') return;
    process.stdout.write(this.#pending);
    this.#pending = '';
  }
}

/** Prints what is odd but stops nothing, on standard error. */
export function warnTo(output: Output): (message: string) => void {
  return (message) => output.error(`${output.errorColors.yellow('warning:')} ${message}\n`);
}
