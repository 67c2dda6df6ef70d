import type { Random } from '../core/random.ts';

/** What is delayed, and what that stands for. */
const KINDS = [
  /** A processor's next turn: the host runs something else on it. */
  'turn',
  /** The wake-up of a processor that waits for an interrupt. */
  'wake',
  /** Messages to the guest, which stay in order. */
  'message',
  /** Signals of channels, which overtake messages and each other. */
  'signal',
  /** The host's own work: opening and closing of channels. */
  'work',
] as const;
export type Kind = (typeof KINDS)[number];

const NS_PER_US = 1_000;
/** What a seed may choose as the longest delay of a kind; 0 leaves the kind alone. */
const LONGEST_NS: readonly number[] = [
  0,
  NS_PER_US,
  10 * NS_PER_US,
  100 * NS_PER_US,
  1_000 * NS_PER_US,
];
/** Opening a channel may take a host far longer than a message does. */
const SCALE: Readonly<Record<Kind, number>> = { turn: 1, wake: 1, message: 1, signal: 1, work: 10 };
/** How often a kind is delayed: one time in so many. */
const ONE_IN: readonly number[] = [2, 8, 32];
/** A delay is up to this many halvings shorter than the longest. */
const HALVINGS = 8;
const WORDS = 0x1_0000_0000;

interface Strength {
  readonly longestNs: number;
  readonly threshold: number;
}

/** Decisions by number: from the first of them to the one before `end`, which may be Infinity. */
export interface DecisionRange {
  readonly first: number;
  readonly end: number;
}
/** Decisions that take effect: ranges in ascending order, none of which touch. */
export type Decisions = readonly DecisionRange[];

export const ALL_DECISIONS: Decisions = [{ first: 0, end: Infinity }];

/** A decision that delayed something. */
export interface DecisionEffect {
  readonly decision: number;
  readonly kind: Kind;
  readonly delayNs: number;
}

/** A run has tens of thousands of decisions at most; a guest that loops has any number. */
const KEPT_EFFECTS = 50_000;

/**
 * Delays by the seed, to reach interleavings that an undisturbed machine does not come to. Each seed
 * first chooses how strong every kind is, since one race wants long delays and another none. What is
 * delayed stays what a host may do to a guest.
 */
export class Perturbation {
  readonly #random: Random;
  readonly #strengths: Readonly<Record<Kind, Strength>>;
  readonly #decided: Decisions;
  /** Index of the range that is under way or comes next. */
  #range = 0;
  /** The first ones. */
  readonly effects: DecisionEffect[] = [];
  #decisions = 0;
  #delays = 0;

  /** @param decided decisions that take effect; default all */
  constructor(random: Random, decided: Decisions = ALL_DECISIONS) {
    this.#random = random.split('decisions');
    this.#decided = decided;
    const choice = random.split('strengths');
    const entries = KINDS.map((kind): [Kind, Strength] => {
      const longestNs = SCALE[kind] * LONGEST_NS[choice.below(LONGEST_NS.length)]!;
      return [kind, { longestNs, threshold: WORDS / ONE_IN[choice.below(ONE_IN.length)]! }];
    });
    this.#strengths = Object.fromEntries(entries) as Record<Kind, Strength>;
  }

  /** How many decisions there were. */
  get decisions(): number {
    return this.#decisions;
  }

  /** How many of them delayed something. */
  get delays(): number {
    return this.#delays;
  }

  /** @returns nanoseconds of delay; every call is a decision, whether or not it takes effect */
  delayNs(kind: Kind): number {
    const chance = this.#random.u32();
    const length = this.#random.u32();
    const decision = this.#decisions;
    this.#decisions += 1;
    if (!this.#takesEffect(decision)) return 0;
    const { longestNs, threshold } = this.#strengths[kind];
    if (longestNs === 0 || chance >= threshold) return 0;
    const halvings = (length >>> 16) % HALVINGS;
    const delayNs = Math.floor((longestNs * (1 + (length & 0xffff))) / 0x1_0000 / 2 ** halvings);
    this.#delays += 1;
    if (this.effects.length < KEPT_EFFECTS) this.effects.push({ decision, kind, delayNs });
    return delayNs;
  }

  #takesEffect(decision: number): boolean {
    let range = this.#decided[this.#range];
    while (range !== undefined && decision >= range.end) {
      this.#range += 1;
      range = this.#decided[this.#range];
    }
    return range !== undefined && decision >= range.first;
  }
}
