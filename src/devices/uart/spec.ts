/** The 16550A serial port (National Semiconductor PC16550D data sheet, "Registers"). */

/** Ports and ISA interrupts that a PC gives its serial ports. */
export const SERIAL_PORTS = {
  com1: { port: 0x3f8, irq: 4 },
  com2: { port: 0x2f8, irq: 3 },
  com3: { port: 0x3e8, irq: 4 },
  com4: { port: 0x2e8, irq: 3 },
} as const;

export const UART_PORT_COUNT = 8;

/** Register offsets. `data` and `interruptEnable` become the divisor latch while LCR.DLAB is set. */
export const UartRegister = {
  /** Read: receiver buffer. Write: transmitter holding. DLAB: divisor low. */
  data: 0,
  /** DLAB: divisor high. */
  interruptEnable: 1,
  /** Read: interrupt identification. Write: FIFO control. */
  interruptIdAndFifoControl: 2,
  lineControl: 3,
  modemControl: 4,
  lineStatus: 5,
  modemStatus: 6,
  scratch: 7,
} as const;

export const InterruptEnable = {
  receivedData: 0x01,
  transmitterEmpty: 0x02,
  lineStatus: 0x04,
  modemStatus: 0x08,
} as const;

/** Values of IIR bits 3:0, highest priority first; `none` has bit 0 set. */
export const InterruptId = {
  lineStatus: 0x06,
  receivedData: 0x04,
  characterTimeout: 0x0c,
  transmitterEmpty: 0x02,
  modemStatus: 0x00,
  none: 0x01,
  fifosEnabled: 0xc0,
} as const;

export const FifoControl = {
  enable: 0x01,
  clearReceiver: 0x02,
  clearTransmitter: 0x04,
} as const;

/** Bytes in the receiver FIFO that raise an interrupt, by FCR bits 7:6. */
export const FIFO_TRIGGER_LEVELS = [1, 4, 8, 14] as const;
export const FIFO_BYTES = 16;

export const LineControl = {
  wordLength: 0x03,
  twoStopBits: 0x04,
  parity: 0x08,
  breakControl: 0x40,
  divisorLatchAccess: 0x80,
} as const;

export const ModemControl = {
  dataTerminalReady: 0x01,
  requestToSend: 0x02,
  out1: 0x04,
  /** On a PC this gates the interrupt line. */
  out2: 0x08,
  loopback: 0x10,
} as const;

export const LineStatus = {
  dataReady: 0x01,
  overrunError: 0x02,
  parityError: 0x04,
  framingError: 0x08,
  breakInterrupt: 0x10,
  transmitterHoldingEmpty: 0x20,
  transmitterEmpty: 0x40,
  /** An error is somewhere in the receiver FIFO. */
  fifoError: 0x80,
  errors: 0x1e,
} as const;

export const ModemStatus = {
  deltaClearToSend: 0x01,
  deltaDataSetReady: 0x02,
  trailingEdgeRing: 0x04,
  deltaCarrierDetect: 0x08,
  clearToSend: 0x10,
  dataSetReady: 0x20,
  ringIndicator: 0x40,
  carrierDetect: 0x80,
} as const;

/** The crystal of a PC's serial port, hertz; a bit takes 16 times the divisor. */
export const UART_CLOCK_HZ = 1_843_200;
