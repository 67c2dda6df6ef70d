/** Where a block must end, besides at branches. */
import { meaningOf } from '../semantics/meanings.ts';
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
  'clflush',
  'movs',
  'stos',
  'lods',
  'cmps',
  'scas',
  'pop',
  'crc32',
]);

export function endsBlock(row: Encoding): boolean {
  if ((row.traits & Trait.branch) !== 0) return true;
  if (row.unit !== 'general' || HARMLESS.has(row.mnemonic)) {
    // POP of a segment register may change the mode.
    return row.operands.some(({ letter }) => letter.length === 2 && letter.endsWith('S'));
  }
  return meaningOf(row) === undefined;
}
