import type { Trace, TraceType } from '../../core/trace.ts';
import {
  eventSignaled,
  flagRaised,
  hypercallFailed,
  messageDelivered,
  messagePosted,
  msrRefused,
  msrWritten,
  startSignal,
  timerExpired,
} from '../../hypervisor/trace.ts';
import {
  vmbusMessageIn,
  vmbusMessageOut,
  vmbusSignalIn,
  vmbusSignalOut,
} from '../../vmbus/trace.ts';

/** Events that a lane keeps; with more, it keeps every second one, and so on. */
const KEPT_EVENTS = 4000;

export interface TimelineEvent {
  readonly timeNs: number;
  readonly label: string;
  readonly detail: string;
}

export interface TimelineLane {
  readonly name: string;
  readonly events: readonly TimelineEvent[];
  /** How many there were. */
  readonly count: number;
  /** One of so many was kept. */
  readonly stride: number;
}

class Lane {
  readonly name: string;
  events: TimelineEvent[] = [];
  count = 0;
  stride = 1;

  constructor(name: string) {
    this.name = name;
  }

  /** Whether the next event is one of those that are kept. */
  get isNextKept(): boolean {
    return this.count % this.stride === 0;
  }

  add(event: TimelineEvent): void {
    this.events.push(event);
    if (this.events.length < KEPT_EVENTS) return;
    this.events = this.events.filter((_, index) => index % 2 === 0);
    this.stride *= 2;
  }
}

const TO_HOST = 'messages to the host';
const TO_GUEST = 'messages to the guest';
const FIRST_LANES = [TO_HOST, TO_GUEST, 'signals to the host', 'signals to the guest'];

function interrupt(values: Float64Array): string {
  return `interrupts of processor ${values[0]}`;
}

/** The lane of an event; what is not here is in one of its category. */
const LANES = new Map<TraceType, string | ((values: Float64Array) => string)>([
  [vmbusMessageIn, TO_HOST],
  [vmbusMessageOut, TO_GUEST],
  [vmbusSignalIn, 'signals to the host'],
  [vmbusSignalOut, 'signals to the guest'],
  [messageDelivered, interrupt],
  [flagRaised, interrupt],
  [timerExpired, interrupt],
  [startSignal, interrupt],
  [msrWritten, 'hypercalls and MSRs'],
  [msrRefused, 'hypercalls and MSRs'],
  [hypercallFailed, 'hypercalls and MSRs'],
  [messagePosted, 'hypercalls and MSRs'],
  [eventSignaled, 'hypercalls and MSRs'],
]);

/** Categories that have no lane: phases are bars, and the console has a place of its own. */
const ELSEWHERE = new Set(['boot', 'machine']);

function detailOf(type: TraceType, values: Float64Array, text: string): string {
  const parts = type.fieldNames.map((name, index) => {
    const shown = type.fieldKinds[index]!.show(values[index]!);
    return `${name}=${shown.startsWith('0x') ? values[index]! : shown}`;
  });
  if (text !== '') parts.push(text);
  return parts.join(' ');
}

/** What a message is called, where an event is one. */
function labelOf(type: TraceType, values: Float64Array): string {
  if (type !== vmbusMessageIn && type !== vmbusMessageOut) return type.name;
  return type.fieldKinds[0]!.show(values[0]!);
}

/** Sorts the events of a run into lanes, as the report draws them. */
export class Timeline {
  readonly #lanes = new Map<string, Lane>(FIRST_LANES.map((name) => [name, new Lane(name)]));

  constructor(trace: Trace) {
    trace.subscribe((timeNs, type, values, text) => {
      if (type.name === 'phase' || ELSEWHERE.has(type.category)) return;
      const place = LANES.get(type) ?? type.category;
      const name = typeof place === 'string' ? place : place(values);
      let lane = this.#lanes.get(name);
      if (lane === undefined) {
        lane = new Lane(name);
        this.#lanes.set(name, lane);
      }
      if (lane.isNextKept) {
        lane.add({ timeNs, label: labelOf(type, values), detail: detailOf(type, values, text) });
      }
      lane.count += 1;
    });
  }

  get lanes(): readonly TimelineLane[] {
    return [...this.#lanes.values()].filter(({ count }) => count > 0);
  }
}
