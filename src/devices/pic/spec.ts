/** Two 8259A interrupt controllers as a PC wires them: Intel 8259A data sheet (231468). */

export const PIC_MASTER_PORT = 0x20;
export const PIC_SLAVE_PORT = 0xa0;
/** Edge/level control registers, master then slave (82371 PIIX data sheet). */
export const ELCR_PORT = 0x4d0;
/** The slave's output is the master's input 2. */
export const CASCADE_INPUT = 2;

/** First word to the command port: initialization. */
export const ICW1 = 0x10;
export const ICW1_NEEDS_ICW4 = 0x01;
export const ICW1_SINGLE = 0x02;
export const ICW4_AUTO_EOI = 0x02;
export const ICW4_SPECIAL_FULLY_NESTED = 0x10;

/** Command port without ICW1: OCW3 when this bit is set, else OCW2. */
export const OCW3 = 0x08;
export const OCW3_READ_SELECT = 0x02;
export const OCW3_READ_ISR = 0x01;
export const OCW3_POLL = 0x04;
export const OCW3_MASK_SELECT = 0x40;
export const OCW3_SPECIAL_MASK = 0x20;

/** OCW2 bits 7:5. */
export const Ocw2 = {
  clearRotateOnAutoEoi: 0,
  endOfInterrupt: 1,
  none: 2,
  specificEndOfInterrupt: 3,
  setRotateOnAutoEoi: 4,
  rotateOnEndOfInterrupt: 5,
  setPriority: 6,
  rotateOnSpecificEndOfInterrupt: 7,
} as const;

/** Inputs that may be level-triggered: timer, keyboard, cascade, clock and coprocessor may not. */
export const ELCR_MASTER_WRITABLE = 0xf8;
export const ELCR_SLAVE_WRITABLE = 0xde;
