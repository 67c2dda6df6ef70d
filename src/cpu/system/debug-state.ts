/** Debug traps on their way: bits of DR6 that the instruction that executes has earned beside data breakpoints. */
export const pendingDebug = { bits: 0 };
