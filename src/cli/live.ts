import type { Ending } from '../machine/endings.ts';
import type { Machine } from '../machine/machine.ts';
import type { Interrupts } from './interrupts.ts';
import type { Output } from './output.ts';
import { attachTerminal } from './terminal.ts';

/** How often the console is served while someone types at it. */
const TICK_MS = 10;
const STEPS_PER_TICK = 200_000;

/**
 * Gives the terminal to the guest's console until the user leaves or the guest ends. Virtual time
 * keeps pace with the wall here, so that the guest's clock runs as a person expects.
 */
export async function runLive(
  machine: Machine,
  output: Output,
  quiet: boolean,
  interrupts: Interrupts,
): Promise<Ending> {
  const { dim } = output.errorColors;
  if (!quiet) {
    const keys = 'Ctrl-C shuts the guest down, Ctrl-] . leaves, Ctrl-] ? helps';
    output.error(`${dim(`synthvm: the console is live; ${keys}`)}\r\n`);
  }
  let ending: Ending | undefined;
  const onHangUp = (): void => interrupts.end();
  const restore = attachTerminal({
    input: (bytes) => machine.console.type(bytes),
    interrupt: () => interrupts.interrupt(),
    quit: () => {
      ending = { kind: 'reached', what: 'the end of the session' };
    },
    help: () =>
      output.error(
        '\r\nsynthvm: Ctrl-C shuts the guest down, twice switches it off; Ctrl-] . leaves;\r\n' +
          '         Ctrl-] before Ctrl-C or Ctrl-] sends that key to the guest\r\n',
      ),
  });
  process.on('SIGHUP', onHangUp);
  try {
    const startMs = performance.now();
    const startNs = machine.clock.nowNs;
    while (ending === undefined) {
      if (interrupts.isOff) return { kind: 'interrupted' };
      const targetNs = startNs + Math.floor((performance.now() - startMs) * 1e6);
      const stopped = machine.run(targetNs, STEPS_PER_TICK);
      // The deadline is the wall clock's here: to reach it, or to idle, is to wait for input.
      if (stopped !== undefined && stopped.kind !== 'virtual-time' && stopped.kind !== 'idle') {
        ending = stopped;
      }
      output.flush();
      if (ending === undefined) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    return ending;
  } finally {
    restore();
    process.off('SIGHUP', onHangUp);
    output.error('\n');
  }
}
