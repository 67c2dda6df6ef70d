/** A host that asks the guest for its key-value pairs, and the guest's daemon. */
import { NS_PER_MS } from '../../src/core/clock.ts';
import type { IcSoftState } from '../../src/guest/ic/drivers.ts';
import type { KvpDaemon } from '../../src/guest/ic/kvp-daemon.ts';
import type { Run } from './run.ts';

/** Longer than the host waits for an answer. */
const PATIENCE_SECONDS = 10;

export interface KvpAnswer {
  /** `answered` or `timeout`: after 5 s the host gives up. */
  readonly outcome: string;
  /** From the request to its end. */
  readonly ms: number;
}

export function daemonOf(run: Run): KvpDaemon {
  const states = run.bus.devices.map(({ softState }) => softState as Partial<IcSoftState>);
  return states.find((state) => state?.daemon !== undefined)!.daemon!;
}

/** Asks for the name of the guest's system, and waits. */
export function askForName(run: Run): KvpAnswer {
  const startNs = run.nowNs;
  const answers: KvpAnswer[] = [];
  run.board.integration.keyValuePair.enumerate('auto', 5, (outcome) => {
    answers.push({ outcome, ms: (run.nowNs - startNs) / NS_PER_MS });
  });
  run.until(() => answers.length > 0, PATIENCE_SECONDS);
  return answers[0]!;
}
