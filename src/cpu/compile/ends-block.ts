/** Where a block must end, besides at branches. */
import type { BoundInstruction } from '../semantics/bind.ts';
import { meaningFor } from '../semantics/meanings.ts';
import { type Encoding, Trait } from '../table/row.ts';

/** System instructions after which nothing is different for those that follow. */
const HARMLESS = new Set([
  'pushf',
  'cpuid',
  'rdtsc',
  'rdtscp',
  'rdpmc',
  'rdrand',
  'sldt',
  'str',
  'sgdt',
  'sidt',
  'smsw',
  'lar',
  'lsl',
  'verr',
  'verw',
  'arpl',
  'bound',
  'enter',
  'xlat',
  'cmpxchg8b',
  'cmpxchg16b',
  'rdfsbase',
  'rdgsbase',
  'wrfsbase',
  'wrgsbase',
  'swapgs',
  'cli',
  'sti',
  'clflush',
  'movs',
  'stos',
  'lods',
  'cmps',
  'scas',
  'pop',
  'crc32',
]);

const SEGMENTS = new Set(['ES', 'CS', 'SS', 'DS', 'FS', 'GS']);

/** By row: 0 goes on, 1 ends, 2 ends where it is a function. */
const known: number[] = [];
const GOES_ON = 0;
const ENDS = 1;
const ENDS_AS_FUNCTION = 2;

function find({ traits, unit, mnemonic, operands }: Encoding): number {
  if ((traits & Trait.branch) !== 0) return ENDS;
  if (unit !== 'general') return GOES_ON;
  if (!HARMLESS.has(mnemonic)) return ENDS_AS_FUNCTION;
  // POP of a segment register may change the mode.
  return operands.some(({ text }) => SEGMENTS.has(text)) ? ENDS : GOES_ON;
}

export function endsBlock(bound: BoundInstruction): boolean {
  const { row } = bound;
  const ends = (known[row.index] ??= find(row));
  return ends === ENDS || (ends === ENDS_AS_FUNCTION && meaningFor(bound) === undefined);
}
