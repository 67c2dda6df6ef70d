/**
 * The model guest: FreeBSD's Hyper-V drivers on a kernel of generators. It has an engine for each
 * virtual processor and sees the machine through `VirtualProcessor` alone.
 */
import type { Random } from '../core/random.ts';
import type { Trace } from '../core/trace.ts';
import type { ProcessorEngine, ProcessorStart, VirtualProcessor } from '../hypervisor/processor.ts';
import { Startup } from './boot/startup.ts';
import type { IsaDriver } from './isa/bus.ts';
import type { KernelApi, Task } from './kernel/api.ts';
import { Kernel, KernelPanic } from './kernel/kernel.ts';
import { Priority } from './kernel/thread.ts';
import type { PciDriver } from './pci/bus.ts';
import type { PresetName, Switches } from './switches.ts';
import { presetSwitches } from './switches.ts';
import { runUserland } from './user/login.ts';
import type { GuestDriver } from './vmbus/api.ts';
import type { VmBus } from './vmbus/bus.ts';

export interface ModelGuestOptions {
  readonly processors: readonly VirtualProcessor[];
  readonly trace: Trace;
  readonly seed: Random;
  readonly preset: PresetName;
  /** What `--set` changed. */
  readonly switches?: Partial<Switches>;
  /** The drivers of the kernel. */
  readonly drivers: readonly GuestDriver[];
  /** Of the functions on a Gen-1 machine's PCI bus. */
  readonly pciDrivers?: readonly PciDriver[];
  /** Of the devices on its board that ACPI describes. */
  readonly isaDrivers?: readonly IsaDriver[];
  /** Mounts root once every hold on it is released; false stops the boot at `mountroot`. */
  readonly mountRoot: (kernel: KernelApi) => Task<boolean>;
}

export interface ModelGuest {
  /** One for each processor, in the order of `processors`. */
  readonly engines: readonly ProcessorEngine[];
  /** For tests and inspection; undefined before the first reset of processor 0. */
  readonly kernel: Kernel | undefined;
  readonly bus: VmBus | undefined;
}

export function createModelGuest(options: ModelGuestOptions): ModelGuest {
  return new Model(options);
}

class Model implements ModelGuest {
  readonly engines: readonly ProcessorEngine[];
  readonly #options: ModelGuestOptions;
  readonly #switches: Switches;
  kernel: Kernel | undefined;
  #startup: Startup | undefined;
  /** Counts boots, so that each draws anew from the seed. */
  #boots = 0;

  constructor(options: ModelGuestOptions) {
    this.#options = options;
    this.#switches = { ...presetSwitches(options.preset), ...options.switches };
    this.engines = options.processors.map((_, index) => new Engine(this, index));
  }

  get bus(): VmBus | undefined {
    return this.#startup?.bus;
  }

  /** Power-on or reset: a new kernel, which only knows what firmware left. */
  begin(start: ProcessorStart): void {
    if (start.mode !== 'real' && start.mode !== 'efi') {
      throw new Error(`the model guest is started by firmware, not in ${start.mode} mode`);
    }
    this.#boots += 1;
    const kernel = new Kernel({
      processors: this.#options.processors,
      trace: this.#options.trace,
      random: this.#options.seed.split(`boot ${this.#boots}`),
      switches: this.#switches,
    });
    this.kernel = kernel;
    const { drivers, pciDrivers = [], isaDrivers = [] } = this.#options;
    const startup = new Startup(kernel, { start, drivers, pciDrivers, isaDrivers });
    this.#startup = startup;
    addSysctls(startup);
    kernel.scheduler.start(0);
    kernel.spawn('swapper', () => this.#boot(startup), { priority: Priority.kernel });
  }

  *#boot(startup: Startup): Task {
    const { kernel } = startup;
    yield* startup.run();
    yield* kernel.waitRootHolds();
    if (!(yield* this.#options.mountRoot(kernel))) {
      kernel.stop('mountroot', 'there is no root file system to mount');
    }
    kernel.phase('root-mounted');
    startup.bootRuntimeNs = kernel.scheduler.currentThread?.runtimeNs ?? 0;
    kernel.spawn('init', () => runUserland(startup), { priority: Priority.user });
  }

  run(index: number): number {
    const processor = this.#options.processors[index]!;
    const { kernel } = this;
    if (kernel === undefined) return Infinity;
    if (kernel.isHalted) return kernel.runHalted(index);
    let isNmi = false;
    for (;;) {
      const signal = processor.takeSignal();
      if (signal === undefined) break;
      if (signal.kind === 'startup') this.#startup!.startProcessor(index, signal.vector);
      else if (signal.kind === 'nmi') isNmi = true;
    }
    try {
      // machdep.panic_on_nmi
      if (isNmi) kernel.panic('NMI indicates hardware failure');
      return kernel.scheduler.run(index);
    } catch (error) {
      if (error instanceof KernelPanic) return kernel.runHalted(index);
      throw error;
    }
  }
}

class Engine implements ProcessorEngine {
  readonly #model: Model;
  readonly #index: number;

  constructor(model: Model, index: number) {
    this.#model = model;
    this.#index = index;
  }

  /** Other processors have nothing of their own to reset: they wait for INIT and SIPI. */
  reset(start: ProcessorStart | undefined): void {
    if (start !== undefined) this.#model.begin(start);
  }

  /** Runs at this instant only, so it never reaches the deadline. */
  run(): number {
    return this.#model.run(this.#index);
  }
}

function addSysctls(startup: Startup): void {
  const { kernel } = startup;
  kernel.addSysctl('hw.machine', () => 'amd64');
  kernel.addSysctl('hw.model', () => startup.cpu.brand);
  kernel.addSysctl('hw.ncpu', () => {
    let started = 0;
    for (let index = 0; index < kernel.processorCount; index += 1) {
      if (kernel.scheduler.isStarted(index)) started += 1;
    }
    return String(started);
  });
  kernel.addSysctl('kern.eventtimer.choice', () =>
    kernel.eventTimers.map(({ name, quality }) => `${name}(${quality})`).join(' '),
  );
  kernel.addSysctl(
    'kern.eventtimer.timer',
    () => kernel.callouts.timer?.name ?? '',
    (name) => {
      const timer = kernel.eventTimers.find((one) => one.name === name);
      if (timer !== undefined) kernel.callouts.use(timer);
      return timer !== undefined;
    },
  );
  kernel.addSysctl('kern.hz', () => String(kernel.hz));
  kernel.addSysctl('kern.osrelease', () => startup.release);
  kernel.addSysctl('kern.ostype', () => 'FreeBSD');
  kernel.addSysctl('kern.timecounter.choice', () => kernel.timecounters.choice);
  kernel.addSysctl('kern.timecounter.hardware', () => kernel.timecounters.current.name);
  kernel.addSysctl('kern.vm_guest', () => (startup.hypervisor === undefined ? 'none' : 'hv'));
  kernel.addSysctl('machdep.tsc_freq', () => String(startup.cpuTicks.tscHz));
}
