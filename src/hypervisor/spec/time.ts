/** HV_REFERENCE_TSC_PAGE: TLFS "Partition Reference Time Enlightenment". */
import { struct, u32, u64 } from '../../core/wire.ts';

/**
 * The first 24 bytes of the page; the rest is reserved.
 * reference time = ((TSC * scale) >> 64) + offset, unless `sequence` is 0: then the MSR counts.
 */
export const ReferenceTscPage = struct('ReferenceTscPage', 24, {
  sequence: u32,
  reserved: u32,
  scale: u64,
  offset: u64,
});
