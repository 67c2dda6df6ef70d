/**
 * What a script sees of synthvm: `import { scenario } from 'synthvm'`. `synthvm types` writes this
 * file out as types/synthvm.d.ts. All times are virtual unless a name says otherwise.
 */
import type { PresetName, Switches } from '../guest/switches.ts';
import type { HostName } from '../machine/profiles.ts';
import type { Phase } from '../machine/watch.ts';
import type { Expect } from './api-expect.ts';
import type {
  DiskHandle,
  FloppyDrive,
  HostDisk,
  HostDisks,
  Integration,
  NetworkAdapter,
  TestDevice,
  TestDeviceOptions,
  VmbusControl,
} from './api-host.ts';

export type * from './api-expect.ts';
export type * from './api-host.ts';
export type { HostName, Phase, PresetName, Switches };

/** Virtual time: "500us", "2s". */
export type Duration = `${number}${'ns' | 'us' | 'ms' | 's' | 'm'}`;
/** Powers of 1024: "64M", "1.5G". */
export type Size = `${number}${'' | 'K' | 'M' | 'G' | 'T'}`;
/** Text as it stands, or a regular expression. */
export type Pattern = string | RegExp;

export interface WaitOptions {
  /** Most virtual time to wait; default 300s. The wait then fails with what was seen last. */
  readonly within?: Duration;
}

/** A disk of a machine. Paths are relative to the script's folder. */
export type DiskSpec =
  /** An image that is never written to: what the guest writes is dropped at the end. */
  | string
  | ((
      | {
          readonly path: string;
          /** Keep what the guest writes. */
          readonly write?: boolean;
        }
      /** A blank disk in memory. */
      | NewImage
      /** The disk that `synthvm boot` builds when it is given none. */
      | { readonly builtIn: true }
      /** A whole disk of the host's, which nobody else uses. */
      | { readonly passThrough: HostDisk }
    ) & {
      /** "ide 0:1" (channel and device, Generation 1) or "scsi 0:3" (LUN); else where there is room. */
      readonly at?: string;
    });

export type ImageFormat =
  | 'raw'
  | 'vhd-fixed'
  | 'vhd-dynamic'
  | 'vhd-differencing'
  | 'vhdx-fixed'
  | 'vhdx-dynamic'
  | 'vhdx-differencing';

/** A new image in memory. It takes room only where it is written. */
export interface NewImage {
  /** A differencing image has its parent's without it. */
  readonly size?: Size;
  /** Default raw. */
  readonly format?: ImageFormat;
  /** Bytes of a logical sector; 4096 in a VHDX only. Default 512, or the parent's. */
  readonly sectors?: 512 | 4096;
  /** Unit of allocation; default 2M. */
  readonly blockSize?: Size;
  /** Of a differencing image; it is never written to. */
  readonly parent?: NewImage;
  readonly name?: string;
}

/** An ISO image: its path relative to the script's folder, or its bytes. */
export type DvdSpec = string | Uint8Array;

/** A diskette image: its path relative to the script's folder, which is never written to, or its bytes. */
export type FloppySpec =
  | string
  | Uint8Array
  | {
      readonly path: string;
      /** Keep what the guest writes. */
      readonly write?: boolean;
    };

/** What can be changed while a machine is off. */
export type VmSettings = Pick<
  VmConfig,
  | 'host'
  | 'guest'
  | 'set'
  | 'memory'
  | 'cpus'
  | 'disks'
  | 'dvds'
  | 'dvdDrive'
  | 'floppy'
  | 'nics'
  | 'lowMmioGap'
>;

export type VmState = 'off' | 'running' | 'paused' | 'saved';

/** A machine with its disks and checkpoints as they were when it was exported. */
export interface VmExport {
  readonly name: string;
  readonly checkpoints: readonly string[];
}

/** A machine as it was between two of its turns. */
export interface VmSnapshot {
  /** Virtual time. */
  readonly ns: number;
  readonly digest: string;
  /** Another machine that goes on from there, beside the first, with a clock of its own. */
  fork(): Promise<Vm>;
}

/** On whose behalf the host is asked. Whoever is no administrator sees no machine. */
export type Caller = 'administrator' | 'user';

export interface AdapterSpec {
  /** `legacy`: the emulated adapter, of Generation 1 only, up to four of them. Default `synthetic`. */
  readonly kind?: 'synthetic' | 'legacy';
  /** One of the scenario's `switches`; without it the machine's own switch, with a DHCP server. */
  readonly on?: string;
  /** "00:15:5d:01:01:00". */
  readonly mac?: string;
  /** False: the cable is not plugged in. */
  readonly connected?: boolean;
  /** False: frames from another address than the adapter's own are dropped. Default true. */
  readonly macSpoofing?: boolean;
}

/** One machine. What is not said is as in `synthvm boot`. */
export interface VmConfig {
  /** 1 (BIOS) or 2 (UEFI); else guessed from the first disk. */
  readonly generation?: 1 | 2;
  /** The Windows version to be; default ws2022, or what `--host` says. */
  readonly host?: HostName;
  /**
   * What this host does otherwise than others of its name, by the names of its profile; for the
   * history of bugs, and no part of the API.
   */
  readonly hostProfile?: Readonly<Record<string, unknown>>;
  /** The model guest. */
  readonly guest?: PresetName;
  /** Switches of the model guest, as `--set` changes them. */
  readonly set?: Partial<Switches>;
  /** RAM, 64M to 16G; default 512M. */
  readonly memory?: Size;
  /** Virtual processors; default 1. */
  readonly cpus?: number;
  /** The boot disk first; default the built-in one. */
  readonly disks?: readonly DiskSpec[];
  /** Discs. */
  readonly dvds?: readonly DvdSpec[];
  /** False: Generation 1 has no DVD drive without a disc. */
  readonly dvdDrive?: boolean;
  /** The diskette in drive A: of Generation 1. */
  readonly floppy?: FloppySpec;
  /** Addresses below 4 GiB that RAM leaves to devices, 128M to 3584M; default 128M. */
  readonly lowMmioGap?: Size;
  /** The host's name, which it then tells the guest by key-value pairs. */
  readonly hostName?: string;
  /** How many adapters, or each of them; default 1. */
  readonly nics?: number | readonly AdapterSpec[];
  /** rc.conf of the model guest's network: names and values. */
  readonly rcConf?: Readonly<Record<string, string>>;
  /** False: the machine stays off until the script calls `powerOn`. */
  readonly autoStart?: boolean;
}

export interface RunConfig {
  /** The run is a function of this number; default 1, or what `--seed` says. */
  readonly seed?: number | bigint;
  /**
   * Hosts that the scenario is meant for: `--host all` runs it on these. Without it, on `host` of its
   * machine alone where that is given, else on every one; so does `all`.
   */
  readonly hosts?: readonly HostName[] | 'all';
  /** Why it has no meaning on the other hosts: a line below the matrix of `synthvm test`. */
  readonly hostsReason?: string;
  /** Most real time; default 60s. */
  readonly wallLimit?: Duration;
}

/** A scenario with one machine. */
export type SingleConfig = VmConfig & RunConfig;

/** A scenario with several machines in one run. */
export interface TopologyConfig<Name extends string = string> extends RunConfig {
  readonly machines: Readonly<Record<Name, VmConfig>>;
  /** Names of virtual switches between them, without a DHCP server. */
  readonly switches?: readonly string[];
}

export interface TextSource {
  /** Everything so far, without carriage returns. */
  readonly text: string;
  /**
   * Waits for text that no earlier wait on this source has passed, and passes it. An expression that
   * could match more of a line waits for the rest of it, or until nothing comes for 1 ms.
   * @returns the match; `[0]` is the text
   */
  wait(pattern: Pattern, options?: WaitOptions): Promise<RegExpMatchArray>;
}

/** COM1. */
export interface Console extends TextSource {
  /** Lines so far that a pattern matches. */
  lines(pattern?: Pattern): string[];
  /** Types as the guest makes room; resolves when all of it is in the guest's UART. */
  type(text: string): Promise<void>;
  /** Waits for "login: ", and logs in as root. */
  login(options?: WaitOptions): Promise<void>;
  /**
   * Types a line, and waits for the next prompt.
   * @returns what was printed in between
   */
  run(command: string, options?: WaitOptions & { readonly prompt?: Pattern }): Promise<string>;
}

/** What the monitor shows. Its text is read by exact match with the console's font. */
export interface Screen {
  readonly text: string;
  wait(pattern: Pattern, options?: WaitOptions): Promise<RegExpMatchArray>;
  /** Waits until the picture has not changed for a while; default 500ms. */
  waitStill(options?: WaitOptions & { readonly for?: Duration }): Promise<void>;
  /** Keeps a picture under a name, for the run's evidence. @returns a PNG file */
  screenshot(name: string): Promise<Uint8Array>;
  /** The picture: four bytes a pixel, red, green, blue and an opaque alpha. */
  capture(): { readonly width: number; readonly height: number; readonly rgba: Uint8Array };
}

/** Each resolves when the guest's driver has read the keys. */
export interface Keyboard {
  /** Types on a US keyboard. */
  type(text: string, options?: WaitOptions): Promise<void>;
  /** Presses keys together: `press('leftControl', 'leftAlt', 'delete')`. */
  press(...keys: string[]): Promise<void>;
  /** Raw codes of set 1: a break is its make code with bit 7, and E0 comes before where it belongs. */
  scan(...codes: number[]): Promise<void>;
  /** Names that `press` takes, beside single characters. */
  readonly keys: readonly string[];
}

/** Each resolves when the guest's driver has read the report. */
export interface Mouse {
  /** To a pixel of the screen as it is now. */
  move(x: number, y: number): Promise<void>;
  click(button?: 'left' | 'right' | 'middle'): Promise<void>;
  /** @param notches up is positive */
  scroll(notches: number): Promise<void>;
}

export interface GuestCrash {
  readonly message: string;
  /** The five crash parameters, "0x0000000000000000"; none from a guest without crash MSRs. */
  readonly parameters: readonly string[];
}

export type HaltReason =
  | 'power-off'
  | 'halted'
  | 'guest-crash'
  | 'triple-fault'
  | 'boot-stopped'
  | 'stage-stopped'
  /** The guest needs something that this machine does not have. */
  | 'unimplemented'
  | 'debug-exit';

export interface Halt {
  readonly reason: HaltReason;
  /** One clause for people. */
  readonly text: string;
}

/** A machine. It runs only while the script awaits something of its run. */
export interface Vm {
  readonly name: string;
  readonly generation: 1 | 2;
  readonly host: HostName;
  readonly console: Console;
  readonly screen: Screen;
  readonly keyboard: Keyboard;
  readonly mouse: Mouse;
  readonly vmbus: VmbusControl;
  /** Those of `disks` first, then what was added. */
  readonly disks: readonly DiskHandle[];
  readonly nics: readonly NetworkAdapter[];
  /** Drive A:, of Generation 1. */
  readonly floppy: FloppyDrive;
  readonly integration: Integration;
  /** Virtual time since the run began. */
  readonly time: { readonly ns: number; readonly seconds: number };
  /** 16 digits over everything that happened; equal runs have equal ones. */
  readonly digest: string;

  /** Powers on; without it the first wait does. */
  powerOn(): Promise<void>;
  /** Lets virtual time pass. */
  run(time: Duration): Promise<void>;
  /** Has the host do something while the script awaits; a power cycle forgets it. */
  after(time: Duration, action: () => void): void;
  /** Waits until a question is answered yes; it is asked after every turn of the machine. */
  until(question: () => boolean, options?: WaitOptions & { readonly what?: string }): Promise<void>;
  /** Waits for a phase of the boot; at once when it is past. */
  phase(name: Phase, options?: WaitOptions): Promise<void>;
  /** The whole boot, to the login prompt. */
  boot(options?: WaitOptions): Promise<void>;
  /** Waits until a driver of the guest has attached: "storvsc0", "hn1". */
  device(name: string, options?: WaitOptions): Promise<void>;
  /** Waits until the guest has announced a disk: "da1". */
  disk(
    name: string,
    options?: WaitOptions,
  ): Promise<{ readonly bytes: number; readonly lun: number }>;
  /** Waits for a panic, which otherwise fails the scenario. */
  crash(options?: WaitOptions): Promise<GuestCrash>;
  /** Waits until the machine has stopped, for whatever reason. */
  halt(options?: WaitOptions): Promise<Halt>;

  /** The host's "Reset": a new power cycle at once. */
  reset(): Promise<void>;
  /** The host's "Turn Off". */
  powerOff(): Promise<void>;
  readonly state: VmState;
  /** Changes settings of a machine that is off; disks and adapters that are named replace all. */
  configure(settings: VmSettings): Promise<void>;
  /** The processors stand still while the host's time goes on. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** The host's "Save": the state is kept, and the machine stands still. */
  save(): Promise<void>;
  /**
   * Starts a saved machine. For the guest's counters no time has passed; the host's clock is `after`
   * later, of which it tells the guest.
   * @param options.host the machine has been moved to a host of this Windows version
   */
  wake(options?: { readonly after?: Duration; readonly host?: HostName }): Promise<void>;
  /**
   * Keeps everything of this machine, which is on, as it is now. Not after a script has done to it what
   * cannot be done again: rules on messages, faults, disks and devices that were added.
   */
  snapshot(): Promise<VmSnapshot>;
  /** Another machine that goes on from where this one is. */
  fork(): Promise<Vm>;
  /** Names of what `checkpoint` has kept, the oldest first. */
  readonly checkpoints: readonly string[];
  /** Keeps the disks of a machine that is off as they are now. */
  checkpoint(name: string): Promise<void>;
  /** Gives the disks of a machine that is off the content that they had then. */
  applyCheckpoint(name: string): Promise<void>;
  deleteCheckpoint(name: string): Promise<void>;
  /** A copy of a machine that is off: settings, disks, checkpoints. */
  export(): Promise<VmExport>;
  /** Makes this machine, which is off, a copy of one that was exported, with an identity of its own. */
  import(exported: VmExport): Promise<void>;
  /** An NMI, on which FreeBSD and Windows panic. @param cpu default 0 */
  nmi(cpu?: number, options?: { readonly as?: Caller }): Promise<void>;

  /** A disk on the synthetic SCSI controller of a running machine. @param lun default the first free */
  addDisk(disk: DiskSpec, options?: { readonly lun?: number }): Promise<DiskHandle>;
  /** A device that does as the script says, and a driver for it in the model guest. */
  addTestDevice(options?: TestDeviceOptions): TestDevice;

  /** The machine object of this version of synthvm; no part of the API. */
  readonly internals: unknown;
}

/** Chance that comes from the seed, for the script's own use. */
export interface SeededRandom {
  /** An integer from 0 to `bound` - 1. */
  below(bound: number): number;
  pick<T>(items: readonly T[]): T;
  /** A time between two others. */
  time(from: Duration, to: Duration): Duration;
}

/** Groups waits under a title, which failures and reports name. */
export type Step = <T>(title: string, body: () => Promise<T> | T) => Promise<T>;

interface Tools {
  readonly step: Step;
  readonly expect: Expect;
  readonly random: SeededRandom;
  readonly seed: bigint;
  /** Disks of the host, for `passThrough`. */
  readonly hostDisks: HostDisks;
  /** Keeps a figure for the report: `note('lost packets', 3)`. */
  readonly note: (label: string, value: string | number | boolean) => void;
}

export interface SingleTest extends Tools {
  readonly vm: Vm;
}

export interface TopologyTest<Name extends string = string> extends Tools {
  readonly vms: Readonly<Record<Name, Vm>>;
  /** Lets virtual time pass for all machines. */
  readonly run: (time: Duration) => Promise<void>;
}

/** What `scenario` returns; the runner finds every one that a script declares. */
export interface Scenario {
  readonly name: string;
}

/** Declares a scenario. */
export interface DeclareScenario {
  <const Name extends string>(
    name: string,
    config: TopologyConfig<Name>,
    body: (test: TopologyTest<NoInfer<Name>>) => Promise<void> | void,
  ): Scenario;
  (name: string, config: SingleConfig, body: (test: SingleTest) => Promise<void> | void): Scenario;
}

/** Fails the scenario as soon as the console shows this, until it is disposed of. */
export type Never = (vm: Vm, pattern: Pattern) => Disposable;
