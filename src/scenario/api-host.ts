/** What a script may do on the host's side of a machine. */
import type { Duration, FloppySpec, Size, WaitOptions } from './api.ts';

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
