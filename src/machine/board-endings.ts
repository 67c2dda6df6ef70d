import type { Trace } from '../core/trace.ts';
import type { BoardHost } from './board.ts';
import type { Ending } from './endings.ts';
import { debugExitEvent, powerOffEvent, unimplementedEvent } from './trace.ts';

/** What the hardware tells of that ends a run for good. */
export function boardEndings(
  trace: Trace,
  end: (ending: Ending) => void,
): Pick<BoardHost, 'onPowerOff' | 'onUnimplemented' | 'onDebugExit'> {
  return {
    onPowerOff: () => {
      trace.emit(powerOffEvent);
      end({ kind: 'power-off' });
    },
    onUnimplemented: (processor, what) => {
      trace.emitText(unimplementedEvent, what, processor);
      end({ kind: 'unimplemented', what });
    },
    onDebugExit: (value) => {
      trace.emit(debugExitEvent, value);
      end({ kind: 'debug-exit', value });
    },
  };
}
