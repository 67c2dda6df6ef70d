/** GPA descriptor lists (hyperv-host.md 2.4). */
import { struct, u32 } from '../../core/wire.ts';

/**
 * Head of one range, followed by ceil((byteOffset + byteCount) / 4096) page frame numbers of eight
 * bytes. GPA-direct packets and GPADL messages both use it.
 */
export const GpaRange = struct('GpaRange', 8, { byteCount: u32, byteOffset: u32 });

/** Page frame numbers that fit after the range head in one GpadlHeader message. */
export const GPADL_HEADER_PFNS = 26;
/** Page frame numbers that fit in one GpadlBody message. */
export const GPADL_BODY_PFNS = 28;
