/**
 * A network adapter shares 31 MB with the host, page by page in 285 messages, and a host that is
 * short of message buffers refuses them. 10.2 tries each eight times and gives up; the last try
 * comes 11.3 ms after the first. Backing off, it would have got through (freebsd-bis.md 4, S6).
 */
import { scenario } from 'synthvm';
import { findsRoot, inside, legacy } from './support/machines.ts';

/** As many messages may wait at the host; fewer than the receive buffer alone needs. */
const BUFFERS = 128;
const MESSAGES = 285;
const INSUFFICIENT_BUFFERS = 0x13;
const STATUS = 4;
const END_OF_ATTACH = /hn0: (?:Ethernet address|\w+ GPADL connect failed|.*attach returned).*\n/;

for (const [mode, postBackoff, hostMs, isAttached] of [
  ['broken', false, 20, false],
  ['fixed', true, 20, true],
  ['broken, within its last try', false, 11, true],
  ['broken, behind its last try', false, 12, false],
] as const) {
  scenario(
    `S6 ${mode}: a host that needs ${hostMs} ms for a message`,
    { ...legacy, memory: '128M', nics: 1, set: { ...findsRoot, postBackoff } },
    async ({ vm, expect, note }) => {
      vm.vmbus.credits({ buffers: BUFFERS, perMessage: `${hostMs}ms` });
      let [refused, tries, mostInARow, firstNs, tryNs, longestNs] = [0, 0, 0, -1, 0, 0];
      const stop = inside(vm).machine.trace.subscribe((nowNs, type, values) => {
        if (type.category !== 'hypervisor' || type.name !== 'post-message') return;
        if (values[STATUS] !== INSUFFICIENT_BUFFERS) {
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
      await vm.console.wait(END_OF_ATTACH, { within: '60s' });
      stop();
      const seconds = firstNs < 0 ? 0 : (vm.time.ns - firstNs) / 1e9;
      note('refused', refused);
      note('from the first refusal to the end, s', seconds);
      expect(vm.console.text.includes('hn0: Ethernet address')).toBe(isAttached);
      if (mode === 'broken') {
        expect(mostInARow).toBe(8);
        note('from the first try to the last, ms', longestNs / 1e6);
        expect(longestNs / 1e6).toBeGreaterThanOrEqual(11.3);
        expect(longestNs / 1e6).toBeLessThan(11.4);
        expect(seconds).toBeLessThan(0.05);
        expect(vm.console.text).toContain('hn0: rxbuf GPADL connect failed');
      } else if (mode === 'fixed') {
        // All messages but for those that the buffers take, 20 ms each.
        expect(refused).toBeGreaterThan(MESSAGES);
        expect(seconds).toBeGreaterThan((MESSAGES - BUFFERS) * 0.02);
        expect(seconds).toBeLessThan(4);
      }
    },
  );
}
