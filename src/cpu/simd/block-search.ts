/** MPSADBW and PHMINPOSUW, which together find where a block of pixels fits best. */
import { FloatFault, type FloatInstruction } from '../float/context.ts';

/** Sums of four absolute differences, at eight offsets of the destination. */
export const sumsOfDifferences: FloatInstruction = (context, destination, source, immediate) => {
  const { u8, view, words } = context;
  const from = destination + ((immediate & 4) === 0 ? 0 : 4);
  const block = source + 4 * (immediate & 3);
  for (let i = 0; i < 8; i++) {
    let sum = 0;
    for (let j = 0; j < 4; j++) sum += Math.abs(u8[from + i + j]! - u8[block + j]!);
    words[i] = sum;
  }
  for (let i = 0; i < 8; i++) view.setUint16(destination + 2 * i, words[i]!, true);
  return FloatFault.none;
};

/** The least of eight words and its index. */
export const leastWord: FloatInstruction = ({ view }, destination, source) => {
  let least = 0x1_0000;
  let index = 0;
  for (let i = 0; i < 8; i++) {
    const word = view.getUint16(source + 2 * i, true);
    if (word >= least) continue;
    least = word;
    index = i;
  }
  view.setUint32(destination, least | (index << 16), true);
  view.setUint32(destination + 4, 0, true);
  view.setUint32(destination + 8, 0, true);
  view.setUint32(destination + 12, 0, true);
  return FloatFault.none;
};
