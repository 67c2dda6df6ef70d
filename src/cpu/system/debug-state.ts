/** Debug traps on their way from the instruction that executes. */
export const pendingDebug = {
  /** Bits of DR6 beside those of breakpoints on data. */
  bits: 0,
  /** The instruction entered a handler by itself, with TF cleared: no single step trap follows it. */
  isStepTaken: false,
};
