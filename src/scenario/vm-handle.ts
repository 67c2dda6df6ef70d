import { InputError } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import { describeEnding, type Ending } from '../machine/endings.ts';
import type { Machine } from '../machine/machine.ts';
import type { MachineSettings } from '../machine/config.ts';
import type { HostName } from '../machine/profiles.ts';
import { takePoint, type SnapshotPoint } from '../machine/snapshot/restore.ts';
import { BootWatch, type Phase, PHASES } from '../machine/watch.ts';
import type { VirtualSwitch } from '../net/switch.ts';
import type { BlockDevice } from '../storage/block.ts';
import type {
  Caller,
  DiskHandle,
  DiskSpec,
  Duration,
  FloppySpec,
  GuestCrash,
  Halt,
  HaltReason,
  NetworkAdapter,
  Pattern,
  TestDevice,
  TestDeviceOptions,
  Vm,
  VmExport,
  VmSettings,
  VmSnapshot,
  VmState,
  WaitOptions,
} from './api.ts';
import { ConsoleHandle } from './console-handle.ts';
import { FloppyHandle } from './floppy-handle.ts';
import { AdapterControl, DiskControl, IntegrationHandle } from './host-handles.ts';
import { KeyboardHandle, MouseHandle, ScreenHandle, type Screenshot } from './input-handles.ts';
import { VmManager } from './management.ts';
import type { Pump, WaitSpec } from './pump.ts';
import type { MachineRecord } from './record.ts';
import { TestDeviceHandle, type TestDriver } from './test-device.ts';
import { durationNs, withinNs } from './values.ts';
import { VmbusHandle } from './vmbus-control.ts';
import type { WorldMachine } from './world.ts';

const LAST_LINES = 12;

export interface VmOptions {
  readonly entry: WorldMachine;
  readonly host: HostName;
  readonly guest: string;
  readonly pump: Pump;
  readonly testDriver: TestDriver;
  readonly random: Random;
  readonly openDisk: (spec: DiskSpec) => BlockDevice;
  readonly openFloppy: (spec: FloppySpec) => BlockDevice;
  readonly buildSettings: (settings: VmSettings) => MachineSettings;
  /** The scenario's switches, by name. */
  readonly switches: ReadonlyMap<string, VirtualSwitch>;
  readonly seed: bigint;
  /** Makes a machine of the same configuration and takes it there. */
  readonly fork: (point: SnapshotPoint, unread: string) => Vm;
}

/** A machine as its script sees it. */
export class VmHandle implements Vm {
  readonly name: string;
  readonly host: HostName;
  readonly machine: Machine;
  readonly console: ConsoleHandle;
  readonly screen: ScreenHandle;
  readonly keyboard: KeyboardHandle;
  readonly mouse: MouseHandle;
  readonly vmbus: VmbusHandle;
  readonly integration: IntegrationHandle;
  readonly floppy: FloppyHandle;
  #nics: readonly AdapterControl[] = [];
  readonly #manager: VmManager;
  readonly time: { readonly ns: number; readonly seconds: number };
  readonly #options: VmOptions;
  readonly #disks: DiskControl[] = [];
  /** Disks that the script added, by LUN: plugged in again in the next power cycle. */
  readonly #added = new Map<number, BlockDevice>();
  readonly #replugs: (() => void)[] = [];
  readonly #testDevices: TestDeviceHandle[] = [];
  readonly #screenshots: Screenshot[] = [];
  /** Asked again whenever the watch has heard something. */
  readonly #watchers = new Set<() => void>();
  #watch!: BootWatch;

  constructor(options: VmOptions) {
    const { entry, pump } = options;
    const { machine, name } = entry;
    this.#options = options;
    this.name = name;
    this.host = options.host;
    this.machine = machine;
    const owner = { machine, pump, vm: name };
    this.console = new ConsoleHandle(machine, pump, name);
    this.screen = new ScreenHandle(owner, (screenshot) => this.#screenshots.push(screenshot));
    this.keyboard = new KeyboardHandle(owner);
    this.mouse = new MouseHandle(owner);
    this.vmbus = new VmbusHandle(machine, pump, name);
    this.integration = new IntegrationHandle(owner);
    this.floppy = new FloppyHandle(machine, options.openFloppy);
    this.#manager = new VmManager(name, machine);
    this.#seeHardware();
    this.time = {
      get ns() {
        return pump.nowNs;
      },
      get seconds() {
        return pump.nowNs / 1e9;
      },
    };
    this.#watchBoot();
    machine.onPowerCycle = () => this.#powerCycled();
  }

  /** Handles of the disks and adapters that the machine is configured with now. */
  #seeHardware(): void {
    const { machine } = this;
    const { random, switches, pump } = this.#options;
    const owner = { machine, pump, vm: this.name };
    this.#disks.length = 0;
    for (const [index] of machine.board.disks.entries()) {
      this.#disks.push(new DiskControl(owner, () => machine.board.disks[index]));
    }
    this.#nics = machine.network.ports.map(
      (_, index) => new AdapterControl(owner, index, random.split(`link ${index}`), switches),
    );
  }

  get nics(): readonly NetworkAdapter[] {
    return this.#nics;
  }

  get state(): VmState {
    if (this.machine.isSuspended) return 'saved';
    if (!this.machine.isOn) return 'off';
    return this.machine.isPaused ? 'paused' : 'running';
  }

  configure(settings: VmSettings): Promise<void> {
    if (this.state !== 'off') {
      throw new InputError(
        this.name,
        `is ${this.state}: its settings can be changed while it is off`,
      );
    }
    this.#reconfigure(() => this.machine.reconfigure(this.#options.buildSettings(settings)));
    return Promise.resolve();
  }

  #reconfigure(change: () => void): void {
    this.machine.inputs.passBy('a change of its settings');
    change();
    this.#seeHardware();
  }

  get checkpoints(): readonly string[] {
    return this.#manager.checkpoints;
  }

  checkpoint(name: string): Promise<void> {
    this.#reconfigure(() => this.#manager.take(name));
    return Promise.resolve();
  }

  applyCheckpoint(name: string): Promise<void> {
    this.#reconfigure(() => this.#manager.apply(name));
    return Promise.resolve();
  }

  deleteCheckpoint(name: string): Promise<void> {
    this.#manager.delete(name);
    return Promise.resolve();
  }

  export(): Promise<VmExport> {
    let exported: VmExport | undefined;
    this.#reconfigure(() => {
      exported = this.#manager.export();
    });
    return Promise.resolve(exported!);
  }

  import(exported: VmExport): Promise<void> {
    this.#reconfigure(() => this.#manager.import(exported, this.#options.seed));
    return Promise.resolve();
  }

  save(): Promise<void> {
    if (this.state !== 'running') throw new InputError(this.name, `is ${this.state}: not saved`);
    this.machine.inputs.passBy('it was saved');
    this.machine.suspend();
    return Promise.resolve();
  }

  wake(options: { readonly after?: Duration; readonly host?: HostName } = {}): Promise<void> {
    if (this.state !== 'saved') throw new InputError(this.name, `is ${this.state}, and not saved`);
    const { after = '0s', host } = options;
    this.machine.wake(durationNs('after', after), host === undefined ? {} : { host });
    this.vmbus.powerCycled();
    for (const replug of this.#replugs) replug();
    for (const disk of this.#disks) disk.powerCycled();
    return Promise.resolve();
  }

  snapshot(): Promise<VmSnapshot> {
    const { state } = this;
    if (state !== 'running' && state !== 'paused') {
      throw new InputError(this.name, `is ${state}: a snapshot is of a machine that is on`);
    }
    const point = takePoint(this.machine);
    const { unread } = this.console;
    return Promise.resolve({
      ns: point.position.timeNs,
      digest: point.digest,
      fork: async () => this.#options.fork(point, unread),
    });
  }

  async fork(): Promise<Vm> {
    return (await this.snapshot()).fork();
  }

  get generation(): 1 | 2 {
    return this.machine.generation;
  }

  get disks(): readonly DiskHandle[] {
    return this.#disks;
  }

  get digest(): string {
    return this.machine.trace.digest;
  }

  get internals(): unknown {
    return this.machine;
  }

  powerOn(): Promise<void> {
    if (this.machine.isOn) throw new InputError(this.name, 'is on already');
    this.#options.entry.startsByItself = false;
    // A machine that was on before begins a new power cycle.
    if (this.machine.ending === undefined) {
      if (this.machine.clock.nowNs > 0) this.machine.inputs.passBy('a late power-on');
      this.machine.powerOn();
    } else this.machine.enter({ kind: 'reset' });
    return Promise.resolve();
  }

  run(time: Duration): Promise<void> {
    const what = `${time} to pass`;
    return this.#wait<void>({ what, withinNs: durationNs('time', time), isTime: true });
  }

  after(time: Duration, action: () => void): void {
    this.machine.inputs.passBy('an action of the script');
    this.machine.after(durationNs('time', time), action);
  }

  until(
    question: () => boolean,
    options: WaitOptions & { readonly what?: string } = {},
  ): Promise<void> {
    const { what = 'a question to be answered yes' } = options;
    const poll = (): true | undefined => (question() ? true : undefined);
    return this.#wait({ what, withinNs: withinNs(options), poll, pollNs: 0 }).then(() => undefined);
  }

  phase(name: Phase, options?: WaitOptions): Promise<void> {
    if (!PHASES.includes(name)) {
      throw new InputError('phase', `no phase is called "${name}"; there are ${PHASES.join(', ')}`);
    }
    return this.#seen(`phase ${name}`, options, () => this.#watch.phases.has(name) || undefined);
  }

  boot(options?: WaitOptions): Promise<void> {
    return this.console.prompt(options, new Error('boot'));
  }

  device(name: string, options?: WaitOptions): Promise<void> {
    return this.#seen(
      `device ${name}`,
      options,
      () => this.#watch.devices.includes(name) || undefined,
    );
  }

  disk(
    name: string,
    options?: WaitOptions,
  ): Promise<{ readonly bytes: number; readonly lun: number }> {
    return this.#seen(`disk ${name}`, options, () =>
      this.#watch.disks.find((disk) => disk.name === name),
    );
  }

  crash(options?: WaitOptions): Promise<GuestCrash> {
    return this.#wait<GuestCrash>({
      what: 'a crash of the guest',
      withinNs: withinNs(options),
      onEnd: (ending) =>
        ending.kind === 'guest-crash'
          ? { message: ending.message, parameters: ending.parameters }
          : undefined,
    });
  }

  halt(options?: WaitOptions): Promise<Halt> {
    return this.#wait<Halt>({
      what: 'the machine to stop',
      withinNs: withinNs(options),
      onEnd: (ending: Ending) => ({
        reason: ending.kind as HaltReason,
        text: describeEnding(ending),
      }),
    });
  }

  /** Fails the run as soon as the console shows something. @returns ends that */
  forbid(pattern: Pattern, message: string): () => void {
    return this.console.forbid(pattern, () => this.#options.pump.fail({ kind: 'never' }, message));
  }

  reset(): Promise<void> {
    this.#options.entry.startsByItself = false;
    this.machine.enter({ kind: 'reset' });
    return Promise.resolve();
  }

  powerOff(): Promise<void> {
    this.machine.enter({ kind: 'turn-off' });
    return Promise.resolve();
  }

  pause(): Promise<void> {
    this.machine.enter({ kind: 'pause', isPaused: true });
    return Promise.resolve();
  }

  resume(): Promise<void> {
    this.machine.enter({ kind: 'pause', isPaused: false });
    return Promise.resolve();
  }

  nmi(cpu = 0, { as: caller = 'administrator' }: { readonly as?: Caller } = {}): Promise<void> {
    // Whoever has no rights does not even learn that the machine is there.
    if (caller !== 'administrator') throw new InputError(this.name, 'there is no such machine');
    const { state } = this;
    if (state !== 'running') throw new InputError(this.name, `is ${state}: it takes no NMI`);
    const count = this.machine.board.partition.processors.length;
    if (!(Number.isInteger(cpu) && cpu >= 0 && cpu < count)) {
      throw new InputError(this.name, `has no processor ${cpu}, but 0 to ${count - 1}`);
    }
    this.machine.enter({ kind: 'nmi', processor: cpu });
    return Promise.resolve();
  }

  addDisk(spec: DiskSpec, options: { readonly lun?: number } = {}): Promise<DiskHandle> {
    const { machine } = this;
    machine.inputs.passBy('a disk that was added');
    const lun = options.lun ?? this.#freeLun();
    const block = this.#options.openDisk(spec);
    this.#added.set(lun, block);
    let plugged = machine.board.addDisk(block, lun);
    const replug = (): void => {
      if (this.#added.get(lun) === block) plugged = machine.board.addDisk(block, lun);
    };
    this.#replugs.push(replug);
    const owner = { machine, pump: this.#options.pump, vm: this.name };
    const handle = new DiskControl(owner, () =>
      this.#added.get(lun) === block ? plugged : undefined,
    );
    handle.onRemove = () => this.#added.delete(lun);
    this.#disks.push(handle);
    return Promise.resolve(handle);
  }

  addTestDevice(options: TestDeviceOptions = {}): TestDevice {
    const { order = this.#testDevices.length, offered = true } = options;
    this.machine.inputs.passBy('a test device');
    const handle = new TestDeviceHandle(order, options, () => this.machine.board.vmbus);
    this.#testDevices.push(handle);
    this.#options.testDriver.add(handle);
    if (offered) handle.offer();
    return handle;
  }

  /** What is known of the machine now. */
  record(): MachineRecord {
    const { machine } = this;
    const { ending } = machine;
    return {
      name: this.name,
      generation: this.generation,
      host: this.host,
      guest: this.#options.guest,
      lastPhase: this.#watch.lastPhase,
      phases: this.#watch.phases,
      console: this.console.text,
      lastLines: machine.console.lastLines(LAST_LINES),
      channels: this.vmbus.channels,
      ending: ending === undefined ? undefined : describeEnding(ending),
      screenshots: this.#screenshots,
    };
  }

  #wait<T>(spec: Omit<WaitSpec<T>, 'vm'>): Promise<T> {
    return this.#options.pump.wait<T>({ vm: this.name, ...spec }, new Error(spec.what));
  }

  /** Waits for something that the boot's watch hears of. */
  #seen<T>(
    what: string,
    options: WaitOptions | undefined,
    question: () => T | undefined,
  ): Promise<T extends true ? void : T> {
    return this.#wait<T>({
      what,
      withinNs: withinNs(options),
      start: (settle) => {
        const look = (): void => {
          const value = question();
          if (value !== undefined) settle(value);
        };
        this.#watchers.add(look);
        look();
        return () => this.#watchers.delete(look);
      },
    }) as Promise<T extends true ? void : T>;
  }

  #watchBoot(): void {
    const heard = (): void => {
      for (const look of this.#watchers) look();
    };
    this.#watch = new BootWatch(this.machine.trace, { phase: heard, device: heard, disk: heard });
  }

  #powerCycled(): void {
    this.#watch.close();
    this.#watchBoot();
    this.console.powerCycled();
    this.vmbus.powerCycled();
    for (const replug of this.#replugs) replug();
    for (const disk of this.#disks) disk.powerCycled();
    for (const device of this.#testDevices) device.powerCycled();
  }

  #freeLun(): number {
    const { scsi } = this.machine.board;
    for (let lun = 0; ; lun += 1) {
      if (scsi.unitAt({ target: 0, lun }) === undefined) return lun;
    }
  }
}
