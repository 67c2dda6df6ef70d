import { sharedDefaultDisk } from '../boot/default-disk.ts';
import { powerOn } from '../boot/power-on.ts';
import { VirtualClock } from '../core/clock.ts';
import { InputError } from '../core/errors.ts';
import { EventGroup } from '../core/event-group.ts';
import { EventQueue, type EventHandle } from '../core/events.ts';
import type { GuestMemory } from '../core/memory.ts';
import { Random } from '../core/random.ts';
import { StateError, type StateStream } from '../core/state.ts';
import { Trace } from '../core/trace.ts';
import type { ModelGuest } from '../guest/model.ts';
import type { NetworkStack } from '../guest/network.ts';
import type { StorageStack } from '../guest/storage.ts';
import { guestEnd, guestPanic, guestStageStopped } from '../guest/trace.ts';
import type { Halves } from '../hypervisor/partition.ts';
import type { PartitionProcessor } from '../hypervisor/virtual-processor.ts';
import { x86Cpuid } from '../hypervisor/x86-cpuid.ts';
import { DeliveryMode } from '../hypervisor/spec/apic.ts';
import type { BlockDevice } from '../storage/block.ts';
import { OverlayDevice } from '../storage/overlay.ts';
import { VariableStore } from '../uefi/variables.ts';
import { allocateMemory, recycleMemory } from './allocate-memory.ts';
import { Board } from './board.ts';
import { boardEndings } from './board-endings.ts';
import { checkSavable, describeGuest, type MachineConfig, type MachineSettings } from './config.ts';
import { ConsoleLine } from './console.ts';
import { crashWords, panicLine } from './crash-text.ts';
import type { Ending } from './endings.ts';
import { buildModelGuest, type Guest, type ModelStack, tellBootDisk } from './guest.ts';
import { checkFloppy } from './floppy-medium.ts';
import { firmwareDisks, firmwareOptions } from './firmware-options.ts';
import { TSC_HZ } from './layout.ts';
import { InputLog, type HostInput, type InputDone } from './inputs.ts';
import { MachineNetwork, plainAdapters } from './network.ts';
import { HOST_PROFILES } from './profiles.ts';
import { RunLoop } from './run-loop.ts';
import { Screen } from './screen.ts';
import { boardSections, isNoDisk, section } from './snapshot/board-sections.ts';
import {
  restoreSections,
  saveSections,
  type SavedSection,
  type StateSection,
} from './snapshot/sections.ts';
import {
  configurationEvent,
  consoleEvent,
  crashEvent,
  powerOffEvent,
  resetEvent,
  tripleFaultEvent,
} from './trace.ts';
import { buildX86Guest } from './x86-guest.ts';

export type { MachineConfig, World } from './config.ts';

const NEWLINE = 0x0a;
/** `kind` of `guestEnd`. */
const GUEST_HALTED = 0;
/** What its devices still do for a guest that has halted; the host's own timers go on for ever. */
const HALT_SETTLE_NS = 20_000_000;

/**
 * A virtual machine. `powerOn` runs the firmware; `run` takes it forward in virtual time. The same
 * configuration, seed and disks give the same run, event for event: compare `trace.digest`.
 */
export class Machine {
  readonly generation: 1 | 2;
  readonly clock: VirtualClock;
  /** The whole run's; a power cycle forgets only what the board has in it. */
  readonly events: EventQueue;
  readonly trace: Trace;
  readonly console = new ConsoleLine();
  /** What came in from outside. */
  readonly inputs = new InputLog();
  #memory: GuestMemory;
  #config: MachineConfig;
  #disks: readonly BlockDevice[];
  readonly #random: Random;
  readonly #variables = new VariableStore();
  readonly #network: MachineNetwork;
  readonly #boardEvents: EventQueue;
  #board!: Board;
  #screen!: Screen;
  #guest!: Guest;
  #loop!: RunLoop;
  /** What the guest sees of its processors; a board that takes another's place fills it anew. */
  readonly #guestProcessors: PartitionProcessor[] = [];
  /** Hears of every new board, before its firmware runs. */
  onPowerCycle: (() => void) | undefined;
  #powerCycles = 0;
  #isOn = false;
  #isDiscarded = false;
  #suspended: SavedSection[] | undefined;
  #ending: Ending | undefined;
  #isResetPending = false;
  #panicMessage = '';
  /** What the guest has printed of its present line. */
  #line = '';
  #haltEvent: EventHandle | undefined;
  #startEvent: EventHandle | undefined;

  constructor(config: MachineConfig) {
    this.generation = config.generation;
    this.#config = config;
    this.clock = config.world?.clock ?? new VirtualClock();
    this.events = config.world?.events ?? new EventQueue(this.clock);
    this.trace = new Trace(this.clock);
    this.#boardEvents = new EventGroup(this.clock, this.events);
    this.#random = new Random(config.seed);
    const { disks, dvds = [], x86 } = config;
    const hasOwn = disks.length + dvds.length > 0 || x86 !== undefined;
    this.#disks = hasOwn ? disks : [new OverlayDevice(sharedDefaultDisk(config.generation))];
    this.#memory = allocateMemory(config);
    this.trace.subscribe((_, type, values, text) => {
      if (type === guestStageStopped) this.#end({ kind: 'stage-stopped', stage: text });
      else if (type === guestPanic) this.#panicMessage = text;
      else if (type === guestEnd && values[0] === GUEST_HALTED) this.#guestHalted();
    });
    this.console.listen((byte) => {
      if (byte !== NEWLINE) {
        this.#line += String.fromCharCode(byte);
        return;
      }
      this.trace.emitText(consoleEvent, this.#line);
      this.#line = '';
    });
    const adapters =
      config.adapters ?? plainAdapters(config.networkAdapters, config.legacyAdapters);
    const { clock, events, trace } = this;
    this.#network = new MachineNetwork({ adapters, clock, events, trace, name: 'adapter' });
    this.#plugIn();
  }

  get memory(): GuestMemory {
    this.#mustBeThere();
    return this.#memory;
  }

  /** Whatever still holds a machine that is gone may not reach the memory, which another one may have. */
  #mustBeThere(): void {
    if (!this.#isDiscarded) return;
    throw new InputError('machine', 'its run is over: it was discarded, and its memory with it');
  }

  /**
   * Nobody will ask anything of the machine any more: the next one may have its memory. What it has said
   * already, its trace and its counters stay.
   */
  discard(): void {
    if (!this.#isDiscarded) recycleMemory(this.#memory);
    this.#isDiscarded = true;
    this.#end({ kind: 'power-off' });
  }

  get board(): Board {
    this.#mustBeThere();
    return this.#board;
  }

  /** The monitor: its picture, and the text on it. */
  get screen(): Screen {
    this.#mustBeThere();
    return this.#screen;
  }

  /** The model guest; only a machine that runs one may be asked. */
  get guest(): ModelGuest {
    return this.#model.guest;
  }

  get #model(): ModelStack {
    this.#mustBeThere();
    const { model } = this.#guest;
    if (model === undefined) throw new Error('an unmodified system shows nothing of its inside');
    return model;
  }

  /** Switch ports of the adapters, and the machine's own switch. */
  get network(): MachineNetwork {
    return this.#network;
  }

  /** The network stack of the model guest's kernel, for inspection. */
  get guestNetwork(): NetworkStack {
    return this.#model.network;
  }

  /** CAM and GEOM of the model guest's kernel, for inspection. */
  get storage(): StorageStack {
    return this.#model.storage;
  }

  /** Runs the firmware. @returns why the machine stopped, or undefined: call `run` */
  powerOn(): Ending | undefined {
    const { generation, memoryBytes, processors, seed } = this.#config;
    this.trace.emitText(
      configurationEvent,
      describeGuest(this.#config),
      generation,
      memoryBytes,
      processors,
      Number(BigInt.asUintN(32, seed)),
      Number(BigInt.asUintN(32, seed >> 32n)),
    );
    this.#bootFirmware();
    return this.#ending;
  }

  /**
   * Takes the machine forward to a point of virtual time, or so many turns of its run loop.
   * @returns why it stopped for good or for lack of time; undefined: call again
   */
  run(deadlineNs: number, maxSteps = Infinity): Ending | undefined {
    if (this.#ending !== undefined) return this.#ending;
    if (this.#suspended !== undefined) return { kind: 'idle' };
    const pause = this.#loop.run(deadlineNs, maxSteps);
    if (this.settle() || this.#ending !== undefined) return this.#ending;
    if (pause === 'deadline') return { kind: 'virtual-time', limitNs: deadlineNs };
    return pause === 'idle' ? { kind: 'idle' } : undefined;
  }

  /** When a processor wants to run next; Infinity while all wait, and once the machine stopped. */
  get nextWakeNs(): number {
    const isStopped = this.#ending !== undefined || this.#suspended !== undefined;
    return isStopped ? Infinity : this.#loop.nextWakeNs;
  }

  /** Does what has to wait until nothing of the machine runs. @returns whether there was any */
  settle(): boolean {
    if (!this.#isResetPending) return false;
    this.#reset();
    return true;
  }

  /** Why the machine stopped for good, if it has. */
  get ending(): Ending | undefined {
    return this.#ending;
  }

  /**
   * Takes the machine forward until something has come true, which is looked at after every turn.
   * @returns whether it did by `deadlineNs` and before the machine ended
   */
  runUntil(isReached: () => boolean, deadlineNs: number): boolean {
    while (!isReached()) {
      if (this.run(deadlineNs, 1) !== undefined) return isReached();
    }
    return true;
  }

  /** Lets virtual time pass, or as much of it as there is before the machine stops. */
  runFor(timeNs: number): void {
    const endNs = this.clock.nowNs + timeNs;
    while (this.run(endNs) === undefined);
  }

  /** The host's "Reset": a new power cycle, whatever the guest is at. @returns as `powerOn` does */
  reset(): Ending | undefined {
    this.#mustBeThere();
    this.trace.emit(resetEvent);
    this.#ending = undefined;
    this.#reset();
    return this.#ending;
  }

  /** Lets something in from outside, now, and keeps it. Between two turns only. */
  enter(input: HostInput, done?: InputDone): void {
    if (this.#isDiscarded) return;
    this.inputs.enter(this, input, done);
  }

  /** How many turns were taken as the clock stands now; with its time, a point of the run. */
  get turns(): number {
    return this.#loop.turns;
  }

  /**
   * Saves the state of every part, between two turns.
   * @throws StateError when something cannot be saved, and says what
   */
  save(): SavedSection[] {
    checkSavable(this.#config, this.#network.isAlone);
    if (this.isSuspended) throw new StateError('a saved machine cannot be saved again');
    return saveSections(this.#sections(), this.events);
  }

  /**
   * Puts a new board in the place of the present one and gives it, and the rest of the machine, the
   * state of a snapshot. A guest whose state is not in it stays as it is, and goes on from there.
   */
  restore(saved: readonly SavedSection[]): void {
    checkSavable(this.#config, this.#network.isAlone);
    this.#mustBeThere();
    this.#ending = undefined;
    this.#takeState(saved);
  }

  #takeState(saved: readonly SavedSection[], isTaken: typeof isNoDisk = () => true): void {
    this.events.clear();
    this.#buildBoard();
    if (this.isGuestSaved) this.#buildGuest();
    this.#buildLoop();
    restoreSections(this.#sections().filter(isTaken), saved, this.events);
  }

  /** Whether `restore` brings back the guest too. */
  get isGuestSaved(): boolean {
    return this.#guest.model === undefined;
  }

  /** In the order of restoring: guest memory comes after all that writes to it. */
  #sections(): StateSection[] {
    return [
      section('clock', this.clock),
      section('machine', { exchange: (state) => this.#exchange(state) }),
      section('run loop', this.#loop),
      section('console', this.console),
      section('variables', this.#variables),
      section('network', this.#network),
      ...boardSections(this.#board),
      section('guest', this.#guest.state),
      section('memory', this.memory),
      section('trace', this.trace),
    ];
  }

  #exchange(state: StateStream): void {
    this.#powerCycles = state.number('powerCycles', this.#powerCycles);
    this.#ending = state.data('ending', this.#ending);
    this.#isOn = state.flag('isOn', this.#isOn);
    this.isPaused = state.flag('isPaused', this.isPaused);
    this.#isResetPending = state.flag('isResetPending', this.#isResetPending);
    this.#panicMessage = state.text('panicMessage', this.#panicMessage);
    this.#line = state.text('line', this.#line);
    this.#haltEvent = state.event('halt', this.#haltEvent, this.#haltSettled);
    this.#startEvent = state.event('start', this.#startEvent, this.#start);
  }

  /** The host's "Save": the machine stands still until `wake`. */
  suspend(): void {
    checkSavable(this.#config, this.#network.isAlone);
    this.#suspended = saveSections(this.#sections().filter(isNoDisk), this.events);
    this.#loop.stop();
  }

  get isSuspended(): boolean {
    return this.#suspended !== undefined;
  }

  /**
   * Starts from the saved state, on a new board: what the guest counts goes on as if no time had
   * passed, and the host's clock is so much later, of which it tells the guest.
   * @param settings of the host that it is started on
   */
  wake(elapsedNs: number, settings: Pick<MachineSettings, 'host' | 'hostProfile'> = {}): void {
    const saved = this.#suspended;
    if (saved === undefined) throw new InputError('machine', 'is not saved');
    this.#suspended = undefined;
    this.#config = { ...this.#config, ...settings };
    this.#takeState(saved, isNoDisk);
    const { timeSync } = this.#board.integration;
    timeSync.hostOffsetNs += elapsedNs;
    timeSync.sendTime('sync');
  }

  /** The board that the next power-on would have, for a machine that has ended. */
  plugInAgain(): void {
    this.#plugIn();
  }

  /** As they are now; disks that nobody named are among them. */
  get settings(): MachineSettings & Pick<MachineConfig, 'host'> {
    return { ...this.#config, disks: this.#disks };
  }

  /** Changes settings of a machine that is off; the next power-on is by them. */
  reconfigure(settings: MachineSettings): void {
    this.#mustBeThere();
    if (this.isOn || this.isSuspended) {
      throw new InputError('machine', 'is on: its settings can be changed while it is off');
    }
    if (settings.floppy !== undefined) checkFloppy(settings.floppy, this.generation);
    this.#config = { ...this.#config, ...settings };
    if (settings.disks !== undefined) this.#disks = settings.disks;
    const isResized = ['memoryBytes', 'lowGapBytes', 'processors'].some((key) => key in settings);
    if (isResized) this.#memory = allocateMemory(this.#config);
    if (settings.adapters !== undefined) this.#network.replace(settings.adapters);
    // A machine that was on before gets its board when it is powered on again, or is asked to.
    if (!this.#isOn) this.#plugIn();
  }

  /** Puts a diskette into drive A:, or takes out what is in it; power cycles leave it there. */
  changeFloppy(block: BlockDevice | undefined): void {
    if (block !== undefined) checkFloppy(block, this.generation);
    this.#config = { ...this.#config, floppy: block };
    this.#board.chipset.floppy?.change(block);
  }

  /** Makes `run` return soon. */
  pause(): void {
    this.#loop.stop();
  }

  /** Whether it was powered on and has not ended since. */
  get isOn(): boolean {
    return this.#isOn && this.#ending === undefined && this.#suspended === undefined;
  }

  /** Has the host do something later; a power cycle forgets it. @param delayNs of virtual time */
  after(delayNs: number, action: () => void): void {
    this.#boardEvents.after(delayNs, action);
  }

  /** The host's "Turn Off": nothing of the guest runs any more. */
  turnOff(): void {
    this.#suspended = undefined;
    this.trace.emit(powerOffEvent);
    this.#end({ kind: 'power-off' });
  }

  /** The host's "Pause": processors stand still, while time and the host's events go on. */
  set isPaused(isPaused: boolean) {
    this.#loop.isFrozen = isPaused;
  }

  get isPaused(): boolean {
    return this.#loop.isFrozen;
  }

  /** Non-maskable interrupt to a processor, as `Debug-VM -InjectNonMaskableInterrupt` sends it. */
  injectNmi(processor: number): void {
    this.#board.partition.processors[processor]!.signal(DeliveryMode.nmi, 0);
  }

  #end(ending: Ending): void {
    this.#ending ??= ending;
    this.#loop.stop();
  }

  /** Nothing wakes the guest again, but what it printed last is still on its way. */
  #guestHalted(): void {
    this.#haltEvent = this.#boardEvents.after(HALT_SETTLE_NS, this.#haltSettled);
  }

  readonly #haltSettled = (): void => {
    // A guest without crash MSRs panics and halts: nothing else tells of it.
    const message = this.#panicMessage;
    if (message === '') this.#end({ kind: 'halted' });
    else this.#end({ kind: 'guest-crash', message, parameters: [] });
  };

  readonly #start = (): void => this.#loop.wake(0);

  /** Everything that a power cycle makes new. */
  #plugIn(): void {
    this.#boardEvents.clear();
    const former = this.#powerCycles > 0 ? this.board : undefined;
    // RAM under the old overlay pages comes back.
    former?.partition.reset();
    this.#powerCycles += 1;
    this.#buildBoard();
    // Who waits for the guest to be able to shut down waits for the next one too.
    this.#board.integration.shutdown.takeOver(former?.integration.shutdown);
    this.#buildGuest();
    this.#buildLoop();
    this.onPowerCycle?.();
  }

  #buildGuest(): void {
    const { generation, x86 } = this.#config;
    const options = {
      generation,
      processors: this.#guestProcessors,
      trace: this.trace,
      seed: this.#random.split(`guest ${this.#powerCycles}`),
    };
    this.#guest =
      x86 === undefined ? buildModelGuest(options, this.#config) : buildX86Guest(options, x86);
  }

  #buildBoard(): void {
    const { clock, trace, memory } = this;
    const { generation, host, processors, dvds, x86 } = this.#config;
    const events = this.#boardEvents;
    this.#board = new Board({
      generation,
      profile: { ...HOST_PROFILES[host], ...this.#config.hostProfile },
      processors,
      network: this.#network,
      disks: this.#disks,
      diskPlaces: this.#config.diskPlaces ?? [],
      dvds: dvds ?? [],
      hasEmptyDrive: this.#config.hasEmptyDrive ?? true,
      floppy: this.#config.floppy,
      clock,
      events,
      trace,
      memory,
      console: this.console,
      perturbation: this.#config.perturbation,
      ...(this.#config.hostName === undefined ? {} : { hostName: this.#config.hostName }),
      ...(x86 === undefined ? {} : { cpuid: x86Cpuid(TSC_HZ, processors) }),
      ...(x86?.debugExitPort === undefined ? {} : { debugExitPort: x86.debugExitPort }),
      host: {
        onInterruptPending: (processor) => this.#loop.wake(processor),
        onCrash: (processor, parameters, text) => this.#crash(processor, parameters, text),
        onTripleFault: (processor) => {
          trace.emit(tripleFaultEvent, processor);
          const registers = this.#guest.engines[processor]!.describe?.() ?? '';
          this.#end({ kind: 'triple-fault', processor, registers });
        },
        ...boardEndings(trace, (ending) => this.#end(ending)),
        onFlush: (processor) => this.#guest.engines[processor]!.flushTranslations?.(),
        onReset: () => {
          trace.emit(resetEvent);
          this.#isResetPending = true;
          this.#loop.stop();
        },
      },
    });
    this.#screen = new Screen({
      memory,
      display: this.#board.video.display,
      vga: this.#board.chipset.vga,
    });
    this.#guestProcessors.splice(0, Infinity, ...this.#board.partition.processors);
  }

  #buildLoop(): void {
    const { engines } = this.#guest;
    const { perturbation } = this.#config;
    this.#loop = new RunLoop({
      clock: this.clock,
      events: this.events,
      engines,
      lateNs: perturbation && (() => perturbation.delayNs('turn')),
      ...(this.#guest.quantumNs === undefined ? {} : { quantumNs: this.#guest.quantumNs }),
      onTurn: (processor, busyNs) => {
        this.#board.partition.processors[processor]!.runtimeNs += busyNs;
        this.#board.guestRan();
        const isOver = engines[processor]!.isDead === true && engines.every(({ isDead }) => isDead);
        if (!isOver) return;
        const halt = this.#haltEvent;
        if (halt === undefined || !this.#boardEvents.isPending(halt)) this.#guestHalted();
      },
    });
  }

  #reset(): void {
    this.#isResetPending = false;
    this.#panicMessage = '';
    this.#plugIn();
    this.#bootFirmware();
  }

  #bootFirmware(): void {
    this.#isOn = true;
    const { generation, processors, world } = this.#config;
    // The memory of a new machine is all zeros, which a frame buffer shows as black.
    if (generation === 1 || this.#powerCycles > 1) this.screen.clear();
    let firmwareNs = 0;
    const result = powerOn({
      generation,
      memory: this.memory,
      ...firmwareDisks(this.#board),
      trace: this.trace,
      advance: (ns) => {
        // Time that others live in does not jump: the guest begins so much later.
        if (world === undefined) this.clock.set(this.clock.nowNs + ns);
        else firmwareNs += ns;
      },
      warn: (message) => this.#config.warn?.(message),
      variables: this.#variables,
      processors,
      ...firmwareOptions(this.#config, this.#random),
    });
    if (result.kind === 'stopped') {
      this.#screen.print(`Boot failed:\n${result.reason}`);
      this.#end({ kind: 'boot-stopped', phase: result.phase, reason: result.reason });
      return;
    }
    tellBootDisk(this.#guest, result.device);
    for (const [index, engine] of this.#guest.engines.entries()) {
      engine.reset(index === 0 ? result.start : undefined);
    }
    if (firmwareNs === 0) this.#loop.wake(0);
    else this.#startEvent = this.#boardEvents.after(firmwareNs, this.#start);
  }

  /** @param text what the guest said of it by its crash registers, or nothing */
  #crash(processor: number, parameters: readonly Halves[], text: string): void {
    const words = crashWords(parameters);
    this.trace.emitText(crashEvent, words.join(' '), processor);
    const message = this.#panicMessage || panicLine(text);
    this.#end({ kind: 'guest-crash', message, parameters: words });
  }
}
