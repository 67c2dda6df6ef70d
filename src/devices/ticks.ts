import { NS_PER_SECOND } from '../core/clock.ts';

/**
 * Whole ticks of a fixed clock at a virtual time. Seconds are split off first, since nanoseconds
 * times a frequency would pass 2^53 within seconds.
 */
export function ticksAt(timeNs: number, hertz: number): number {
  const seconds = Math.floor(timeNs / NS_PER_SECOND);
  const rest = timeNs - seconds * NS_PER_SECOND;
  return seconds * hertz + Math.floor((rest * hertz) / NS_PER_SECOND);
}

/** The first nanosecond at which `ticksAt` gives a tick. */
export function nsOfTick(tick: number, hertz: number): number {
  const seconds = Math.floor(tick / hertz);
  const rest = tick - seconds * hertz;
  return seconds * NS_PER_SECOND + Math.ceil((rest * NS_PER_SECOND) / hertz);
}
