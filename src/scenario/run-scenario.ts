/** One run of one scenario: machines, body, and the record of what came of it. */
import { Random } from '../core/random.ts';
import { describeEnding } from '../machine/endings.ts';
import { Machine } from '../machine/machine.ts';
import { type Decisions, Perturbation } from '../machine/perturbation.ts';
import type { HostName } from '../machine/profiles.ts';
import { restoreSnapshot, type SnapshotPoint } from '../machine/snapshot/restore.ts';
import { Topology } from '../machine/topology.ts';
import type { VirtualSwitch } from '../net/switch.ts';
import type { BlockDevice } from '../storage/block.ts';
import type { SeededRandom, SingleTest, Step, TopologyTest, Vm, VmConfig } from './api.ts';
import {
  buildConfig,
  buildSettings,
  checkKeys,
  type BuiltConfig,
  type Overrides,
} from './build-machine.ts';
import { openDisk, openFloppy } from './disks.ts';
import {
  describeHostFailure,
  type HostFailure,
  NothingLeft,
  WaitError,
  type WaitFailure,
} from './errors.ts';
import { scriptExpect } from './expect.ts';
import { failureOf } from './failure.ts';
import { HostDisksHandle } from './host-handles.ts';
import { Pump } from './pump.ts';
import type { AwaitRecord, FailureRecord, NoteRecord, RunRecord, StepRecord } from './record.ts';
import type { ScenarioEntry } from './registry.ts';
import { TestDriver } from './test-device.ts';
import { durationNs } from './values.ts';
import { VmHandle, type VmOptions } from './vm-handle.ts';
import { type PumpWorld, SingleWorld, TopologyWorld, type WorldMachine } from './world.ts';

const DEFAULT_SEED = 1n;
const DEFAULT_WALL_LIMIT = '60s';
/** How often a body that is not at a machine's wait is looked at. */
const CHECK_INTERVAL_MS = 200;
/** The machine of a scenario that has one. */
const SINGLE_NAME = 'vm';

/** Hears a run, from before its first power-on. */
export interface RunObserver {
  /** Machines are there, and off. */
  begun?(machines: readonly VmHandle[]): void;
  /** The script has made another, which is off, and is about to go to where it goes on from. */
  forked?(machine: VmHandle): void;
  step?(step: StepRecord): void;
  /** @param site has the script's line in its stack */
  awaits?(wait: AwaitRecord, site: Error): void;
  /** Machines are as they were left, for the last time. */
  finished?(record: RunRecord): void;
}

export interface RunOptions {
  /** The script, as a path that the user knows. */
  readonly file: string;
  readonly seed?: bigint | undefined;
  readonly overrides?: Overrides;
  /** Which decisions of the seed's disturbance take effect; undefined: an undisturbed run. */
  readonly perturb?: Decisions | undefined;
  /** Over the scenario's own. */
  readonly wallLimitMs?: number | undefined;
  readonly warn?: (message: string) => void;
  readonly observer?: RunObserver | undefined;
  /** Why the user wants it to stop, if so. */
  readonly interrupted?: () => boolean;
  /** Takes a function that ends the run with an error from outside its body. */
  readonly onStray?: (end: (error: unknown) => void) => void;
  /** The words of the command that runs this again. */
  readonly replay?: (seed: bigint) => readonly string[];
}

function machinesOf(entry: ScenarioEntry): readonly VmConfig[] {
  return entry.kind === 'single' ? [entry.config] : Object.values(entry.config.machines);
}

/** Hosts that a scenario is meant for; undefined: all. */
export function declaredHosts(entry: ScenarioEntry): readonly HostName[] | undefined {
  const { hosts } = entry.config;
  if (hosts !== undefined) return hosts === 'all' ? undefined : hosts;
  const said = machinesOf(entry).flatMap(({ host }) => host ?? []);
  return said.length === 0 ? undefined : [...new Set(said)];
}

/** Whether a host without Generation 2 could not run it as it is declared. */
export function wantsGeneration2(entry: ScenarioEntry): boolean {
  return machinesOf(entry).some(({ generation }) => generation === 2);
}

export function seedOf({ config }: ScenarioEntry): bigint {
  return BigInt.asUintN(64, BigInt(config.seed ?? DEFAULT_SEED));
}

export function wallLimitMsOf({ config }: ScenarioEntry): number {
  return durationNs('wallLimit', config.wallLimit ?? DEFAULT_WALL_LIMIT) / 1e6;
}

function seededRandom(random: Random): SeededRandom {
  return {
    below: (bound) => random.below(bound),
    pick: (items) => items[random.below(items.length)]!,
    time: (from, to) => {
      const fromNs = durationNs('from', from);
      const toNs = durationNs('to', to);
      return `${fromNs + random.below(Math.max(1, toNs - fromNs + 1))}ns`;
    },
  };
}

/** Everything of one run that is taken down at its end. */
class ScenarioRun {
  readonly #entry: ScenarioEntry;
  readonly #options: RunOptions;
  readonly #seed: bigint;
  readonly #opened: BlockDevice[] = [];
  readonly #steps: StepRecord[] = [];
  readonly #openSteps: StepRecord[] = [];
  readonly #awaits: AwaitRecord[] = [];
  readonly #notes: NoteRecord[] = [];
  readonly #startedMs = performance.now();
  readonly #wallLimitMs: number;
  readonly #hostDisks: HostDisksHandle;
  readonly #perturbation: Perturbation | undefined;
  #vms: VmHandle[] = [];
  #world: PumpWorld | undefined;
  #pump: Pump | undefined;
  /** The first, and one for each fork. */
  readonly #pumps: Pump[] = [];

  constructor(entry: ScenarioEntry, options: RunOptions) {
    this.#entry = entry;
    this.#options = options;
    this.#seed = options.seed ?? seedOf(entry);
    this.#wallLimitMs = options.wallLimitMs ?? wallLimitMsOf(entry);
    this.#hostDisks = new HostDisksHandle(this.#seed);
    const { perturb } = options;
    this.#perturbation =
      perturb && new Perturbation(new Random(this.#seed, 'perturbation'), perturb);
  }

  async run(): Promise<RunRecord> {
    let failure: FailureRecord | undefined;
    try {
      const body = this.#prepare();
      this.#options.observer?.begun?.(this.#vms);
      await this.#limited(body);
      failure = this.#afterBody();
    } catch (error) {
      failure = this.#failure(error);
    } finally {
      for (const device of this.#opened) device.close();
    }
    const record = this.#record(failure);
    this.#options.observer?.finished?.(record);
    // The next run may have their memories, whatever the script still holds.
    for (const { machine } of this.#vms) machine.discard();
    return record;
  }

  /** @returns what runs the body */
  #prepare(): () => Promise<void> {
    const entry = this.#entry;
    if (entry.kind === 'single') {
      checkKeys(entry.name, entry.config, true);
      const vm = this.#single(entry.config);
      const test: SingleTest = { ...this.#tools(), vm };
      return async () => entry.body(test);
    }
    const vms = this.#several(entry.config.machines, entry.config.switches ?? []);
    const byName = Object.fromEntries(vms.map((vm) => [vm.name, vm as Vm]));
    const test: TopologyTest = {
      ...this.#tools(),
      vms: byName,
      run: (time) =>
        this.#pump!.wait<void>(
          { what: `${time} to pass`, withinNs: durationNs('time', time), isTime: true },
          new Error('run'),
        ),
    };
    return async () => entry.body(test);
  }

  /** @param name of the machine; forks have others */
  #single(config: VmConfig, name = SINGLE_NAME): VmHandle {
    const built = this.#config(SINGLE_NAME, config, this.#seed, new Map());
    const driver = new TestDriver();
    const machine = new Machine({ ...built, drivers: [driver], perturbation: this.#perturbation });
    const entry = this.#worldMachine(name, machine, config);
    const pump = this.#newPump(new SingleWorld(entry));
    const fork: VmOptions['fork'] = (point, unread) => this.#fork(config, point, unread);
    return this.#handle({ entry, built, testDriver: driver, switches: new Map(), pump, fork });
  }

  #fork(config: VmConfig, point: SnapshotPoint, unread: string): VmHandle {
    // Its handle hears what went before, as that of the first did.
    const vm = this.#single(
      { ...config, autoStart: false },
      `${SINGLE_NAME}-${this.#vms.length + 1}`,
    );
    this.#options.observer?.forked?.(vm);
    restoreSnapshot(vm.machine, point, vm.name);
    vm.console.unread = unread;
    return vm;
  }

  #several(
    machines: Readonly<Record<string, VmConfig>>,
    switchNames: readonly string[],
  ): readonly VmHandle[] {
    const topology = new Topology();
    const switches = new Map(
      switchNames.map((name): [string, VirtualSwitch] => [name, topology.createSwitch()]),
    );
    const seeds = new Random(this.#seed, 'machines');
    const made = Object.entries(machines).map(([name, config]) => {
      checkKeys(name, config, false);
      const seed = (BigInt(seeds.u32()) << 32n) | BigInt(seeds.u32());
      const built = this.#config(name, config, seed, switches);
      const driver = new TestDriver();
      const machine = topology.add({
        ...built,
        drivers: [driver],
        perturbation: this.#perturbation,
      });
      return { entry: this.#worldMachine(name, machine, config), built, driver };
    });
    const entries = made.map(({ entry }) => entry);
    const pump = this.#newPump(new TopologyWorld(topology, entries));
    const fork: VmOptions['fork'] = () => {
      throw new Error('no snapshot is taken of one of several machines');
    };
    for (const { entry, built, driver } of made) {
      this.#handle({ entry, built, testDriver: driver, switches, pump, fork });
    }
    return this.#vms;
  }

  #config(
    name: string,
    config: VmConfig,
    seed: bigint,
    switches: ReadonlyMap<string, VirtualSwitch>,
  ): BuiltConfig {
    return buildConfig(config, {
      name,
      file: this.#options.file,
      seed,
      switches,
      overrides: this.#options.overrides ?? {},
      warn: (message) => this.#options.warn?.(message),
      opened: this.#opened,
    });
  }

  #worldMachine(name: string, machine: Machine, { autoStart = true }: VmConfig): WorldMachine {
    return { name, machine, startsByItself: autoStart };
  }

  #handle(
    parts: Pick<VmOptions, 'entry' | 'testDriver' | 'switches' | 'pump' | 'fork'> & {
      readonly built: BuiltConfig;
    },
  ): VmHandle {
    const { built, ...options } = parts;
    const { entry, switches } = options;
    const owner = this.#entry.kind === 'single' ? SINGLE_NAME : entry.name;
    const diskOptions = {
      file: this.#options.file,
      owner,
      seed: built.seed,
      warn: (message: string): void => this.#options.warn?.(message),
      opened: this.#opened,
      series: 'added disk',
    };
    const vm = new VmHandle({
      ...options,
      host: built.host,
      guest: built.preset,
      random: new Random(built.seed, `host ${owner}`),
      openDisk: (spec) => openDisk(spec, built.generation, diskOptions),
      openFloppy: (spec) => openFloppy(spec, diskOptions),
      buildSettings: (settings) =>
        buildSettings(settings, built.generation, { ...diskOptions, switches }),
      seed: built.seed,
    });
    this.#vms.push(vm);
    return vm;
  }

  #newPump(world: PumpWorld): Pump {
    this.#world ??= world;
    const pump = new Pump({
      world,
      onWait: ({ what, vm, startNs, deadlineNs, site }) => {
        const wait = { what, vm, startNs, deadlineNs };
        this.#awaits.push(wait);
        this.#options.observer?.awaits?.(wait, site);
      },
      watchHost: () => this.#hostFailure(),
    });
    this.#pump ??= pump;
    this.#pumps.push(pump);
    return pump;
  }

  #hostFailure(): HostFailure | undefined {
    if (this.#options.interrupted?.() === true) return { kind: 'interrupted' };
    const spentMs = performance.now() - this.#startedMs;
    const limitMs = this.#wallLimitMs;
    return spentMs > limitMs ? { kind: 'wall-time', limitMs } : undefined;
  }

  #tools(): Omit<SingleTest, 'vm'> {
    return {
      step: this.#step,
      expect: scriptExpect(),
      random: seededRandom(new Random(this.#seed, 'script')),
      seed: this.#seed,
      hostDisks: this.#hostDisks,
      note: (label, value) => {
        this.#notes.push({ label, value });
      },
    };
  }

  readonly #step: Step = async (title, body) => {
    const step: StepRecord = {
      title,
      startNs: this.#pump!.nowNs,
      endNs: undefined,
      depth: this.#openSteps.length,
    };
    this.#steps.push(step);
    this.#openSteps.push(step);
    this.#options.observer?.step?.(step);
    const result = await body();
    step.endNs = this.#pump!.nowNs;
    this.#openSteps.splice(this.#openSteps.indexOf(step), 1);
    return result;
  };

  /** Runs the body, until something from outside ends it: real time, or an error in a callback. */
  async #limited(body: () => Promise<void>): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ended = new Promise<never>((_, reject) => {
      this.#options.onStray?.((error) => reject(this.#strayError(error)));
      const check = (): void => {
        const failure = this.#hostFailure();
        if (failure === undefined) {
          // A script that awaits what never comes is not kept alive by this.
          timer = setTimeout(check, Math.min(CHECK_INTERVAL_MS, this.#wallLimitMs));
          timer.unref();
          return;
        }
        const message = describeHostFailure(failure);
        // Waits have the first word: they know what they waited for.
        for (const pump of this.#pumps) pump.fail(failure, message);
        setImmediate(() => reject(new WaitError(message, failure)));
      };
      check();
    });
    try {
      await Promise.race([body(), ended]);
    } finally {
      clearTimeout(timer);
    }
  }

  #strayError(error: unknown): unknown {
    if (!(error instanceof NothingLeft)) return error;
    const message = 'the script awaits something that never comes, and that no machine brings';
    return new WaitError(message, { kind: 'idle' });
  }

  /** What a body that came to its end may have missed. */
  #afterBody(): FailureRecord | undefined {
    const [left] = this.#pumps.flatMap(({ pending }) => pending);
    if (left !== undefined) {
      const message = `the script ended while it had begun to wait for ${left.what}; is an await missing?`;
      return this.#failure(new WaitError(message, { kind: 'idle' }, left.what, left.site));
    }
    const ended = this.#pumps.map((pump) => pump.unexpectedEnding).find((found) => found);
    if (ended === undefined) return undefined;
    const failure: WaitFailure = { kind: 'ended', vm: ended.name, ending: ended.ending };
    const message = `${describeEnding(ended.ending)}, and the script did not wait for that`;
    return this.#failure(new WaitError(message, failure));
  }

  #failure(error: unknown): FailureRecord {
    return failureOf(error, {
      step: this.#openSteps.at(-1)?.title,
      declaredAt: this.#entry.site,
    });
  }

  #record(failure: FailureRecord | undefined): RunRecord {
    return {
      file: this.#options.file,
      scenario: this.#entry.name,
      seed: this.#seed,
      perturb: this.#options.perturb,
      decisions: this.#perturbation?.decisions ?? 0,
      delays: this.#perturbation?.delays ?? 0,
      effects: this.#perturbation?.effects ?? [],
      result: failure === undefined ? 'passed' : 'failed',
      failure,
      steps: this.#steps,
      awaits: this.#awaits,
      notes: this.#notes,
      machines: this.#vms.map((vm) => vm.record()),
      virtualNs: this.#pump?.nowNs ?? 0,
      wallMs: performance.now() - this.#startedMs,
      digest: this.#world?.digest ?? '',
      replay: this.#options.replay?.(this.#seed) ?? [],
    };
  }
}

/** Runs a scenario once. Never rejects for anything that a script or a guest does. */
export function runScenario(entry: ScenarioEntry, options: RunOptions): Promise<RunRecord> {
  return new ScenarioRun(entry, options).run();
}
