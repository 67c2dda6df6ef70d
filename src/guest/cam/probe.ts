/**
 * The probe of one logical unit: probestart and probedone of cam/scsi/scsi_xpt.c as one thread of
 * commands. It leaves the unit configured or not, and tells the transport layer of changes.
 */
import { VpdPage } from '../../devices/scsi/spec.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import { CommandBlock } from './command.ts';
import {
  announcedLength,
  hasCommandQueueing,
  INQUIRY_KEPT_BYTES,
  Qualifier,
  qualifierOf,
  revisionOf,
  ScsiRevision,
  SHORT_INQUIRY_BYTES,
  visibleText,
} from './inquiry.ts';
import { runCommand, type LossHandler, type RecoveryOptions } from './recovery.ts';
import type { LogicalUnit } from './topology.ts';

const CONTROL_MODE_PAGE = 0x0a;
/** Mode header, block descriptor and control page. */
const MODE_SENSE_BYTES = 24;
const VPD_BYTES = 255;
const EXTENDED_INQUIRY_PAGE = 0x86;
/** Room for one LUN, the first try. */
const FIRST_REPORT_BYTES = 16;
const REPORT_HEADER_BYTES = 8;
const RETRIES = 4;
/** A probe's DMA buffer: a page, more than any answer that it asks for. */
export const PROBE_BUFFER_PAGES = 1;
const PROBE_BUFFER_BYTES = 4096;

export interface Prober extends LossHandler {
  readonly release: 'legacy' | 'modern';
  /** AC_FOUND_DEVICE. */
  found(unit: LogicalUnit): void;
}

/** One probe: its unit, its command block and its DMA buffer. */
class Probe {
  readonly cam: Prober;
  readonly kernel: KernelApi;
  readonly unit: LogicalUnit;
  readonly command: CommandBlock;
  readonly bufferGpa: number;

  constructor(cam: Prober, unit: LogicalUnit, bufferGpa: number) {
    this.cam = cam;
    this.kernel = cam.kernel;
    this.unit = unit;
    this.command = new CommandBlock('probe0', unit.target.id, unit.lun);
    this.bufferGpa = bufferGpa;
  }

  /** A view of the buffer. Only for reading and writing at once: memory never moves, though. */
  get buffer(): Uint8Array {
    const { memory } = this.kernel.hardware;
    const offset = memory.resolve(this.bufferGpa, PROBE_BUFFER_BYTES);
    return memory.u8.subarray(offset, offset + PROBE_BUFFER_BYTES);
  }

  run(options: RecoveryOptions): Task<number> {
    return runCommand(this.cam, this.unit.bus, this.command, options);
  }

  lose(): void {
    if (this.unit.isConfigured) {
      this.cam.lose(this.unit.bus, this.unit.target.id, this.unit.lun);
    }
  }
}

/** @param bufferGpa a page of guest memory that the probe may use until it ends */
export function* probeUnit(cam: Prober, unit: LogicalUnit, bufferGpa: number): Task {
  const probe = new Probe(cam, unit, bufferGpa);
  const wasConfigured = unit.isConfigured;
  const before = wasConfigured ? identity(unit) : '';
  unit.inquiryCompleted = false;
  if (wasConfigured && unit.lun === 0) {
    probe.command.testUnitReady();
    yield* probe.run({ retries: RETRIES, quiet: true });
  }
  const wantsReportLuns = yield* inquire(probe);
  if (wantsReportLuns === undefined) return;
  if (wantsReportLuns && !(yield* reportLuns(probe))) return;
  yield* learnPages(probe);
  if (wasConfigured) {
    if (unit.isConfigured && identity(unit) === before) return;
    probe.lose();
  }
  probe.command.testUnitReady();
  yield* probe.run({ retries: RETRIES, quiet: true, noRetry: true });
  unit.isConfigured = true;
  cam.found(unit);
}

/** What tells two devices at one address apart: CAM takes a checksum of the same. */
function identity(unit: LogicalUnit): string {
  return `${unit.inquiry.join()}/${unit.serialNumber}`;
}

/** @returns whether REPORT LUNS is next; undefined when no device answered here */
function* inquire(probe: Probe): Task<boolean | undefined> {
  const { unit, command } = probe;
  const options = {
    retries: RETRIES,
    retryUnitAttention: true,
    quietIllegalRequest: unit.lun > 0,
  };
  let length = SHORT_INQUIRY_BYTES;
  for (;;) {
    // The command writes into the unit's own INQUIRY data: what the host leaves out stays.
    probe.buffer.set(unit.inquiry);
    command.inquiry(probe.bufferGpa, (length + 1) & ~1);
    const error = yield* probe.run(options);
    unit.inquiry.set(probe.buffer.subarray(0, INQUIRY_KEPT_BYTES));
    if (error !== 0) break;
    unit.inquiryCompleted = true;
    const mayReport = unit.lun === 0 && revisionOf(unit.inquiry) > ScsiRevision.spc2;
    if (qualifierOf(unit.inquiry) === Qualifier.connected) {
      const whole = announcedLength(unit.inquiry);
      if (length === SHORT_INQUIRY_BYTES && whole > SHORT_INQUIRY_BYTES) {
        length = whole;
        continue;
      }
      unit.isConfigured = true;
      return mayReport;
    }
    if (!mayReport) break;
    unit.isConfigured = true;
    return true;
  }
  probe.lose();
  return undefined;
}

/** @returns false when LUN 0 itself is not on the list: it was a bogus device */
function* reportLuns(probe: Probe): Task<boolean> {
  const { command } = probe;
  let length = FIRST_REPORT_BYTES;
  for (;;) {
    probe.buffer.fill(0, 0, length);
    command.reportLuns(probe.bufferGpa, length);
    const options = { retries: 5, retryUnitAttention: true };
    if ((yield* probe.run(options)) !== 0) return true;
    const count = readBe32(probe.buffer, 0) >>> 3;
    if (count === 0) return true;
    if (count > (length >> 3) - 1) {
      const wanted = count * 8 + REPORT_HEADER_BYTES;
      // A list that outgrows the buffer, or itself, is no list.
      if (wanted > PROBE_BUFFER_BYTES || wanted <= length) return true;
      length = wanted;
      continue;
    }
    const luns = readLunList(probe.buffer, count);
    if (luns === undefined) return true;
    const zero = luns.indexOf(0);
    if (zero > 0) {
      luns[zero] = luns[0]!;
      luns[0] = 0;
    }
    purgeOld(probe, luns);
    return zero >= 0;
  }
}

/** Units that an older list had and this one has not are gone. */
function purgeOld(probe: Probe, luns: readonly number[]): void {
  const { target } = probe.unit;
  const old = target.reportedLuns;
  target.reportedLuns = luns;
  for (const lun of old ?? []) {
    if (!luns.includes(lun)) probe.cam.lose(target.bus, target.id, lun);
  }
}

/** Peripheral and flat addressing only (SAM-5 4.7); anything else makes the list unusable. */
function readLunList(buffer: Uint8Array, count: number): number[] | undefined {
  const luns: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = REPORT_HEADER_BYTES + index * 8;
    const method = buffer[at]! >> 6;
    if (method > 1) return undefined;
    luns.push(method === 0 ? buffer[at + 1]! : ((buffer[at]! & 0x3f) << 8) | buffer[at + 1]!);
  }
  return luns;
}

/** MODE SENSE of the control page, then the vital product data pages that the unit lists. */
function* learnPages(probe: Probe): Task {
  const { unit, command } = probe;
  const quiet = { retries: RETRIES, retryUnitAttention: true, quiet: true };
  if (hasCommandQueueing(unit.inquiry)) {
    command.modeSense6(CONTROL_MODE_PAGE, probe.bufferGpa, MODE_SENSE_BYTES);
    yield* probe.run(quiet);
  }
  unit.serialNumber = '';
  unit.vpdPages = new Uint8Array(0);
  if (!(yield* vpdPage(probe, VpdPage.supportedPages, quiet))) return;
  const listed = Math.min(probe.buffer[3]!, VPD_BYTES - 4);
  unit.vpdPages = probe.buffer.slice(4, 4 + listed);
  if (unit.vpdPages.includes(VpdPage.deviceIdentification)) {
    yield* vpdPage(probe, VpdPage.deviceIdentification, quiet);
  }
  if (probe.cam.release === 'modern' && unit.vpdPages.includes(EXTENDED_INQUIRY_PAGE)) {
    yield* vpdPage(probe, EXTENDED_INQUIRY_PAGE, quiet);
  }
  if (
    unit.vpdPages.includes(VpdPage.unitSerialNumber) &&
    (yield* vpdPage(probe, VpdPage.unitSerialNumber, quiet))
  ) {
    const bytes = probe.buffer;
    unit.serialNumber = visibleText(bytes, 4, Math.min(bytes[3]!, VPD_BYTES - 4));
  }
}

function* vpdPage(probe: Probe, page: number, options: RecoveryOptions): Task<boolean> {
  probe.buffer.fill(0, 0, VPD_BYTES);
  probe.command.vitalProductData(page, probe.bufferGpa, VPD_BYTES);
  return (yield* probe.run(options)) === 0;
}

function readBe32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  );
}
