/** Fixed places of the function table and of the jump cache. */

/** Table entries that every machine has, before blocks and handlers. */
export const TableIndex = {
  /** Leaves for a look-up: also what an empty jump cache entry leads to. */
  miss: 0,
  /** The six flags, type `query`. */
  flags: 1,
  /** Goes to the block at RIP through the jump cache. */
  dispatch: 2,
  /** Tier 0's way into a block; the parameter is its record. */
  enterRecord: 3,
  /** A link that leads nowhere yet; the parameter is the slot. */
  unlinked: 4,
  /** A link to what is not compiled: the jump cache leads there; the parameter is the slot. */
  throughCache: 5,
  /** See quick-calls.ts. */
  quickMovs: 6,
  quickStos: 7,
  quickSti: 8,
  /** See page-walk.ts. */
  walk: 9,
  /** What the run loop calls; their first parameters are those of `dispatch` and `enterRecord`. */
  runFromRip: 10,
  runFromRecord: 11,
  /** See slow-paths.ts. */
  slowPaths: 12,
  first: 24,
} as const;

/** Fields of a link slot: where an exit goes, and the target's place in the page. */
export const LinkSlot = { tableIndex: 0, parameter: 4, offset: 8, bytes: 16 } as const;

/**
 * Where in a block a slow path is: instructions left from there on, and in tier 1 the place in the page. With
 * an access comes the power of 2 that its bytes are.
 */
export const Site = {
  shift: 16,
  tier1: 0x8000,
  sizeShift: 12,
  sizeMask: 7,
  offsetMask: 0xfff,
} as const;
