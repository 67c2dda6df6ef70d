/**
 * The terminal as the guest's console: raw input with an escape key. Every way out restores it.
 */

/** Ctrl-]: the key of telnet and virsh, which shells hardly use. */
const ESCAPE = 0x1d;
const CONTROL_C = 0x03;
const QUIT = 0x2e;
const HELP = 0x3f;

export interface TerminalHandlers {
  /** Bytes for the guest. */
  readonly input: (bytes: Uint8Array) => void;
  /** Whose Ctrl-C is; Ctrl-] before it makes it the other's. */
  readonly controlC: 'guest' | 'host';
  /** Ctrl-C was pressed, and is the host's. */
  readonly interrupt: () => void;
  readonly quit: () => void;
  readonly help: () => void;
}

/** Splits what is typed into the guest's bytes and our own two-key commands. */
export class EscapeFilter {
  readonly #handlers: TerminalHandlers;
  #escaped = false;

  constructor(handlers: TerminalHandlers) {
    this.#handlers = handlers;
  }

  feed(bytes: Uint8Array): void {
    const plain: number[] = [];
    for (const byte of bytes) {
      if (!this.#escaped) {
        if (byte === ESCAPE) this.#escaped = true;
        else if (byte === CONTROL_C && this.#handlers.controlC === 'host') {
          this.#handlers.interrupt();
        } else plain.push(byte);
        continue;
      }
      this.#escaped = false;
      if (byte === QUIT) {
        this.#handlers.quit();
        return;
      }
      if (byte === HELP) this.#handlers.help();
      else if (byte === CONTROL_C && this.#handlers.controlC === 'guest') {
        this.#handlers.interrupt();
      }
      // Twice is the key itself; any other key is the guest's, as if no escape had been typed.
      else plain.push(byte);
    }
    if (plain.length > 0) this.#handlers.input(Uint8Array.from(plain));
  }
}

/** Puts standard input in raw mode. @returns a function that restores it, safe to call twice */
export function attachTerminal(handlers: TerminalHandlers): () => void {
  const filter = new EscapeFilter(handlers);
  const { stdin } = process;
  const onData = (data: Uint8Array): void => filter.feed(data);
  let attached = true;
  const restore = (): void => {
    if (!attached) return;
    attached = false;
    stdin.off('data', onData);
    stdin.setRawMode(false);
    stdin.pause();
    process.off('exit', restore);
  };
  stdin.setRawMode(true);
  stdin.resume();
  stdin.on('data', onData);
  process.on('exit', restore);
  return restore;
}
