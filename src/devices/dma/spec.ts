/**
 * The PC's two 8237A DMA controllers (Intel 8237A data sheet) and the page registers beside them, as the
 * 82371AB data sheet, 4.2, places them. The second one moves words; its ports are two apart.
 */

export const DMA_PORT = 0x00;
export const DMA_PORT_COUNT = 0x10;
export const DMA_WORD_PORT = 0xc0;
export const DMA_WORD_PORT_COUNT = 0x20;
export const DMA_PAGE_PORT = 0x80;
export const DMA_PAGE_PORT_COUNT = 0x10;

/** Channels of one controller. */
export const DMA_CHANNELS = 4;
/** Channel 4 carries the first controller's request. */
export const CASCADE_CHANNEL = 4;

/** Registers of a controller from 8 on; below them are address and count of each channel. */
export const DmaRegister = {
  /** Written: command. */
  status: 0x8,
  request: 0x9,
  mask: 0xa,
  mode: 0xb,
  clearPointer: 0xc,
  /** Read: the temporary register of memory-to-memory transfers, which the PC has no use for. */
  masterClear: 0xd,
  clearMask: 0xe,
  maskAll: 0xf,
} as const;

export const DmaCommand = { disable: 0x04 } as const;
/** Single mask register, and request register: the bit that sets. */
export const DMA_SET_BIT = 0x04;

export const DmaMode = {
  channelMask: 0x03,
  transferMask: 0x0c,
  toMemory: 0x04,
  fromMemory: 0x08,
  autoInitialize: 0x10,
  decrement: 0x20,
  single: 0x40,
  selectMask: 0xc0,
  cascade: 0xc0,
} as const;

/** Page register of each channel, as an offset from the first; undefined: the cascade has none. */
export const DMA_PAGE_OF_CHANNEL: readonly (number | undefined)[] = [
  0x7,
  0x3,
  0x1,
  0x2,
  undefined,
  0xb,
  0x9,
  0xa,
];
