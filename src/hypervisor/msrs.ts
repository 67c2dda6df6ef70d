import {
  APIC_BASE_BSP,
  APIC_BASE_ENABLE,
  APIC_BASE_RESERVED,
  APIC_BASE_X2APIC,
  COMMAND_LOW_MASK,
} from './spec/apic.ts';
import type { MsrRow, Privilege } from './spec/msrs.ts';
import {
  CRASH_MESSAGE,
  CRASH_NOTIFY,
  IA32_APIC_BASE,
  IA32_TSC,
  IA32_TSC_DEADLINE,
  SYNTHETIC_FIRST,
  SYNTHETIC_LAST,
  X2APIC_FIRST,
  X2APIC_LAST,
  syntheticMsrs,
} from './spec/msrs.ts';
import { SYNIC_VERSION } from './spec/synic.ts';
import { guestCrashed, msrRefused, msrWritten } from './trace.ts';
import type { PartitionProcessor } from './virtual-processor.ts';

const U32 = 0x1_0000_0000;
/** Windows Server 2016: the first host that takes a crash message in P3 and P4. */
const FIRST_BUILD_WITH_CRASH_MESSAGE = 14_393;

/** @param index number of the register within its row. @returns false for #GP */
type Read = (vp: PartitionProcessor, out: Uint32Array, index: number) => boolean;
type Write = (vp: PartitionProcessor, low: number, high: number, index: number) => boolean;

interface Handler {
  /** Absent: reading raises #GP. */
  readonly read?: Read;
  readonly write?: Write;
}

function set(out: Uint32Array, low: number, high: number): true {
  out[0] = low;
  out[1] = high;
  return true;
}

function setNumber(out: Uint32Array, value: number): true {
  return set(out, value % U32, Math.floor(value / U32));
}

/** What stands behind each row of `syntheticMsrs`. */
export const handlers: Readonly<Record<string, Handler>> = {
  GUEST_OS_ID: {
    read: ({ partition }, out) => set(out, partition.guestOsLow, partition.guestOsHigh),
    write: ({ partition }, low, high) => {
      partition.writeGuestOsId(low, high);
      return true;
    },
  },
  HYPERCALL: {
    read: ({ partition }, out) => set(out, partition.hypercallLow, partition.hypercallHigh),
    write: ({ partition }, low, high) => partition.writeHypercall(low, high),
  },
  VP_INDEX: { read: (vp, out) => set(out, vp.index, 0) },
  RESET: {
    read: (_, out) => set(out, 0, 0),
    write: ({ partition }, low) => {
      if ((low & 1) !== 0) partition.callbacks.onReset();
      return true;
    },
  },
  VP_RUNTIME: { read: (vp, out) => setNumber(out, Math.floor(vp.runtimeNs / 100)) },
  TIME_REF_COUNT: { read: (vp, out) => setNumber(out, vp.time.referenceCount) },
  REFERENCE_TSC: {
    read: ({ partition }, out) => set(out, partition.referenceTscLow, partition.referenceTscHigh),
    write: ({ partition }, low, high) => {
      partition.writeReferenceTsc(low, high);
      return true;
    },
  },
  TSC_FREQUENCY: { read: (vp, out) => setNumber(out, vp.time.tscHz) },
  APIC_FREQUENCY: { read: (vp, out) => setNumber(out, vp.partition.apicHz) },
  NPIEP_CONFIG: {
    read: (vp, out) => set(out, vp.npiepLow, vp.npiepHigh),
    write: (vp, low, high) => {
      vp.npiepLow = low;
      vp.npiepHigh = high;
      return true;
    },
  },
  EOI: {
    write: ({ apic }) => {
      if (!apic.isHardwareEnabled) return false;
      apic.endOfInterrupt();
      return true;
    },
  },
  ICR: {
    read: ({ apic }, out) => apic.isHardwareEnabled && set(out, apic.commandLow, apic.commandHigh),
    write: ({ apic, partition }, low, high) => {
      if (!apic.isHardwareEnabled) return false;
      apic.commandLow = low & COMMAND_LOW_MASK;
      apic.commandHigh = apic.isX2Apic ? high : (high & 0xff00_0000) >>> 0;
      partition.router.send(apic, apic.commandLow, apic.isX2Apic ? high : high >>> 24);
      return true;
    },
  },
  TPR: {
    read: ({ apic }, out) => set(out, apic.taskPriority, 0),
    write: ({ apic }, low, high) => {
      if (high !== 0 || low > 0xff) return false;
      apic.setTaskPriority(low);
      return true;
    },
  },
  VP_ASSIST_PAGE: {
    read: (vp, out) => set(out, vp.assistLow, vp.assistHigh),
    write: (vp, low, high) => {
      vp.writeAssistPage(low, high);
      return true;
    },
  },
  SCONTROL: {
    read: ({ synic }, out) => set(out, synic.controlLow, synic.controlHigh),
    write: ({ synic }, low, high) => {
      synic.writeControl(low, high);
      return true;
    },
  },
  SVERSION: { read: (_, out) => set(out, SYNIC_VERSION, 0) },
  SIEFP: {
    read: ({ synic }, out) => set(out, synic.flagPageLow, synic.flagPageHigh),
    write: ({ synic }, low, high) => {
      synic.writeFlagPage(low, high);
      return true;
    },
  },
  SIMP: {
    read: ({ synic }, out) => set(out, synic.messagePageLow, synic.messagePageHigh),
    write: ({ synic }, low, high) => {
      synic.writeMessagePage(low, high);
      return true;
    },
  },
  EOM: {
    read: (_, out) => set(out, 0, 0),
    write: ({ synic }) => {
      synic.endOfMessage();
      return true;
    },
  },
  SINT0: {
    read: ({ synic }, out, sint) =>
      set(out, synic.sources[sint * 2]!, synic.sources[sint * 2 + 1]!),
    write: ({ synic }, low, high, sint) => synic.writeSource(sint, low, high),
  },
  STIMER0_CONFIG: {
    read: ({ timers }, out, index) => {
      const timer = timers[index >> 1]!;
      if ((index & 1) === 0) return set(out, timer.configLow, 0);
      return set(out, timer.countLow, timer.countHigh);
    },
    write: ({ timers }, low, high, index) => {
      const timer = timers[index >> 1]!;
      if ((index & 1) === 0) return timer.writeConfig(low, high);
      timer.writeCount(low, high);
      return true;
    },
  },
  GUEST_IDLE: {
    read: (vp, out) => {
      vp.idlePending = true;
      return set(out, 0, 0);
    },
  },
  CRASH_P0: {
    read: ({ partition }, out, index) =>
      set(out, partition.crash[index * 2]!, partition.crash[index * 2 + 1]!),
    write: ({ partition }, low, high, index) => {
      partition.crash[index * 2] = low;
      partition.crash[index * 2 + 1] = high;
      return true;
    },
  },
  CRASH_CTL: { read: readCrashControl, write: writeCrashControl },
  REENLIGHTENMENT_CONTROL: reenlightenment(0),
  TSC_EMULATION_CONTROL: reenlightenment(1),
  TSC_EMULATION_STATUS: reenlightenment(2),
  TSC_INVARIANT_CONTROL: {
    read: ({ partition }, out) => set(out, partition.tscInvariantControl, 0),
    write: ({ partition }, low, high) => {
      if (high !== 0 || low > 1) return false;
      partition.tscInvariantControl = low;
      return true;
    },
  },
};

/** Kept for the guest, and without effect: this partition is never migrated to another TSC rate. */
function reenlightenment(index: number): Handler {
  return {
    read: ({ partition }, out) =>
      set(out, partition.reenlightenment[index * 2]!, partition.reenlightenment[index * 2 + 1]!),
    write: ({ partition }, low, high) => {
      partition.reenlightenment[index * 2] = low;
      partition.reenlightenment[index * 2 + 1] = high;
      return true;
    },
  };
}

function readCrashControl({ partition }: PartitionProcessor, out: Uint32Array): boolean {
  const takesMessage = partition.profile.version[0] >= FIRST_BUILD_WITH_CRASH_MESSAGE;
  return set(out, 0, takesMessage ? CRASH_NOTIFY + CRASH_MESSAGE : CRASH_NOTIFY);
}

function writeCrashControl(vp: PartitionProcessor, low: number, high: number): boolean {
  if ((high & CRASH_NOTIFY) === 0) return true;
  const { crash } = vp.partition;
  vp.trace.emit(guestCrashed, vp.index, crash[0], crash[2], crash[4], crash[6], crash[8]);
  vp.partition.reportCrash(vp.index, low, high);
  return true;
}

interface Entry {
  readonly read: Read | undefined;
  readonly write: Write | undefined;
  readonly privilege: Privilege | undefined;
  readonly first: number;
  readonly hot: boolean;
}

/** One place for each register number, so that an access costs one index and one call. */
const entries: (Entry | undefined)[] = buildEntries(syntheticMsrs);

function buildEntries(rows: readonly MsrRow[]): (Entry | undefined)[] {
  const result = Array.from<Entry | undefined>({ length: SYNTHETIC_LAST - SYNTHETIC_FIRST + 1 });
  for (const { name, first, count, privilege, hot } of rows) {
    const { read, write } = handlers[name]!;
    const entry: Entry = { read, write, privilege, first, hot };
    for (let msr = first; msr < first + count; msr += 1) result[msr - SYNTHETIC_FIRST] = entry;
  }
  return result;
}

function findEntry(vp: PartitionProcessor, msr: number): Entry | undefined {
  if (msr < SYNTHETIC_FIRST || msr > SYNTHETIC_LAST) return undefined;
  const entry = entries[msr - SYNTHETIC_FIRST];
  if (entry === undefined) return undefined;
  return entry.privilege === undefined || vp.partition.has(entry.privilege) ? entry : undefined;
}

/** RDMSR. @returns false for #GP(0) */
export function readMsr(vp: PartitionProcessor, msr: number, out: Uint32Array): boolean {
  const entry = findEntry(vp, msr);
  const isDone =
    entry === undefined
      ? readArchitectural(vp, msr, out)
      : entry.read !== undefined && entry.read(vp, out, msr - entry.first);
  if (!isDone) vp.trace.emit(msrRefused, vp.index, msr, 0);
  return isDone;
}

/** WRMSR. @returns false for #GP(0) */
export function writeMsr(vp: PartitionProcessor, msr: number, low: number, high: number): boolean {
  const entry = findEntry(vp, msr);
  if (entry !== undefined && !entry.hot) vp.trace.emit(msrWritten, vp.index, msr, low, high);
  const isDone =
    entry === undefined
      ? writeArchitectural(vp, msr, low, high)
      : entry.write !== undefined && entry.write(vp, low, high, msr - entry.first);
  if (!isDone) vp.trace.emit(msrRefused, vp.index, msr, 1, low, high);
  return isDone;
}

function readArchitectural(vp: PartitionProcessor, msr: number, out: Uint32Array): boolean {
  if (msr >= X2APIC_FIRST && msr <= X2APIC_LAST) {
    return vp.apic.isX2Apic && vp.apicRegisters.x2ApicRead(msr - X2APIC_FIRST, out);
  }
  switch (msr) {
    case IA32_TSC:
      vp.readTsc(out);
      return true;
    case IA32_APIC_BASE:
      return set(out, vp.apic.baseLow, vp.apic.baseHigh);
    case IA32_TSC_DEADLINE:
      if (!vp.partition.hasTscDeadline) return false;
      return set(out, vp.apic.timer!.deadlineLow, vp.apic.timer!.deadlineHigh);
    default:
      return vp.architectural.read(msr, out);
  }
}

const scratch = new Uint32Array(2);

function writeArchitectural(
  vp: PartitionProcessor,
  msr: number,
  low: number,
  high: number,
): boolean {
  if (msr >= X2APIC_FIRST && msr <= X2APIC_LAST) {
    return vp.apic.isX2Apic && vp.apicRegisters.x2ApicWrite(msr - X2APIC_FIRST, low, high);
  }
  switch (msr) {
    case IA32_TSC:
      vp.writeTsc(low, high, scratch);
      return true;
    case IA32_APIC_BASE:
      return writeApicBase(vp, low, high);
    case IA32_TSC_DEADLINE:
      if (!vp.partition.hasTscDeadline) return false;
      vp.apic.timer!.writeDeadline(low, high);
      return true;
    default:
      return vp.architectural.write(msr, low, high);
  }
}

/** IA32_APIC_BASE: SDM volume 3, 11.4.4 and 11.12.1 (legal changes of mode). */
function writeApicBase(vp: PartitionProcessor, low: number, high: number): boolean {
  const { apic, partition } = vp;
  if ((low & APIC_BASE_RESERVED) !== 0) return false;
  if (high * 0x10_0000 >= partition.pageNumberLimit) return false;
  const isEnabled = (low & APIC_BASE_ENABLE) !== 0;
  const isX2Apic = (low & APIC_BASE_X2APIC) !== 0;
  if (isX2Apic && (!isEnabled || !partition.hasX2Apic || !apic.isHardwareEnabled)) return false;
  if (apic.isX2Apic && isEnabled && !isX2Apic) return false;
  if (apic.isHardwareEnabled && !isEnabled) apic.initialize();
  apic.baseLow = ((low & ~APIC_BASE_BSP) | (apic.baseLow & APIC_BASE_BSP)) >>> 0;
  apic.baseHigh = high;
  return true;
}
