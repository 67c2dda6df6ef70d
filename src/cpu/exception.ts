/** Exceptions on their way from an instruction to the processor's delivery. */

/** Vectors 0 to 31 (SDM volume 3, Table 7-1). */
export const Vector = {
  divideError: 0,
  debug: 1,
  nmi: 2,
  breakpoint: 3,
  overflow: 4,
  boundRange: 5,
  invalidOpcode: 6,
  deviceNotAvailable: 7,
  doubleFault: 8,
  invalidTss: 10,
  segmentNotPresent: 11,
  stackFault: 12,
  generalProtection: 13,
  pageFault: 14,
  x87Error: 16,
  alignmentCheck: 17,
  machineCheck: 18,
  simdError: 19,
} as const;

/** `errorCode` of an exception that pushes none. */
export const NO_ERROR_CODE = -1;

/**
 * Thrown by whatever executes an instruction, caught by the run loop. One object for all: it is made
 * once, since an exception is no error of ours and needs no stack trace.
 */
export class CpuException {
  vector = 0;
  errorCode = NO_ERROR_CODE;
}

const thrown = new CpuException();

/**
 * Raises a fault: the instruction has changed no register and no memory that counts.
 * @param errorCode pushed by delivery; {@link NO_ERROR_CODE}: none
 */
export function raise(vector: number, errorCode: number = NO_ERROR_CODE): never {
  thrown.vector = vector;
  thrown.errorCode = errorCode;
  // eslint-disable-next-line no-throw-literal -- guest exceptions are no Errors
  throw thrown;
}
