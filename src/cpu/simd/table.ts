/** SIMD instructions that are too long to be written in vector operations, by mnemonic. */
import type { FloatInstruction } from '../float/context.ts';
import * as aes from './aes.ts';
import { leastWord, sumsOfDifferences } from './block-search.ts';
import { carrylessMultiply, crcOfByte, crcOfWord } from './checksum.ts';
import { toIndex, toMask } from './string-compare.ts';

/** By mnemonic, or mnemonic and operands where two rows differ. */
export const SIMD_INSTRUCTIONS: ReadonlyMap<string, FloatInstruction> = new Map([
  ['aesenc', aes.encrypt],
  ['aesenclast', aes.encryptLast],
  ['aesdec', aes.decrypt],
  ['aesdeclast', aes.decryptLast],
  ['aesimc', aes.inverseMixColumns],
  ['aeskeygenassist', aes.assistKey],
  ['pclmulqdq', carrylessMultiply],
  ['crc32 Gy,Eb', crcOfByte],
  ['crc32 Gy,Ev', crcOfWord],
  ['pcmpestri', toIndex(true)],
  ['pcmpestrm', toMask(true)],
  ['pcmpistri', toIndex(false)],
  ['pcmpistrm', toMask(false)],
  ['mpsadbw', sumsOfDifferences],
  ['phminposuw', leastWord],
]);
