/**
 * Tier 0's decoded form: one record for each instruction, in the linear memory. A block is a head and
 * then its instructions, the last of which leaves the block.
 */
export const RECORD_BYTES = 32;

/** Offsets in a record of an instruction. */
export const RecordField = {
  /** u32: table index of the handler. */
  handler: 0,
  /** u16 each: where operands 0 and 1 are in the state block, for registers. */
  operand0: 4,
  operand1: 6,
  /** u8 each: base and index register in the state block; `ZERO` where there is none. */
  base: 8,
  index: 9,
  /** u8: shift of the index. */
  scale: 10,
  /** u8: bytes of the instruction. */
  length: 11,
  /** u16: instructions of the block from this one on. */
  remaining: 14,
  /** i64 */
  displacement: 16,
  /** i64; for an instruction that is a function, its number. */
  immediate: 24,
} as const;

/** Offsets in a block's head, beside `handler`, which is unused there. */
export const HeadField = {
  /** u32: instructions. */
  instructions: 4,
  /** u32: times entered. */
  count: 8,
  /** u32: the count at which it is worth compiling; 0: never. */
  threshold: 12,
} as const;
