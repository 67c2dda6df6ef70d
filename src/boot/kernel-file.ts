/** What direct boot takes: files that the caller has read, with the names that messages give them. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** A kernel that is loaded without a boot loader. */
export interface DirectKernel {
  /** A Linux bzImage, or a Multiboot 1 kernel. */
  readonly image: NamedBytes;
  /** Linux: archives that make up one initial RAM disk. Multiboot: a module each. */
  readonly initrds: readonly NamedBytes[];
  readonly commandLine: string;
  /** 32 bytes or more of chance for a Linux kernel, which then need not wait for its own. */
  readonly rngSeed: Uint8Array;
}

const MIB = 1024 * 1024;

/** "51.5 MiB": what something needs is rounded up, what there is down. */
export function mebibytes(bytes: number, round: 'up' | 'down' = 'up'): string {
  const tenths = (bytes * 10) / MIB;
  return `${(round === 'up' ? Math.ceil(tenths) : Math.floor(tenths)) / 10} MiB`;
}

/** The `--memory` that gives RAM up to `endGpa` beside what firmware keeps. */
export function memoryFor(endGpa: number, firmwareBytes: number): string {
  return `--memory ${Math.ceil((endGpa + firmwareBytes) / MIB)}M`;
}

/** Text as a kernel takes it. */
export function zeroTerminated(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}
