/**
 * What the model guest's drivers see of its kernel: FreeBSD's habits (tsleep/wakeup, DELAY, printf,
 * mutexes, newbus) over generators. A thread yields where real time would pass or where a real
 * thread would sleep; between two yields it runs without interruption on its processor.
 */
import type { Random } from '../../core/random.ts';
import type { Trace } from '../../core/trace.ts';
import type { VirtualProcessor } from '../../hypervisor/processor.ts';
import type { Switches } from '../switches.ts';

/** A number charges that many nanoseconds of processor time; a `Sleep` gives the processor away. */
export type Pause = number | Sleep;

export interface Sleep {
  /** What `wakeup` names: any object, compared by identity. */
  readonly channel: object;
  /** Infinity: no time-out. */
  readonly timeoutNs: number;
}

/** What a `Sleep` yields back: true when `wakeup` came, false when the time-out did. */
export type Woken = boolean;

/** The body of a kernel thread, or of any function that may sleep or take time (`yield*` it). */
export type Task<Result = void> = Generator<Pause, Result, Woken>;

export interface ThreadOptions {
  /** Runs on this processor only; without it, on any. */
  readonly processor?: number;
  /** Lower runs first, as in FreeBSD; equal ones are chosen by the seed. */
  readonly priority?: number;
}

export interface KernelThread {
  readonly name: string;
  /** Processor time charged so far, in nanoseconds. */
  readonly runtimeNs: number;
}

/** A sleepable lock with one FIFO queue. */
export interface KernelLock {
  readonly name: string;
  acquire(): Task;
  release(): void;
  /** How often an acquire had to wait. */
  readonly waits: number;
  readonly isHeld: boolean;
}

/** A command of the root shell. */
export interface ShellCommand {
  readonly name: string;
  /** One line for `help`. */
  readonly help: string;
  /** @returns the exit status; nothing is 0 */
  run(words: readonly string[]): Task<number | void>;
}

/** IPv4 settings of an interface; texts are empty where there is nothing. */
export interface InterfaceAddress {
  /** "hn0". */
  readonly name: string;
  readonly address: string;
  readonly netmask: string;
  readonly router: string;
  readonly isDhcp: boolean;
}

/** What programs read and set of the network. */
export interface AddressBook {
  list(): readonly InterfaceAddress[];
  /** @returns false for an interface that is not there, or an address that is none */
  assign(settings: InterfaceAddress): boolean;
}

export interface ReadableFile {
  readonly sizeBytes: number;
  /** Fewer bytes than asked for at the end. */
  read(position: number, length: number): Task<Uint8Array>;
}

/** The files of the system, as programs of the shell use them. */
export interface FileSpace {
  /** Opens a file to be written, empty or at its end. @returns what takes text, or an error's text */
  open(path: string, appends: boolean): Task<((text: string) => Task) | string>;
  /** Failures of these two, and of what they give, are `FileError`s. */
  openToRead(path: string): Task<ReadableFile>;
  /** Names in a directory, with a slash behind those of directories; undefined for a file. */
  list(path: string): Task<readonly string[] | undefined>;
  /** Makes a directory that is not there. */
  makeDirectory(path: string): Task;
  /** Makes the file, or empties it. @returns what appends to it */
  openToWrite(path: string): Task<(bytes: Uint8Array) => Task>;
  /** Writes back what is only in memory; before the system ends, and unmounts all. */
  unmountAll(): Task;
}

/** Where the kernel and its drivers meet the programs of the system. */
export interface UserlandApi {
  /** devd starts a program for a device that has appeared: now, or once devd itself runs. */
  startDaemon(name: string, body: () => Task): void;
  /** rc runs it at its place among the scripts: before devd, or after it. */
  addStartScript(place: 'beforeDevd' | 'afterDevd', run: () => Task): void;
  /** Makes a program known to pkill(1). @param kill returns whether it ran */
  addProgram(name: string, kill: () => boolean): void;
  /** Set once the kernel has a network. */
  addressBook: AddressBook | undefined;
  /** Set once the kernel has disks. */
  files: FileSpace | undefined;
  /** Output of a program: on the console, or where the shell sends it. */
  print(text: string): void;
  /** shutdown_nice(9): asks init to end the system, and to switch off or start again. */
  requestEnd(action: 'poweroff' | 'reboot'): void;
  /** A byte for the console's terminal, as from its serial line. In interrupt context. */
  typed(byte: number): void;
}

/** Takes a new value. @returns false for one that cannot be */
export type SysctlWriter = (value: string) => boolean;

export interface KernelApi {
  readonly trace: Trace;
  /** Which bugs this kernel has. */
  readonly switches: Switches;
  /** Clock ticks a second: legacy time-outs are counted in them. */
  readonly hz: number;
  readonly verbose: boolean;
  readonly processorCount: number;
  /** The hardware of the processor that runs the calling thread. */
  readonly hardware: VirtualProcessor;
  hardwareOf(processor: number): VirtualProcessor;
  /** Index of the processor that runs the calling thread. */
  readonly processor: number;
  /** Time since boot by the kernel's current timecounter, in nanoseconds. */
  uptimeNs(): number;
  /** The same, up to a second old: what time_uptime(9) is for. */
  readonly coarseUptimeNs: number;

  /** Console and message buffer; the text includes its newline. */
  printf(text: string): void;
  /** Only in a verbose boot. */
  bootverbose(text: string): void;

  spawn(name: string, body: () => Task, options?: ThreadOptions): KernelThread;
  /** @returns true when woken, false on time-out */
  tsleep(channel: object, timeoutNs: number): Task<boolean>;
  wakeup(channel: object): void;
  lock(name: string): KernelLock;
  /** Busy waits, by the best time source that the kernel has at that moment. */
  delay(microseconds: number): Task;
  /** A wired, zeroed, page-aligned allocation. @returns its guest physical address */
  allocatePages(pages: number): number;
  /**
   * Likewise, but neither zeroed nor touched, for large buffers that a device fills.
   * @returns -1 when there is no run of free pages that long
   */
  allocateUnzeroed(pages: number): number;
  freePages(gpa: number, pages: number): void;
  /** Charges processor time to the calling thread or handler, paid at its next yield. */
  charge(costNs: number): void;
  /** A named random stream of this guest. */
  random(name: string): Random;

  /** Adds a leaf to the sysctl tree; `read` gives its text without a newline. */
  addSysctl(name: string, read: () => string, write?: SysctlWriter): void;
  addCommand(command: ShellCommand): void;
  /** Runs when the thread that boots has attached all buses and interrupts work ("config hook"). */
  addConfigHook(name: string, run: () => Task): void;
  /** Root is not mounted before every hold is released. @returns the release */
  holdRootMount(name: string): () => void;

  /** Time of day in microseconds since 1970 (UTC). */
  wallClockUs(): number;
  setWallClockUs(us: number): void;
  readonly userland: UserlandApi;

  /** Stops the machine with a panic message and the crash MSRs. */
  panic(message: string): never;
}
