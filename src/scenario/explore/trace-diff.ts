/** Where two runs differ (Myers, "An O(ND) Difference Algorithm", 1986). */
import type { TracedEvent } from '../protocol.ts';

export interface DiffLine {
  /** In both runs, in the passing one only, in the failing one only. */
  readonly kind: 'same' | 'passing' | 'failing';
  readonly event: TracedEvent;
}

export interface TraceDiff {
  readonly lines: readonly DiffLine[];
  /** Events that are in one run only. */
  readonly size: number;
}

/** A difference this large is no explanation, and costs its square. */
const MOST_EDITS = 4000;

function key({ vm, text }: TracedEvent): string {
  return `${vm} ${text}`;
}

/** @returns undefined when more than `mostEdits` events differ */
export function diffTraces(
  passing: readonly TracedEvent[],
  failing: readonly TracedEvent[],
  mostEdits = MOST_EDITS,
): TraceDiff | undefined {
  // What comes after the end of the other one is no difference.
  const endNs = Math.min(passing.at(-1)?.timeNs ?? 0, failing.at(-1)?.timeNs ?? 0);
  const isCompared = ({ text, timeNs }: TracedEvent): boolean => text !== '' && timeNs <= endNs;
  const left = passing.filter(isCompared);
  const right = failing.filter(isCompared);
  const leftKeys = left.map(key);
  const rightKeys = right.map(key);
  const path = shortestPath(leftKeys, rightKeys, mostEdits);
  if (path === undefined) return undefined;
  const lines: DiffLine[] = [];
  let x = left.length;
  let y = right.length;
  for (let edits = path.length - 1; edits >= 0; edits -= 1) {
    const reach = path[edits]!;
    const diagonal = x - y;
    const isDown = edits > 0 && goesDown(reach, diagonal, edits);
    const before = isDown ? diagonal + 1 : diagonal - 1;
    const fromX = edits === 0 ? 0 : reachOn(reach, before, edits);
    const fromY = edits === 0 ? 0 : fromX - before;
    while (x > fromX && y > fromY && leftKeys[x - 1] === rightKeys[y - 1]) {
      lines.push({ kind: 'same', event: right[y - 1]! });
      x -= 1;
      y -= 1;
    }
    if (edits === 0) break;
    if (isDown) {
      y -= 1;
      lines.push({ kind: 'failing', event: right[y]! });
    } else {
      x -= 1;
      lines.push({ kind: 'passing', event: left[x]! });
    }
  }
  return { lines: lines.reverse(), size: path.length - 1 };
}

/** Furthest x on each diagonal from -edits to edits. */
type Reach = Int32Array;

/** @param reach before this edit, so that its middle is at edits - 1 */
function reachOn(reach: Reach, diagonal: number, edits: number): number {
  return reach[diagonal + edits - 1]!;
}

/** @param reach before this edit */
function goesDown(reach: Reach, diagonal: number, edits: number): boolean {
  if (diagonal === -edits) return true;
  if (diagonal === edits) return false;
  return reachOn(reach, diagonal - 1, edits) < reachOn(reach, diagonal + 1, edits);
}

/** @returns the reach before each edit; one more entry than there are edits */
function shortestPath(
  left: readonly string[],
  right: readonly string[],
  mostEdits: number,
): Reach[] | undefined {
  const path: Reach[] = [];
  let furthest: Reach = new Int32Array(0);
  for (let edits = 0; edits <= mostEdits; edits += 1) {
    const before = furthest;
    furthest = new Int32Array(2 * edits + 1);
    path.push(before);
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = 0;
      if (edits > 0) {
        x = goesDown(before, diagonal, edits)
          ? reachOn(before, diagonal + 1, edits)
          : reachOn(before, diagonal - 1, edits) + 1;
      }
      let y = x - diagonal;
      while (x < left.length && y < right.length && left[x] === right[y]) {
        x += 1;
        y += 1;
      }
      furthest[diagonal + edits] = x;
      if (x >= left.length && y >= right.length) return path;
    }
  }
  return undefined;
}

/**
 * The differences with so many events around each.
 * @param end of too many, which are shown
 * @returns lines, undefined where events in between are left out
 */
export function diffHunks(
  { lines }: TraceDiff,
  context: number,
  mostLines: number,
  end: 'first' | 'last',
): (DiffLine | undefined)[] {
  const isShown = new Uint8Array(lines.length);
  for (const [index, { kind }] of lines.entries()) {
    if (kind !== 'same') isShown.fill(1, Math.max(0, index - context), index + context + 1);
  }
  const shown: (DiffLine | undefined)[] = [];
  for (const [index, line] of lines.entries()) {
    if (isShown[index] === 1) shown.push(line);
    else if (shown.length > 0 && shown.at(-1) !== undefined) shown.push(undefined);
  }
  if (shown.at(-1) === undefined) shown.pop();
  return end === 'first' ? shown.slice(0, mostLines) : shown.slice(-mostLines);
}
