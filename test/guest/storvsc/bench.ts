/**
 * The guest's storage stack against the real storage VSP, with a small kernel and a channel of two
 * queues between them: no bus, no rings, no machine.
 */
import { VirtualClock } from '../../../src/core/clock.ts';
import { EventQueue } from '../../../src/core/events.ts';
import { GuestMemory, PAGE_BYTES } from '../../../src/core/memory.ts';
import { Random } from '../../../src/core/random.ts';
import { Trace } from '../../../src/core/trace.ts';
import type { LogicalUnit } from '../../../src/devices/scsi/logical-unit.ts';
import { StorvscController as Vsp } from '../../../src/devices/storvsc/controller.ts';
import type { LunAddress } from '../../../src/devices/storvsc/luns.ts';
import type { StorvscKind } from '../../../src/devices/storvsc/offer.ts';
import type { StorvscProfile } from '../../../src/devices/storvsc/profile.ts';
import { Cam } from '../../../src/guest/cam/transport.ts';
import type {
  KernelApi,
  KernelThread,
  ShellCommand,
  Sleep,
  Task,
} from '../../../src/guest/kernel/api.ts';
import { storvscDriver } from '../../../src/guest/storvsc/driver.ts';
import { presetSwitches, type Switches } from '../../../src/guest/switches.ts';
import type {
  ChannelOpenOptions,
  GuestChannel,
  GuestDevice,
  GuestDriver,
  GuestPacket,
  PageRange,
} from '../../../src/guest/vmbus/api.ts';
import type { VirtualProcessor } from '../../../src/hypervisor/processor.ts';
import type { IncomingPacket, OpenChannel } from '../../../src/vmbus/device.ts';

const RAM_BYTES = 4 * 1024 * 1024;
/** One for all tests, since making it is what takes time; benches do not run at the same time. */
const memory = new GuestMemory({ ramBytes: RAM_BYTES, lowGapStart: 0xf800_0000 });

/** Threads that run in turn, first-in-first-out, each until it pauses. */
export class BenchKernel implements KernelApi {
  readonly clock = new VirtualClock();
  readonly events = new EventQueue(this.clock);
  readonly trace = new Trace(this.clock);
  readonly memory = memory;
  readonly hz = 100;
  readonly processor = 0;
  readonly processorCount: number;
  readonly switches: Switches;
  readonly verbose: boolean;
  readonly hardware: VirtualProcessor;
  readonly commands: ShellCommand[] = [];
  readonly sysctls = new Map<string, () => string>();
  rootHolds = 0;
  text = '';
  #nextPage = 256;
  readonly #free: number[] = [];
  readonly #sleepers = new Map<object, (() => void)[]>();

  constructor(switches: Partial<Switches>, processorCount = 1) {
    this.switches = { ...presetSwitches('bis:modern'), ...switches };
    this.verbose = this.switches.verbose;
    this.processorCount = processorCount;
    this.hardware = { memory: this.memory, clock: this.clock } as unknown as VirtualProcessor;
  }

  hardwareOf(): VirtualProcessor {
    return this.hardware;
  }
  get coarseUptimeNs(): number {
    return this.uptimeNs();
  }

  uptimeNs(): number {
    return this.clock.nowNs;
  }
  printf(text: string): void {
    this.text += text;
  }
  bootverbose(text: string): void {
    if (this.verbose) this.text += text;
  }
  spawn(name: string, body: () => Task): KernelThread {
    const thread = body();
    const step = (woken: boolean): void => {
      const result = thread.next(woken);
      if (result.done === true) return;
      if (typeof result.value === 'number') this.events.after(result.value, () => step(true));
      else this.#sleep(result.value, step);
    };
    this.events.after(0, () => step(true));
    return { name, runtimeNs: 0 };
  }
  #sleep(sleep: Sleep, step: (woken: boolean) => void): void {
    let timer = 0;
    const wake = (): void => {
      if (timer !== 0) this.events.cancel(timer);
      this.events.after(0, () => step(true));
    };
    const queue = this.#sleepers.get(sleep.channel) ?? [];
    queue.push(wake);
    this.#sleepers.set(sleep.channel, queue);
    if (sleep.timeoutNs === Infinity) return;
    timer = this.events.after(sleep.timeoutNs, () => {
      queue.splice(queue.indexOf(wake), 1);
      step(false);
    });
  }
  *tsleep(channel: object, timeoutNs: number): Task<boolean> {
    return yield { channel, timeoutNs };
  }
  wakeup(channel: object): void {
    const queue = this.#sleepers.get(channel);
    this.#sleepers.delete(channel);
    for (const wake of queue ?? []) wake();
  }
  lock(): never {
    throw new Error('the storage stack takes no locks');
  }
  *delay(microseconds: number): Task {
    yield microseconds * 1000;
  }
  allocatePages(pages: number): number {
    const again = pages === 1 ? this.#free.pop() : undefined;
    const gpa = again ?? this.#nextPage * PAGE_BYTES;
    if (again === undefined) this.#nextPage += pages;
    this.memory.u8.fill(0, gpa, gpa + pages * PAGE_BYTES);
    return gpa;
  }
  allocateUnzeroed(): number {
    return -1;
  }
  freePages(gpa: number, pages: number): void {
    for (let page = 0; page < pages; page += 1) this.#free.push(gpa + page * PAGE_BYTES);
  }
  charge(): void {}
  wallClockUs(): number {
    return Math.floor(this.clock.nowNs / 1000);
  }
  setWallClockUs(): never {
    throw new Error('the storage stack sets no clocks');
  }
  readonly userland = {
    addressBook: undefined,
    files: undefined,
    startDaemon: (): void => {},
    requestEnd: (): void => {},
    typed: (): void => {},
    addStartScript: (): void => {},
    addProgram: (): void => {},
    print: (text: string): void => {
      this.text += text;
    },
  };
  random(name: string): Random {
    return new Random(1, name);
  }
  addSysctl(name: string, read: () => string): void {
    this.sysctls.set(name, read);
  }
  addCommand(command: ShellCommand): void {
    this.commands.push(command);
  }
  addConfigHook(): void {}
  holdRootMount(): () => void {
    this.rootHolds += 1;
    return () => {
      this.rootHolds -= 1;
    };
  }
  panic(message: string): never {
    throw new Error(`guest panic: ${message}`);
  }

  /** Runs until nothing is left to do, or until `limitNs` of virtual time. */
  settle(limitNs = Infinity): void {
    while (this.events.nextDeadlineNs <= limitNs && this.events.runNext());
  }

  /** Runs a task to its end. */
  run<Result>(task: Task<Result>): Result {
    const results: Result[] = [];
    const body = function* (): Task {
      results.push(yield* task);
    };
    this.spawn('test', body);
    while (results.length === 0 && this.events.runNext());
    if (results.length === 0) throw new Error('the task never ended');
    return results[0]!;
  }

  get lines(): string[] {
    return this.text.split('\n').filter((line) => line !== '');
  }
}

interface Packet {
  readonly type: number;
  readonly transactionLo: number;
  readonly transactionHi: number;
  readonly payload: Uint8Array;
  readonly ranges: readonly PageRange[];
}

class PacketView implements GuestPacket, IncomingPacket {
  type = 0;
  flags = 1;
  transactionLo = 0;
  transactionHi = 0;
  readonly bytes = new Uint8Array(1024);
  readonly view = new DataView(this.bytes.buffer);
  readonly words = new Uint32Array(this.bytes.buffer);
  payloadStart = 16;
  payloadLength = 0;
  readonly ranges = {
    offsets: new Float64Array(64),
    lengths: new Float64Array(64),
    count: 0,
    rangeCount: 0,
    totalBytes: 0,
  };

  load(packet: Packet): void {
    this.type = packet.type;
    this.transactionLo = packet.transactionLo;
    this.transactionHi = packet.transactionHi;
    this.bytes.fill(0);
    this.bytes.set(packet.payload, 16);
    this.payloadLength = (packet.payload.length + 7) & ~7;
    const { ranges } = this;
    ranges.count = 0;
    ranges.rangeCount = packet.ranges.length;
    ranges.totalBytes = 0;
    for (const range of packet.ranges) {
      let left = range.length;
      for (let index = 0; left > 0; index += 1) {
        const skip = index === 0 ? range.offset : 0;
        const length = Math.min(PAGE_BYTES - skip, left);
        ranges.offsets[ranges.count] = memory.resolve(
          range.pfns[index]! * PAGE_BYTES + skip,
          length,
        );
        ranges.lengths[ranges.count] = length;
        ranges.count += 1;
        ranges.totalBytes += length;
        left -= length;
      }
    }
  }
}

/** Both ends of one channel. */
class Loop {
  readonly toHost: Packet[] = [];
  readonly toGuest: Packet[] = [];
  readonly host: OpenChannel;
  readonly guest: GuestChannel;
  #options: ChannelOpenOptions | undefined;
  #isDraining = false;
  readonly #kernel: BenchKernel;

  constructor(bench: BenchKernel, vsp: Vsp, id: number, index: number, subs: () => Loop[]) {
    this.#kernel = bench;
    const hostPacket = new PacketView();
    const guestPacket = new PacketView();
    const copy = (source: Uint8Array, start: number, length: number): Uint8Array =>
      source.slice(start, start + length);
    const toGuest = (packet: Packet): boolean => {
      this.toGuest.push(packet);
      this.#signalGuest();
      return true;
    };
    const toHost = (packet: Packet): boolean => {
      this.toHost.push(packet);
      vsp.signaled(this.host);
      return true;
    };
    const take = (queue: Packet[], view: PacketView): boolean => {
      const packet = queue.shift();
      if (packet !== undefined) view.load(packet);
      return packet !== undefined;
    };
    this.host = {
      channelId: id,
      subChannelIndex: index,
      targetVp: 0,
      userData: new Uint8Array(120),
      memory: bench.memory,
      vmbusVersion: 0x0004_0000,
      receive: () => take(this.toHost, hostPacket),
      packet: hostPacket,
      sendTransferPages: () => false,
      unreadBytes: 0,
      sendInBand: (source, start, length, transactionLo, transactionHi) =>
        toGuest({
          type: 6,
          transactionLo,
          transactionHi,
          payload: copy(source, start, length),
          ranges: [],
        }),
      sendCompletion: (source, start, length, transactionLo, transactionHi) =>
        toGuest({
          type: 0xb,
          transactionLo,
          transactionHi,
          payload: copy(source, start, length),
          ranges: [],
        }),
      gpadl: () => undefined,
    };
    const { offer } = vsp;
    this.guest = {
      offer: {
        interfaceId: offer.interfaceId,
        instanceId: offer.instanceId,
        channelId: id,
        subChannelIndex: index,
        flags: 0,
        mmioMegabytes: 0,
        userDefined: offer.userDefined,
        connectionId: id,
        monitorId: 0,
        isMonitored: false,
      },
      id,
      device: undefined,
      isOpen: true,
      isRevoked: false,
      processor: index,
      assignProcessor: () => {},
      open: (options) => this.#open(vsp, options),
      close: () => this.#close(vsp),
      *connectGpadl() {
        yield 0;
        return 0;
      },
      *disconnectGpadl() {},
      sendInBand: (source, start, length, transactionLo, transactionHi) =>
        toHost({
          type: 6,
          transactionLo,
          transactionHi,
          payload: copy(source, start, length),
          ranges: [],
        }),
      sendCompletion: () => false,
      sendGpaDirect: (ranges, source, start, length, transactionLo, transactionHi) =>
        toHost({
          type: 9,
          transactionLo,
          transactionHi,
          payload: copy(source, start, length),
          ranges: ranges.map((range) => ({
            length: range.length,
            offset: range.offset,
            pfns: Array.from(range.pfns),
          })),
        }),
      receive: () => take(this.toGuest, guestPacket),
      packet: guestPacket,
      *waitSubChannels(count, timeoutNs) {
        while (subs().length < count) yield* bench.tsleep(subs, Math.min(timeoutNs, 1e6));
        return subs()
          .slice(0, count)
          .map((sub) => sub.guest);
      },
    };
  }

  *#open(vsp: Vsp, options: ChannelOpenOptions): Task<number> {
    yield 1000;
    this.#options = options;
    return vsp.open(this.host);
  }

  *#close(vsp: Vsp): Task {
    yield 1000;
    vsp.close(this.host);
  }

  #signalGuest(): void {
    const options = this.#options;
    if (options === undefined || this.#isDraining) return;
    this.#isDraining = true;
    this.#kernel.spawn('hvevent', () => this.#drain(options));
  }

  *#drain(options: ChannelOpenOptions): Task {
    yield 1000;
    this.#isDraining = false;
    yield* options.onEvent(this.guest);
  }
}

export interface ControllerSetup {
  readonly profile: StorvscProfile;
  readonly kind?: StorvscKind;
  readonly luns?: readonly { readonly address: LunAddress; readonly unit: LogicalUnit }[];
  readonly vmbusVersion?: number;
}

/** A guest with CAM and storvsc. */
export class Bench {
  readonly kernel: BenchKernel;
  readonly cam: Cam;
  readonly #driver: GuestDriver;
  #nextId = 10;
  #units = 0;

  constructor(switches: Partial<Switches> = {}, processorCount = 1) {
    this.kernel = new BenchKernel(switches, processorCount);
    this.cam = new Cam(this.kernel);
    this.#driver = storvscDriver(() => this.cam);
  }

  /** Adds a controller and attaches the driver to it. */
  plug(setup: ControllerSetup): { vsp: Vsp; device: GuestDevice; driver: GuestDriver } {
    const { kernel } = this;
    const unit = this.#units;
    this.#units += 1;
    const vsp = new Vsp({
      kind: setup.kind ?? {
        type: 'scsi',
        instanceId: `ba6163d9-04a1-4d29-b605-72e2ffb1dc${String(unit).padStart(2, '0')}`,
      },
      order: unit,
      events: kernel.events,
      clock: kernel.clock,
      trace: kernel.trace,
      memory: kernel.memory,
      profile: setup.profile,
      luns: setup.luns ?? [],
    });
    const subs: Loop[] = [];
    const newLoop = (index: number): Loop => {
      this.#nextId += 1;
      return new Loop(kernel, vsp, this.#nextId, index, () => subs);
    };
    vsp.attached({
      offerSubChannels: (count) => {
        for (let index = 1; index <= count; index += 1) subs.push(newLoop(index));
        return count;
      },
      rescind: () => {},
    });
    const primary = newLoop(0);
    const device: GuestDevice = {
      driverName: 'storvsc',
      unit,
      name: `storvsc${unit}`,
      channel: primary.guest,
      kernel,
      vmbusVersion: setup.vmbusVersion ?? 0x0004_0000,
      softState: undefined,
      sibling: () => undefined,
      createQueue: () => {
        throw new Error('storvsc has no work queue');
      },
    };
    const driver = this.#driver;
    kernel.spawn('attach', function* (): Task {
      yield* driver.attach(device);
    });
    return { vsp, device, driver };
  }
}
