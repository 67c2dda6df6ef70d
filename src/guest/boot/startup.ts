/** From the loader's hand-over to a mounted root: the order of FreeBSD's SYSINITs. */
import type { FirmwareStart } from '../../hypervisor/processor.ts';
import { Msr } from '../../hypervisor/spec/msrs.ts';
import type { Task } from '../kernel/api.ts';
import { IoApic, Vector } from '../kernel/apic.ts';
import { COM1_IRQ } from '../kernel/console.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { Priority } from '../kernel/thread.ts';
import { eisaIdBytes, type IsaDriver } from '../isa/bus.ts';
import { attachPciBus, type PciDriver } from '../pci/bus.ts';
import { CpuTicks } from '../timers/cpu-ticks.ts';
import { HypervTimer, LapicTimer } from '../timers/event-timers.ts';
import {
  i8254Counter,
  pmTimer,
  referenceCounter,
  referenceTsc,
  tscLow,
} from '../timers/sources.ts';
import type { Timecounter } from '../timers/timecounter.ts';
import type { GuestDriver } from '../vmbus/api.ts';
import { VmBus } from '../vmbus/bus.ts';
import { enableHypercalls } from '../vmbus/synic.ts';
import { createVirtualTerminal, type VirtualTerminal } from '../vt/virtual-terminal.ts';
import { AcpiTables } from './acpi.ts';
import { attachClockDevices } from './clock-devices.ts';
import { announceBuses, announceSerial, announceSmallDevices, announceTables } from './announce.ts';
import type { Madt } from './acpi.ts';
import type { FirmwareFacts } from './firmware.ts';
import { readFirmware } from './firmware.ts';
import { cpuLines, Feature, Feature3, hypervisorLines } from './identify.ts';
import { identifyCpu, identifyHypervisor } from './identify.ts';
import type { CpuFacts, HypervisorFacts } from './identify.ts';

/** The kernel lies at 2 MiB; what it and its early tables take. */
const KERNEL_START = 0x20_0000;
const KERNEL_BYTES = 0x180_0000;
/** Below the kernel, what DMA of the ISA bus reaches. */
const LOW_START = 0x10_0000;
/** Real-mode page where application processors begin. */
const TRAMPOLINE_PAGE = 0x9;
/** Quality of 10.2's Hyper-V timecounter: the frequency was passed for it by mistake. */
const LEGACY_REFERENCE_QUALITY = 10_000_000;
const REFERENCE_QUALITY = 2000;
/** __FreeBSD_version. */
const LEGACY_RELEASE = 1_002_000;
const MODERN_RELEASE = 1_401_000;
/** Device probing, file system checks and the like between two lines of the log. */
const PROBE_NS = 300_000;

export interface StartupOptions {
  readonly start: FirmwareStart;
  readonly drivers: readonly GuestDriver[];
  readonly pciDrivers: readonly PciDriver[];
  readonly isaDrivers: readonly IsaDriver[];
}

export class Startup {
  readonly kernel: Kernel;
  readonly cpuTicks: CpuTicks;
  readonly #options: StartupOptions;
  bus: VmBus | undefined;
  firmware!: FirmwareFacts;
  acpi: AcpiTables | undefined;
  cpu!: CpuFacts;
  hypervisor: HypervisorFacts | undefined;
  #madt: Madt | undefined;
  #terminal: VirtualTerminal | undefined;
  /** Processor time of the thread that booted, which has ended. */
  bootRuntimeNs = 0;

  constructor(kernel: Kernel, options: StartupOptions) {
    this.kernel = kernel;
    this.cpuTicks = new CpuTicks(kernel);
    this.#options = options;
  }

  /** `__FreeBSD_version`. */
  get releaseDate(): number {
    return this.kernel.isLegacy ? LEGACY_RELEASE : MODERN_RELEASE;
  }

  get release(): string {
    return this.kernel.isLegacy ? '10.2-RELEASE' : '14.1-RELEASE';
  }

  /** Everything up to where root is mounted. */
  *run(): Task {
    const { kernel } = this;
    this.firmware = readFirmware(kernel.hw.memory, this.#options.start);
    this.#load();
    kernel.phase('kernel');
    kernel.console.probe();
    this.#terminal = createVirtualTerminal(kernel, this.firmware);
    kernel.console.screen = this.#terminal;
    yield 1_000_000;
    this.#greet();
    this.#findHypervisor();
    yield* this.#startClocks();
    this.#announceMemory();
    this.#findAcpi();
    yield 0;
    yield* this.#startProcessors();
    if (kernel.isLegacy) yield* this.#legacyDevices();
    else yield* this.#modernDevices();
  }

  /** What the loader did before the kernel ran: it may have copied it over the firmware. */
  #load(): void {
    const { kernel, firmware } = this;
    if (firmware.generation === 2 && kernel.switches.efiLoader === 'legacy') {
      const end = KERNEL_START + KERNEL_BYTES;
      const owner = firmware.descriptors.find(
        ({ type, start, bytes }) =>
          type !== EFI_CONVENTIONAL && start < end && start + bytes > KERNEL_START,
      );
      const why =
        owner === undefined
          ? 'the kernel is copied to 2 MiB while boot services still run there'
          : `the kernel is copied to 2 MiB over firmware memory of type ${owner.type} ` +
            `at 0x${owner.start.toString(16)}`;
      kernel.stop('loader-stage', why);
    }
    kernel.pages.addRanges(firmware.usable, KERNEL_START + KERNEL_BYTES);
    kernel.lowPages.addRanges(firmware.usable, LOW_START, KERNEL_START);
  }

  #greet(): void {
    const { kernel, release } = this;
    if (!kernel.isLegacy) kernel.printf('---<<BOOT>>---\n');
    kernel.printf(
      `FreeBSD ${release}${kernel.isLegacy ? ' #0:' : ''} GENERIC amd64 (synthvm model)\n`,
    );
    const painter = this.#terminal?.painter;
    if (painter === undefined) return;
    const { name, isText, width, height } = painter;
    kernel.printf(`VT(${name}): ${isText ? 'text' : 'resolution'} ${width}x${height}\n`);
  }

  #findHypervisor(): void {
    const { kernel } = this;
    this.cpu = identifyCpu(kernel.hw);
    this.hypervisor = identifyHypervisor(kernel.hw);
    if (this.hypervisor === undefined) return;
    kernel.hasCrashMsrs = (this.hypervisor.features3 & Feature3.crash) !== 0;
    if (kernel.isLegacy && !kernel.switches.earlyTimecounter) return;
    if (!kernel.isLegacy) kernel.printf(hypervisorLines(this.hypervisor));
    if (kernel.switches.earlyTimecounter) this.#addReferenceCounter(REFERENCE_QUALITY);
  }

  #addReferenceCounter(quality: number): void {
    if ((this.hypervisor!.features & Feature.referenceCounter) === 0) return;
    this.addTimecounter(referenceCounter(this.kernel, quality));
  }

  /** Announces a timecounter; one that gives the time already is not added again. */
  addTimecounter(timecounter: Timecounter): void {
    const { name, frequencyHz, quality } = timecounter;
    const { timecounters } = this.kernel;
    this.kernel.printf(`Timecounter "${name}" frequency ${frequencyHz} Hz quality ${quality}\n`);
    if (!timecounters.all.some((other) => other.name === name)) timecounters.register(timecounter);
  }

  /** startrtclock: the i8254 where a BIOS left one, then the TSC's rate. */
  *#startClocks(): Task {
    const { kernel, cpuTicks } = this;
    if (this.firmware.generation === 1 || kernel.isLegacy) yield* kernel.i8254.start();
    const facts = this.hypervisor;
    const hasFrequency =
      facts !== undefined &&
      (facts.features & Feature.frequencyMsrs) !== 0 &&
      (facts.features3 & Feature3.frequency) !== 0;
    kernel.bootverbose('Calibrating TSC clock ... ');
    if (!kernel.isLegacy && hasFrequency && kernel.switches.earlyTimecounter) {
      cpuTicks.adopt(kernel.hw.readMsrNumber(Msr.TSC_FREQUENCY));
    } else {
      yield* cpuTicks.measure();
    }
    kernel.bootverbose(`TSC clock: ${cpuTicks.frequencyHz} Hz\n`);
    kernel.printf(cpuLines(this.cpu, cpuTicks.frequencyHz, kernel.isLegacy));
    if (!kernel.timeOfDay.readBatteryClock()) {
      kernel.bootverbose('Warning: no time-of-day clock registered\n');
    }
  }

  #announceMemory(): void {
    const { kernel, firmware } = this;
    const hex = (value: number): string => value.toString(16).padStart(16, '0');
    for (const { start, bytes } of firmware.map) {
      kernel.bootverbose(`SMAP type=01 base=${hex(start)} len=${hex(bytes)}\n`);
    }
    const real = firmware.realBytes;
    const usable = firmware.usable.reduce((sum, { bytes }) => sum + bytes, 0);
    const free = Math.max(0, usable - KERNEL_BYTES);
    const show = (bytes: number): string => `${bytes} (${Math.floor(bytes / 2 ** 20)} MB)`;
    kernel.printf(`real memory  = ${show(real)}\navail memory = ${show(free)}\n`);
    kernel.addSysctl('hw.physmem', () => String(usable));
    kernel.addSysctl('hw.realmem', () => String(real));
  }

  #findAcpi(): void {
    const { kernel, firmware } = this;
    this.acpi = AcpiTables.read(kernel.hw.memory, firmware.rsdpGpa);
    const quality = kernel.isLegacy ? 400 : 100;
    this.#lapicTimer = new LapicTimer(kernel.apic, quality);
    kernel.registerEventTimer(this.#lapicTimer);
    const table = this.acpi?.find('APIC');
    this.#madt = this.acpi?.madt();
    if (table === undefined || this.#madt === undefined) return;
    kernel.printf(`ACPI APIC Table: <${table.oemId} ${table.oemTableId}>\n`);
  }

  #lapicTimer!: LapicTimer;

  /** Local and I/O APIC on, the clock's interrupts, then INIT and SIPI for the others. */
  *#startProcessors(): Task {
    const { kernel } = this;
    const useX2 = !kernel.isLegacy && this.cpu.hasX2apic;
    kernel.apic.enable(useX2);
    this.#announceProcessors();
    yield* this.#lapicTimer.calibrate(
      (microseconds) => kernel.delay(microseconds),
      kernel.isLegacy ? 1_000_000 : 100_000,
    );
    this.#routeConsole();
    kernel.scheduler.enableInterrupts(0);
    kernel.enableKicks();
    if (kernel.timecounters.current.quality < 0) this.#addBootTimecounter();
    kernel.callouts.use(kernel.eventTimers[0]!);
    if (!kernel.isLegacy) yield* this.launchOthers();
  }

  /** Something must give the time before a better counter is found. */
  #addBootTimecounter(): void {
    const { kernel } = this;
    if (this.pmTimer !== undefined) kernel.timecounters.register(this.pmTimer);
    else kernel.timecounters.register(i8254Counter(kernel));
  }

  get pmTimer(): Timecounter | undefined {
    const fadt = this.acpi?.fadt();
    if (fadt === undefined || fadt.pmTimerPort === 0) return undefined;
    return pmTimer(this.kernel, fadt.pmTimerPort, fadt.isPmTimer32);
  }

  #announceProcessors(): void {
    const { kernel } = this;
    const enabled = this.#madt?.processors.filter(({ isEnabled }) => isEnabled).length ?? 1;
    const count = Math.min(kernel.processorCount, Math.max(1, enabled));
    if (count > 1) {
      kernel.printf(`FreeBSD/SMP: Multiprocessor System Detected: ${count} CPUs\n`);
      kernel.printf(`FreeBSD/SMP: 1 package(s) x ${count} core(s)\n`);
      for (let index = 0; kernel.isLegacy && index < count; index += 1) {
        kernel.printf(` cpu${index} (${index === 0 ? 'BSP' : 'AP'}): APIC ID: ${index}\n`);
      }
    }
    const where = kernel.isLegacy ? ' on motherboard' : '';
    for (const { id, gpa, firstInterrupt } of this.#madt?.ioApics ?? []) {
      const ioApic = new IoApic(kernel.hw, gpa, firstInterrupt);
      kernel.ioApic ??= ioApic;
      const { version } = ioApic;
      const last = firstInterrupt + ((version >>> 16) & 0xff);
      const shown = `${(version >>> 4) & 0xf}.${version & 0xf}`;
      kernel.printf(`ioapic${id} <Version ${shown}> irqs ${firstInterrupt}-${last}${where}\n`);
    }
  }

  #routeConsole(): void {
    const { kernel } = this;
    if (kernel.ioApic === undefined || !kernel.console.isPresent) return;
    this.routeIsa(COM1_IRQ, 'uart0', () =>
      kernel.console.receive((byte) => kernel.userland.typed(byte)),
    );
    kernel.console.enableInput();
  }

  /** Sends an ISA interrupt to processor 0. @param device as `vmstat -i` shows it */
  routeIsa(irq: number, device: string, handler: () => void): void {
    const { kernel } = this;
    const interrupt = this.#isaInterrupt(irq);
    const vector = Vector.ioFirst + interrupt;
    if (kernel.interrupts.isFree(vector)) {
      kernel.interrupts.install(vector, () => `irq${irq}: ${device}`, handler);
    }
    kernel.ioApic?.route(interrupt, vector, kernel.hardwareOf(0).index);
  }

  maskIsa(irq: number): void {
    this.kernel.ioApic?.mask(this.#isaInterrupt(irq));
  }

  /** The global system interrupt that an ISA interrupt is wired to. */
  #isaInterrupt(irq: number): number {
    return this.#madt?.overrides.get(irq) ?? irq;
  }

  /** INIT, then SIPI twice, as the multiprocessor specification wants it. */
  *launchOthers(): Task {
    const { kernel } = this;
    const found = this.#madt?.processors.filter(({ isEnabled }) => isEnabled) ?? [];
    const others = found.slice(1, kernel.processorCount);
    if (others.length === 0) return;
    for (const { apicId } of others) {
      kernel.apic.sendInit(apicId);
      yield* kernel.delay(10_000);
      kernel.apic.sendStartup(apicId, TRAMPOLINE_PAGE);
      yield* kernel.delay(200);
      if (!kernel.scheduler.isStarted(apicId)) kernel.apic.sendStartup(apicId, TRAMPOLINE_PAGE);
      yield* kernel.delay(200);
    }
    if (kernel.isLegacy) {
      for (const { apicId } of others) kernel.printf(`SMP: AP CPU #${apicId} Launched!\n`);
    } else {
      kernel.printf(`Launching APs: ${others.map(({ apicId }) => apicId).join(' ')}\n`);
    }
  }

  /** What a processor does after its SIPI. */
  startProcessor(processor: number, vector: number): void {
    const { kernel } = this;
    if (vector !== TRAMPOLINE_PAGE || kernel.scheduler.isStarted(processor)) return;
    kernel.scheduler.start(processor);
    const options = { processor, priority: Priority.interruptTimer };
    kernel.spawn(`ap${processor}`, () => this.#enterProcessor(processor), options);
  }

  *#enterProcessor(processor: number): Task {
    yield 50_000;
    this.kernel.apic.enable(this.kernel.apic.isX2);
    this.kernel.scheduler.enableInterrupts(processor);
    this.kernel.callouts.arm();
  }

  *#modernDevices(): Task {
    const { kernel, hypervisor } = this;
    if (kernel.processorCount > 1 || !this.cpu.isTscInvariant) this.#addTsc();
    if (hypervisor !== undefined) {
      this.#useHypercalls();
      if ((hypervisor.features & Feature.referenceTsc) !== 0 && kernel.switches.earlyTimecounter) {
        this.addTimecounter(referenceTsc(kernel));
      }
    }
    yield PROBE_NS;
    attachClockDevices(this);
    announceTables(this);
    const where = yield* announceBuses(this, this.#options.pciDrivers);
    yield PROBE_NS;
    if (hypervisor !== undefined && where !== '') {
      kernel.printf(`vmbus0: <Hyper-V Vmbus> on ${where}\n`);
      announceSmallDevices(this);
      announceSerial(this);
      yield* this.#attachIsaDevices();
      this.#tick();
      yield* this.#startBus();
    } else if (hypervisor !== undefined) {
      kernel.stop('no-vmbus', 'the driver looks for VMBus beside a PCI bus, and there is none');
    }
    yield* this.runConfigHooks();
  }

  *#attachIsaDevices(): Task {
    for (const driver of this.#options.isaDrivers) yield* driver.attach(this);
  }

  /** Whether the namespace has a device of this id. */
  hasDevice(id: string): boolean {
    return this.acpi?.namespaceHas(eisaIdBytes(id)) === true;
  }

  #addTsc(): void {
    const isSound = this.cpu.isTscInvariant;
    const quality = isSound && !this.kernel.isLegacy ? 1000 : -100;
    this.addTimecounter(tscLow(this.kernel, this.cpuTicks.tscHz, quality));
  }

  #useHypercalls(): void {
    if (!enableHypercalls(this.kernel, this.releaseDate)) {
      this.kernel.stop('no-vmbus', 'the hypervisor gave no hypercall page');
    }
  }

  #tick(): void {
    const period = (1000 / this.kernel.hz).toFixed(3);
    this.kernel.printf(`Timecounters tick every ${period} msec\n`);
    this.cpuTicks.startCalibrator(this.cpu.isTscInvariant);
    this.#keepTime();
  }

  /** A counter that wraps is taken in before it does. */
  #keepTime(): void {
    const { timecounters, callouts } = this.kernel;
    const { modulus, frequencyHz } = timecounters.current;
    const periodNs = Math.min(1e9, ((modulus / frequencyHz) * 1e9) / 2);
    callouts.schedule(0, periodNs, () => {
      timecounters.windup();
      this.#keepTime();
    });
  }

  *#startBus(): Task {
    const { kernel } = this;
    const features = this.hypervisor!.features;
    const needed = Feature.synic | Feature.syntheticTimers | Feature.referenceCounter;
    const hasTimer = kernel.switches.hvEventTimer && (features & needed) === needed;
    const bus = new VmBus(kernel, this.#options.drivers);
    this.bus = bus;
    yield* bus.start(hasTimer);
    if (!(yield* bus.connect())) {
      kernel.printf(kernel.isLegacy ? '' : 'vmbus0: no compatible version\n');
      return;
    }
    if (kernel.isLegacy)
      kernel.bootverbose(`VMBUS: Portocal Version: ${bus.connection.versionText}\n`);
    else kernel.printf(`vmbus0: version ${bus.connection.versionText}\n`);
    if (hasTimer) yield* this.#startEventTimer();
    yield* bus.requestOffers();
    if (!kernel.isLegacy) yield* bus.waitScan();
  }

  *#startEventTimer(): Task {
    const { kernel } = this;
    const timer = new HypervTimer(kernel.hw);
    // The reference counter must have left zero: a count of zero would disarm the timer.
    yield* kernel.delay(100);
    yield* kernel.onEachProcessor(function* () {
      timer.prepare();
      yield 0;
    });
    kernel.printf('hvet0: <Hyper-V event timer> on vmbus0\n');
    kernel.registerEventTimer(timer);
  }

  *#legacyDevices(): Task {
    const { kernel, firmware, hypervisor } = this;
    if (hypervisor !== undefined) this.#useHypercalls();
    const hasBus =
      hypervisor !== undefined && (firmware.generation === 1 || kernel.switches.vmbusAcpi);
    if (hasBus) kernel.printf('vmbus0: <Vmbus Devices> on motherboard\n');
    announceTables(this);
    yield PROBE_NS;
    attachClockDevices(this);
    if (firmware.generation === 1) {
      kernel.printf('pcib0: <ACPI Host-PCI bridge> port 0xcf8-0xcff on acpi0\n');
      kernel.printf('pci0: <ACPI PCI bus> on pcib0\n');
      yield* attachPciBus(kernel, this.#options.pciDrivers);
    }
    announceSerial(this);
    yield* this.#attachIsaDevices();
    this.#tick();
    yield PROBE_NS;
    yield* this.launchOthers();
    if (kernel.processorCount > 1 || !this.cpu.isTscInvariant) this.#addTsc();
    if (hypervisor === undefined) return;
    if (!hasBus)
      kernel.stop('no-vmbus', 'VMBus hangs on an ACPI device that this kernel does not know');
    if (!kernel.switches.earlyTimecounter) this.#addReferenceCounter(LEGACY_REFERENCE_QUALITY);
    yield* this.#startBus();
    // Init goes on beside the threads that attach what is offered.
    yield* kernel.tsleep({}, LEGACY_SETTLE_NS);
    yield* this.runConfigHooks();
  }

  /** Each hook is a thread; boot waits for all of them (run_interrupt_driven_config_hooks). */
  *runConfigHooks(): Task {
    const { kernel } = this;
    const left = { count: kernel.configHooks.length };
    const finish = function* (run: () => Task): Task {
      yield* run();
      left.count -= 1;
      kernel.wakeup(left);
    };
    for (const hook of kernel.configHooks) kernel.spawn(hook.name, () => finish(hook.run));
    while (left.count > 0) yield* kernel.tsleep(left, Infinity);
  }
}

const EFI_CONVENTIONAL = 7;
/** Between VMBus and the mount lie random(4), CAM's settling and the file systems. */
const LEGACY_SETTLE_NS = 50_000_000;
