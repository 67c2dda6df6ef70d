/** The 8254 programmable interval timer (Intel 8254 data sheet) and the PC's port 61h around it. */

export const PIT_PORT = 0x40;
export const PIT_PORT_COUNT = 4;
export const PIT_CONTROL_PORT = 0x43;
/** "NMI status and control": gate and output of channel 2, speaker, refresh toggle. */
export const SYSTEM_CONTROL_PORT = 0x61;

/** Input clock in hertz. */
export const PIT_HZ = 1_193_182;

/** Control word: bits 7:6 channel (3: read-back), 5:4 access, 3:1 mode, 0 BCD. */
export const PitAccess = { latch: 0, low: 1, high: 2, lowThenHigh: 3 } as const;
export const READ_BACK_CHANNEL = 3;

export const PitMode = {
  terminalCount: 0,
  oneShot: 1,
  rateGenerator: 2,
  squareWave: 3,
  softwareStrobe: 4,
  hardwareStrobe: 5,
} as const;

/** Read-back command: a clear bit asks for the latch. */
export const ReadBack = {
  noCount: 0x20,
  noStatus: 0x10,
} as const;

/** Status byte; bits 5:0 repeat the control word. */
export const PitStatus = {
  output: 0x80,
  nullCount: 0x40,
} as const;

export const SystemControl = {
  timer2Gate: 0x01,
  speaker: 0x02,
  refreshToggle: 0x10,
  timer2Output: 0x20,
} as const;

/** Counts of channel 1 between two memory refreshes: the toggle changes once in each. */
export const REFRESH_COUNTS = 18;

/**
 * How some Hyper-V hosts' emulated 8254 strays (FreeBSD commit 07acbd8a3771 and PR 205156's logs):
 * within a period the latched count of channel 0 runs ahead, and shortly after each reload it is
 * put right, so that it jumps up. Only reads stray; interrupts come at the true time.
 */
export interface PitAnomaly {
  /** Counts that a period gains, and by which the count then jumps up. */
  readonly aheadCounts: number;
  /** The jump comes this many shown counts after the shown reload. */
  readonly reanchorAfter: number;
  /** Counts of the period that are already over when the guest loads the counter. */
  readonly startPhase: number;
}
