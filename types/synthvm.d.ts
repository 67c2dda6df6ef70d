// What a script imports from "synthvm". Written by `synthvm types`.

declare module 'synthvm' {
  export type HostName = 'ws2012' | 'ws2012r2' | 'ws2016tp' | 'ws2016' | 'ws2019' | 'ws2022' | 'ws2025';

  export type PresetName = 'bis:10.2' | 'bis:2015q4' | 'bis:modern';

  /** Of a boot, in order. */
  export type Phase = 'firmware' | 'boot-device' | 'loader' | 'kernel' | 'vmbus-connected' | 'offers-delivered' | 'root-mounted' | 'login' | 'halt';

  /** Historical behaviours of FreeBSD's drivers. */
  export interface Switches {
    /** which kernel the drivers live in: FreeBSD 10.2 or the present one */
    readonly release: 'legacy' | 'modern';
    /** VMBus interrupt threads run without the Giant lock */
    readonly intrMpsafe: boolean;
    /** how an event finds its channel */
    readonly chanLookup: 'list' | 'table';
    /** tell a blocked host when its ring has room again */
    readonly ringWritableSignal: boolean;
    /** use the synthetic timer for interrupts */
    readonly hvEventTimer: boolean;
    /** register the Hyper-V timecounter before the TSC is measured */
    readonly earlyTimecounter: boolean;
    /** which threads attach offered devices */
    readonly offerQueue: 'perChannel' | 'global';
    /** count VMBus interrupts for vmstat -i */
    readonly irqCounters: boolean;
    /** how storvsc treats an INQUIRY to a LUN that is not there */
    readonly storvscMode: 'legacy' | 'workaround' | 'en1612' | 'en1616' | 'd7521' | 'r309726' | 'modern';
    /** hw.ata.disk_enable: IDE disks stay with the emulated controller (ada), storvsc leaves them alone */
    readonly ataDisks: boolean;
    /** de(4) drives the emulated network adapter of Generation 1; FreeBSD 13 dropped it */
    readonly deDriver: boolean;
    /** find VMBus as an ACPI device, not only beside a PCI bus */
    readonly vmbusAcpi: boolean;
    /** legacy copies the kernel to 2 MiB whoever owns it */
    readonly efiLoader: 'legacy' | 'fixed';
    /** driver for the synthetic keyboard */
    readonly hvKbd: boolean;
    /** driver for the synthetic mouse */
    readonly hvHid: boolean;
    /** the KVP driver wakes its daemon when a request comes */
    readonly kvpPollWake: boolean;
    /** how long hv_kvp_daemon polls before it looks again by itself */
    readonly kvpPollTimeoutMs: '100' | 'inf';
    /** the KVP worker falls asleep without looking whether the daemon has answered */
    readonly kvpLostWakeup: boolean;
    /** hn receives on several channels, spread by RSS */
    readonly vrss: boolean;
    /** when hn has the host compute a checksum: for any flag of a packet, or when that was asked for */
    readonly txCsumDecision: 'anyFlag' | 'txFlags';
    /** hn answers media ioctls and tells devd of its link */
    readonly ifmedia: boolean;
    /** when hn takes its buffers back: before the channel's close, or after it from VMBus 4.0 on */
    readonly gpadlTeardown: 'beforeClose' | 'byVersion';
    /** give the channel id back after a rescind */
    readonly relidReleased: boolean;
    /** a message that the host has no buffer for is posted again for seconds, not for 16 ms */
    readonly postBackoff: boolean;
    /** the wait for the result of an open ends when the channel is rescinded */
    readonly openPollsRescind: boolean;
    /** shared: a rescind waits behind offers and the sub-channels that they open */
    readonly rescindQueue: 'shared' | 'own';
    /** a channel takes events before the host is asked to open it */
    readonly mapBeforeOpen: boolean;
    /** look into a ring again once its interrupts are unmasked */
    readonly ringRecheck: boolean;
    /** a panic takes leave of VMBus first, and polls its own or all processors for the answer */
    readonly panicUnload: 'none' | 'ownSlot' | 'allSlots';
    /** propose only this VMBus version; auto proposes the list of the kernel */
    readonly vmbusVersion: 'auto' | '0.13' | '1.1' | '2.4' | '3.0' | '4.0' | '4.1' | '5.0' | '5.1' | '5.2' | '5.3' | '6.0';
    /** clock ticks a second; legacy time-outs are counted in them */
    readonly hz: number;
    /** a verbose boot */
    readonly verbose: boolean;
  }

  /**
   * What a script sees of synthvm: `import { scenario } from 'synthvm'`. `synthvm types` writes this
   * file out as types/synthvm.d.ts. All times are virtual unless a name says otherwise.
   */


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

  /** What a script may do on the host's side of a machine. */

  /** How a disk's commands are to fail. Blocks are those of the disk. */
  export interface DiskFault {
    /** The first block; without it every command. */
    readonly lba?: number;
    /** How many blocks from there; default 1. */
    readonly blocks?: number;
    readonly access?: 'read' | 'write' | 'any';
    /** Only this operation code. */
    readonly operation?: number;
    /** How many commands that match pass first; default 0. */
    readonly after?: number;
    /** How many then fail; default all. */
    readonly times?: number;
    /**
     * What they answer. `medium-error`, the default, is a MEDIUM ERROR; `slow` answers well, after
     * `delay`.
     */
    readonly answer?: 'medium-error' | 'busy' | 'slow' | DiskAnswer;
    /** Added to the command's time. */
    readonly delay?: Duration;
  }

  /** An answer in SCSI's own terms. */
  export interface DiskAnswer {
    /** Sense key, ASC and ASCQ as 0xKKAAQQ. */
    readonly sense?: number;
    readonly scsiStatus?: number;
    /** The whole SRB status byte, with its flags. */
    readonly srbStatus?: number;
  }

  /** A disk of the host, by its number in the host's disk management. */
  export interface HostDisk {
    readonly number: number;
    /** The host uses it itself, so that no machine can have it. Default false. */
    isOnline: boolean;
    /** The machine that has it. */
    readonly owner: string | undefined;
  }

  export interface HostDisks {
    readonly disks: readonly HostDisk[];
    /** A disk is attached to the host; it comes offline, with an empty GPT. */
    attach(disk: { readonly size: Size; readonly name?: string }): HostDisk;
  }

  /** What `synthvm disk info` shows of an image. */
  export interface DiskImageInfo {
    readonly format: string;
    readonly sizeBytes: number;
    readonly sectorBytes: number;
    /** Space that holds content. */
    readonly allocatedBytes: number;
    readonly parent?: DiskImageInfo;
  }

  export interface DiskHandle {
    /** Undefined on the emulated IDE controller. */
    readonly lun: number | undefined;
    /** @returns disposing of it takes the fault away */
    fault(fault: DiskFault): Disposable;
    /** Hot removal, from the synthetic SCSI controller. */
    remove(): Promise<void>;
    readonly sizeBytes: number;
    /**
     * Resize-VHD: a VHDX gets another size; what is cut off is lost. On IDE only while the machine is
     * off.
     */
    resize(size: Size): Promise<void>;
    info(): DiskImageInfo;
  }

  export interface FloppyDrive {
    /** Name of the image in it; undefined while it is empty. */
    readonly name: string | undefined;
    /** Puts a diskette in, in the place of the one that is there, whether the machine is on or off. */
    insert(diskette: FloppySpec): Promise<void>;
    eject(): Promise<void>;
  }

  /** What goes wrong with the frames that an adapter sends; drawn from the seed. */
  export interface LinkFault {
    /** Shares, 0 to 1. */
    readonly drop?: number;
    readonly duplicate?: number;
    readonly delay?: Duration;
    /** Up to this much more for each frame, so that frames overtake each other. */
    readonly jitter?: Duration;
  }

  export interface Packet {
    /** Whether the guest sent it. */
    readonly sent: boolean;
    readonly bytes: Uint8Array;
  }

  export interface NetworkAdapter {
    readonly mac: string;
    /** Pulls the cable or plugs it in. */
    link(isUp: boolean): void;
    /** The cable goes to another of the scenario's switches, at once. */
    connect(on: string): void;
    /** Whether frames from other addresses than the adapter's own are let through. */
    macSpoofing(isAllowed: boolean): void;
    /** Frames that were dropped for that. */
    readonly spoofed: number;
    /** Replaces the faults that there were; none of them without an argument. */
    faults(fault?: LinkFault): void;
    /** Waits for a frame that a question is answered yes for. */
    packet(question: (packet: Packet) => boolean, options?: WaitOptions): Promise<Packet>;
  }

  /** What became of a request to the guest; only `answered` has its status. */
  export interface Answer {
    readonly outcome:
      | 'answered'
      | 'timeout'
      | 'closed'
      | 'notReady'
      | 'notSupported'
      | 'busy'
      | 'cancelled';
    /** 0 for yes. */
    readonly status: number;
  }

  export type KvpPoolName = 'external' | 'guest' | 'auto' | 'autoExternal';
  export type KvpData =
    | { readonly type: 'string'; readonly value: string }
    | { readonly type: 'u32'; readonly value: number }
    | { readonly type: 'u64'; readonly value: bigint };
  export interface KvpEntry {
    readonly key: string;
    readonly data: KvpData;
  }

  /** Integration services that can be switched off one by one. */
  export type ServiceName =
    | 'heartbeat'
    | 'keyValuePair'
    | 'shutdown'
    | 'timeSync'
    | 'volumeShadowCopy'
    | 'guestFileCopy';

  export interface Integration {
    /** The machine's setting: the host offers the service, or withdraws it. */
    enable(service: ServiceName, isEnabled: boolean): void;
    isEnabled(service: ServiceName): boolean;
    readonly kvp: {
      get(
        pool: KvpPoolName,
        key: string,
      ): Promise<Answer & { readonly entry?: KvpEntry | undefined }>;
      set(pool: KvpPoolName, key: string, data: KvpData | string): Promise<Answer>;
      delete(pool: KvpPoolName, key: string): Promise<Answer>;
      /** The entry at an index, from 0. */
      enumerate(
        pool: KvpPoolName,
        index: number,
      ): Promise<Answer & { readonly entry?: KvpEntry | undefined }>;
      list(pool: KvpPoolName): Promise<Answer & { readonly entries: readonly KvpEntry[] }>;
      /**
       * The host's own list of items for the pool `external`. Each gives the error code of the host's
       * job: 0, or 32773 for a key that is there already, or is not.
       */
      addItem(key: string, value: string): Promise<number>;
      modifyItem(key: string, value: string): Promise<number>;
      removeItem(key: string): Promise<number>;
      /** IPv4 addresses that the guest tells of an adapter; none without an answer. */
      addresses(nic: number): Promise<Answer & { readonly addresses: readonly string[] }>;
    };
    readonly heartbeat: { readonly status: string };
    readonly timeSync: {
      /** Sets the host's clock forward, or back with a negative time. */
      jump(time: Duration): void;
      /** Sends a time beside the regular ones, which left the host `age` after it was read. */
      send(kind: 'sync' | 'sample', options?: { readonly age?: Duration }): boolean;
    };
    /** Asks the guest's system to end itself, once its driver is there. */
    shutdown(
      type?: 'powerOff' | 'restart' | 'hibernate',
      options?: WaitOptions & { readonly force?: boolean },
    ): Promise<Answer>;
    /** Freezes the guest's file systems, copies, and thaws them. */
    backup(): Promise<{ readonly step: string } & Answer>;
  }

  /** A name in the VMBus message table, as `openResult`. */
  export type VmbusMessageName = string;

  /** A message from the host that the script keeps back. */
  export interface HeldMessage {
    readonly type: VmbusMessageName;
    /** 0 for a message that names none. */
    readonly channel: number;
    /** Sends it now, behind whatever was sent since. */
    deliver(): void;
  }

  export interface MessageRule {
    /** Default any. */
    readonly type?: VmbusMessageName | readonly VmbusMessageName[];
    /** Only messages that name this channel. */
    readonly channel?: number;
    /** Only messages that name a channel of this device. */
    readonly device?: TestDevice;
    /** How many; default all. */
    readonly times?: number;
  }

  export interface ChannelInfo {
    readonly id: number;
    readonly subChannel: number;
    /** "scsi", "network". */
    readonly name: string;
    readonly state: 'offered' | 'open' | 'rescinded';
  }

  export interface VmbusControl {
    /** What the guest says that it is, in its GUEST_OS_ID register; 0n until it does. */
    readonly guestOsId: bigint;
    /** Every channel that was offered in this power cycle. */
    readonly channels: readonly ChannelInfo[];
    /** Waits until the guest has a channel of this name open. @param options.index among equal names */
    channel(
      name: string,
      options?: WaitOptions & { readonly index?: number; readonly state?: 'offered' | 'open' },
    ): Promise<ChannelInfo>;
    /** Withdraws a device of this name. @param index among devices of one name */
    rescind(name: string, index?: number): void;
    /** Offers a device again that was withdrawn. */
    offer(name: string, index?: number): void;
    /** Keeps messages to the guest back until the script delivers them; those that it never does are lost. */
    hold(rule: MessageRule, taken?: (message: HeldMessage) => void): MessageHold;
    /** Delays messages to the guest; later ones overtake them. */
    delay(rule: MessageRule & { readonly by: Duration }): Disposable;
    /** Loses messages to the guest. */
    drop(rule: MessageRule): Disposable;
    /** Waits for a message from the guest. */
    message(type: VmbusMessageName, options?: WaitOptions): Promise<void>;
    /**
     * Buffers for messages from the guest, each of which takes the host so long; without an argument,
     * no limit.
     */
    credits(limit?: { readonly buffers: number; readonly perMessage: Duration }): void;
  }

  export interface MessageHold extends Disposable {
    readonly held: readonly HeldMessage[];
    /** Delivers all, in the order in which they came or in the opposite one. */
    deliver(order?: 'forward' | 'reverse'): void;
  }

  export interface TestDeviceOptions {
    /** Among test devices; below 0 before the machine's own. */
    readonly order?: number;
    /** Offer it when the script says so, not at once. */
    readonly offered?: boolean;
    /** Pages of each ring; default 4. */
    readonly pages?: number;
    /** Processor time of the guest's handler for a packet. */
    readonly handler?: Duration;
    /** Between the driver's last look at the ring and its return. */
    readonly afterDrain?: Duration;
    /** On a packet the driver panics with this message. */
    readonly panics?: string;
    /** Puts the channel on this processor. */
    readonly processor?: number;
    /** The driver opens sub-channels in the thread that brings their offers. */
    readonly opensSubChannels?: boolean;
    /** Latency of its monitor page, for channels that signal by it. */
    readonly monitorLatency?: Duration;
  }

  /** A device of the host's and its driver in the model guest. */
  export interface TestDevice {
    readonly name: string;
    /** The guest has it open. */
    readonly isOpen: boolean;
    /** How many sub-channels are open. */
    readonly subChannels: number;
    offer(): void;
    rescind(): void;
    offerSubChannels(count: number): number;
    /** A packet to the guest, of one byte or of these; it waits while the ring has no room. */
    send(packet: number | Uint8Array): void;
    /** Packets that wait for room. */
    readonly waiting: number;
    /** Packets from the guest: the first byte of each. */
    readonly received: readonly number[];
    /** What the guest's driver saw. */
    readonly driver: {
      /** Virtual time at which the handling of each packet was over. */
      readonly handledNs: readonly number[];
      /** The most handlers of the machine's test devices that ran at the same time. */
      readonly mostAtOnce: number;
      /** Attaches that have ended: errno, 0 for success, and virtual time. */
      readonly attached: readonly { readonly status: number; readonly atNs: number }[];
      readonly detached: number;
    };
    /** Calls back when the guest has asked to open it, before the answer is on its way. */
    onOpen: (() => void) | undefined;
  }

  /** Vitest's `expect`, as far as it needs no test runner. */

  /** What may follow `expect(value)`. Failures say what was expected and what was found. */
  export interface Assertions<T> {
    readonly not: Assertions<T>;
    /** Awaits a promise first. */
    readonly resolves: AsyncAssertions;
    /** Awaits a promise that is to fail. */
    readonly rejects: AsyncAssertions;
    toBe(expected: T): void;
    toEqual(expected: unknown): void;
    toStrictEqual(expected: unknown): void;
    toMatchObject(expected: unknown): void;
    toBeDefined(): void;
    toBeUndefined(): void;
    toBeNull(): void;
    toBeNaN(): void;
    toBeTruthy(): void;
    toBeFalsy(): void;
    toBeGreaterThan(expected: number | bigint): void;
    toBeGreaterThanOrEqual(expected: number | bigint): void;
    toBeLessThan(expected: number | bigint): void;
    toBeLessThanOrEqual(expected: number | bigint): void;
    /** @param digits after the point that are to agree; default 2 */
    toBeCloseTo(expected: number, digits?: number): void;
    toBeInstanceOf(expected: unknown): void;
    toBeTypeOf(expected: string): void;
    toBeOneOf(expected: readonly unknown[]): void;
    /** A part of a text, or an item by identity. */
    toContain(expected: unknown): void;
    /** An item by its content. */
    toContainEqual(expected: unknown): void;
    toHaveLength(expected: number): void;
    toHaveProperty(path: string | readonly (string | number)[], expected?: unknown): void;
    toMatch(expected: string | RegExp): void;
    toSatisfy(question: (value: T) => boolean, message?: string): void;
    toThrow(expected?: string | RegExp | Error): void;
  }

  /** The same after `resolves` and `rejects`. */
  export type AsyncAssertions = {
    readonly [Name in Exclude<keyof Assertions<unknown>, 'not' | 'resolves' | 'rejects'>]: (
      ...expected: Parameters<Assertions<unknown>[Name]>
    ) => Promise<void>;
  } & { readonly not: AsyncAssertions };

  export interface Expect {
    /** @param message stands before the failure */
    <T>(value: T, message?: string): Assertions<T>;
    anything(): unknown;
    any(constructor: unknown): unknown;
    closeTo(value: number, digits?: number): unknown;
    arrayContaining(expected: readonly unknown[]): unknown;
    objectContaining(expected: Readonly<Record<string, unknown>>): unknown;
    stringContaining(expected: string): unknown;
    stringMatching(expected: string | RegExp): unknown;
  }

  export const scenario: DeclareScenario;

  export const never: Never;

  /** For helpers outside a body. */
  export const expect: Expect;
}
