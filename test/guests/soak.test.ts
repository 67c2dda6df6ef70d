/** Must show: half an hour of shell work in virtual time, in both tiers and as on this host. */
import { createHash } from 'node:crypto';
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { CpuMode } from '../../src/machine/x86-guest.ts';
import { busyboxPath } from '../../tools/guests/catalog.ts';
import { WORKLOAD, WORKLOAD_MARKER } from '../../tools/guests/scripts.ts';
import { inFolder, run } from '../support/tools.ts';
import { alarms, describeGuest, Session } from './support/session.ts';

const ROUNDS = 6;
/** Between two rounds, so that they fill half an hour. */
const PAUSE_SECONDS = 310;
const LEAST_SECONDS = 1800;

/** What one round prints on this host, by the very same busybox. */
function hostDigest(): string {
  return inFolder((folder) => {
    copyFileSync(busyboxPath(), join(folder, 'busybox'));
    writeFileSync(join(folder, 'workload.sh'), WORKLOAD);
    const printed = run(busyboxPath(), ['sh', join(folder, 'workload.sh'), folder, busyboxPath()]);
    return createHash('sha256').update(printed).digest('hex');
  });
}

function soak(mode: CpuMode): { readonly digest: string; readonly rounds: readonly string[] } {
  const session = new Session({
    guest: 'cloud',
    mode,
    commandLine: `console=ttyS0 quiet synthvm=workload rounds=${ROUNDS} pause=${PAUSE_SECONDS}`,
  });
  expect(session.end(10 * LEAST_SECONDS)).toEqual({ kind: 'power-off' });
  expect(session.machine.clock.nowNs).toBeGreaterThan(LEAST_SECONDS * 1e9);
  expect(alarms(session.output)).toEqual([]);
  const pattern = new RegExp(`${WORKLOAD_MARKER} \\d+ ([0-9a-f]{64})`, 'g');
  const rounds = [...session.output.matchAll(pattern)].map((match) => match[1]!);
  return { digest: session.machine.trace.digest, rounds };
}

describeGuest('cloud', 'kernel under shell work', () => {
  it('computes for half an hour what this host computes, alike in both tiers', () => {
    const [interpreted, compiled] = [soak('interpret'), soak('jit')];
    expect(compiled.rounds).toEqual(Array.from({ length: ROUNDS }, hostDigest));
    expect(interpreted).toEqual(compiled);
  });
});
