/**
 * A network adapter shares 31 MB with the host, page by page in 285 messages, and a host that is
 * short of message buffers refuses them. 10.2 tries each eight times and gives up; the last try
 * comes 11.3 ms after the first. Backing off, it would have got through (freebsd-bis.md 4, S6).
 */
import { NS_PER_MS, NS_PER_SECOND } from '../src/core/clock.ts';
import { HvStatus } from '../src/hypervisor/spec/hypercalls.ts';
import { messagePosted } from '../src/hypervisor/trace.ts';
import { legacy, Run } from './support/run.ts';
import { show } from './support/report.ts';

const MEMORY_BYTES = 128 * 1024 * 1024;
/** As many messages may wait at the host; fewer than the receive buffer alone needs. */
const BUFFERS = 128;
/** What the host needs for one of them. */
const SLOW_HOST_MS = 20;
const PATIENCE_SECONDS = 60;
const END_OF_ATTACH = /hn0: (?:Ethernet address|\w+ GPADL connect failed|.*attach returned)/;

export interface Facts {
  readonly isAttached: boolean;
  /** From the first refusal to the end of the attach, in seconds. */
  readonly seconds: number;
  /** Posts that met "insufficient buffers". */
  readonly refused: number;
  /** Of these, the most in a row. */
  readonly mostInARow: number;
  /** From the first of a row to its last, at most. */
  readonly longestRowMs: number;
  readonly lines: readonly string[];
}

/** @param hostMs how long the host needs for a message */
export function attach(postBackoff: boolean, hostMs = SLOW_HOST_MS): Facts {
  const run = new Run({
    ...legacy,
    switches: { postBackoff },
    hostProfile: { messageRate: { buffers: BUFFERS, perMessageNs: hostMs * NS_PER_MS } },
    networkAdapters: 1,
    memoryBytes: MEMORY_BYTES,
  });
  let [refused, tries, mostInARow, firstNs, tryNs, longestNs] = [0, 0, 0, -1, 0, 0];
  run.machine.trace.subscribe((nowNs, type, values) => {
    if (type !== messagePosted || END_OF_ATTACH.test(run.text)) return;
    if (values[4] !== HvStatus.is.insufficientBuffers) {
      tries = 0;
      return;
    }
    refused += 1;
    tries += 1;
    if (tries === 1) tryNs = nowNs;
    if (firstNs < 0) firstNs = nowNs;
    mostInARow = Math.max(mostInARow, tries);
    longestNs = Math.max(longestNs, nowNs - tryNs);
  });
  run.powerOn();
  run.until(() => END_OF_ATTACH.test(run.text), PATIENCE_SECONDS);
  return {
    isAttached: run.text.includes('hn0: Ethernet address'),
    seconds: firstNs < 0 ? 0 : (run.nowNs - firstNs) / NS_PER_SECOND,
    refused,
    mostInARow,
    longestRowMs: longestNs / NS_PER_MS,
    lines: run.linesWith('hn0'),
  };
}

export const broken = (): Facts => attach(false);
export const fixed = (): Facts => attach(true);

if (import.meta.main) {
  show({
    title: `S6 A host with ${BUFFERS} message buffers that needs ${SLOW_HOST_MS} ms for a message`,
    broken,
    fixed,
    rows: {
      'adapter attached': (facts) => facts.isAttached,
      'seconds after the first refusal': (facts) => facts.seconds.toFixed(3),
      'posts refused': (facts) => facts.refused,
      'most in a row': (facts) => facts.mostInARow,
      'first to last of a row, ms': (facts) => facts.longestRowMs.toFixed(1),
    },
    excerpt: (facts) => facts.lines,
    lookFor: 'eight tries within 11.3 ms; a host that frees a buffer every 20 ms is never in time.',
  });
}
