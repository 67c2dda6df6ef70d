/** The scan of one target: the LUN rules of scsi_scan_bus in cam/scsi/scsi_xpt.c. */
import type { Task } from '../kernel/api.ts';
import { revisionOf, ScsiRevision } from './inquiry.ts';
import { probeUnit, PROBE_BUFFER_PAGES, type Prober } from './probe.ts';
import type { LogicalUnit, Target } from './topology.ts';

/** CAM_SCSI2_MAXLUN: LUNs that SCSI-2 could address. */
const SCSI2_LUNS = 8;

/**
 * Probes the LUNs of a target in sequence, from LUN 0 on.
 * @param firstDone called when LUN 0 has been probed
 */
export function* scanTarget(cam: Prober, target: Target, firstDone: () => void): Task {
  const { kernel } = cam;
  const bufferGpa = kernel.allocatePages(PROBE_BUFFER_PAGES);
  let lun = 0;
  let listIndex = 0;
  while (!target.bus.isGone) {
    const unit = target.obtain(lun);
    yield* probeUnit(cam, unit, bufferGpa);
    if (lun === 0) firstDone();
    const list = target.reportedLuns;
    let next: number;
    if (list === undefined) {
      next = nextLun(unit);
    } else {
      if (list[0] === 0 && listIndex === 0) listIndex = 1;
      next = list[listIndex] ?? -1;
      listIndex += 1;
      if (next < 0 && list[0] !== 0) loseBogusZero(cam, target);
    }
    if (!unit.isConfigured) target.forget(unit);
    if (next < 0) break;
    lun = next;
  }
  kernel.freePages(bufferGpa, PROBE_BUFFER_PAGES);
}

/** LUN 0 answered for the list alone; nothing is there. */
function loseBogusZero(cam: Prober, target: Target): void {
  const zero = target.find(0);
  if (zero === undefined) return;
  cam.lose(target.bus, target.id, 0);
  target.forget(zero);
}

/**
 * The rule without REPORT LUNS. After a unit that is there: on, past LUN 7 only when that very unit
 * is newer than SCSI-2. After one that is not: on up to LUN 7, but an INQUIRY that failed at LUN 0
 * ends the target unless other units are known on it.
 *
 * CAM's source ends the target for an absent LUN 0 whichever way its INQUIRY told so; the logs of
 * r300656 and D7521 say that only the failed one did, which is why "device not there" lost
 * hot-added disks. This follows the logs.
 * @returns -1 at the end
 */
function nextLun(unit: LogicalUnit): number {
  const { lun, target } = unit;
  let goesOn: boolean;
  if (unit.isConfigured) {
    goesOn = lun < SCSI2_LUNS - 1 || revisionOf(unit.inquiry) > ScsiRevision.scsi2;
  } else {
    const hasOthers = target.units.some((other) => other.lun !== 0 && other.isConfigured);
    goesOn = (lun !== 0 || hasOthers || unit.inquiryCompleted) && lun < SCSI2_LUNS - 1;
  }
  return goesOn && lun + 1 <= target.bus.sim.inquiry.maxLun ? lun + 1 : -1;
}
