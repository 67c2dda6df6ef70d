/**
 * The buffers of a network adapter: from Windows Server 2016 on, a host lets go of their GPADLs only
 * after the channel is closed. A driver that tears them down before waits for answers that do not
 * come, here at a change of the MTU, which takes the adapter down and up (freebsd-bis.md S11).
 */
import { NS_PER_SECOND } from '../src/core/clock.ts';
import { show } from './support/report.ts';
import { Run } from './support/run.ts';

const MEMORY_BYTES = 128 * 1024 * 1024;

export interface Facts {
  /** Virtual time that `ifconfig hn0 mtu 9000` takes. */
  readonly seconds: number;
  readonly mtu: number;
  /** The adapter works again afterwards. */
  readonly canPing: boolean;
}

/** @param host before 2016 the other order is the right one, and both drivers keep it */
export function changeMtu(
  gpadlTeardown: 'beforeClose' | 'byVersion',
  host: 'ws2012r2' | 'ws2022' = 'ws2022',
): Facts {
  const run = new Run({
    host,
    switches: { gpadlTeardown },
    networkAdapters: 1,
    memoryBytes: MEMORY_BYTES,
  });
  run.boot().login();
  const startNs = run.nowNs;
  run.type('ifconfig hn0 mtu 9000');
  const seconds = (run.nowNs - startNs) / NS_PER_SECOND;
  return {
    seconds,
    mtu: Number(/mtu (\d+)/.exec(run.type('ifconfig hn0'))?.[1]),
    canPing: run.type('ping -c 1 192.168.100.1').includes('1 packets received'),
  };
}

export const broken = (): Facts => changeMtu('beforeClose');
export const fixed = (): Facts => changeMtu('byVersion');

if (import.meta.main) {
  show({
    title: 'S11 A change of the MTU on a Windows Server 2022 host',
    broken,
    fixed,
    rows: {
      'seconds until the prompt': (facts) => facts.seconds.toFixed(2),
      MTU: (facts) => facts.mtu,
      'works afterwards': (facts) => facts.canPing,
    },
    lookFor: 'ten seconds: two buffers, and five seconds of waiting for each.',
  });
}
