/**
 * The state of a machine, part by part. A section is named, has a version of its own, and is written
 * and read by one function that stands beside the part's code.
 */
import type { EventHandle, EventQueue } from '../../core/events.ts';
import {
  fieldAt,
  StateError,
  StateReader,
  StateWriter,
  type StateStream,
} from '../../core/state.ts';

/** One part's state, as a machine offers it. */
export interface StateSection {
  /** "partition", "device scsi 5359…". */
  readonly name: string;
  /** Grows whenever what the part writes changes in kind. */
  readonly version: number;
  /** A snapshot may lack it: a device that was taken away. */
  readonly isOptional?: boolean;
  readonly exchange: (state: StateStream) => void;
}

/** One part's state, as a snapshot holds it. */
export interface SavedSection {
  readonly name: string;
  readonly version: number;
  readonly bytes: Uint8Array;
}

/** The last section of every snapshot: what of the event queue belongs to no part. */
const EVENTS_SECTION = { name: 'events', version: 1 };

/** Throws `StateError` when a part cannot be saved as it is. */
export function saveSections(
  sections: readonly StateSection[],
  events: EventQueue,
): SavedSection[] {
  const claimed = new Set<EventHandle>();
  const saved = sections.map(({ name, version, exchange }) => {
    const writer = new StateWriter(events, claimed);
    inSection(name, () => exchange(writer));
    return { name, version, bytes: writer.finish() };
  });
  const writer = new StateWriter(events, claimed);
  events.exchange(writer, claimed);
  return [...saved, { ...EVENTS_SECTION, bytes: writer.finish() }];
}

/** Gives every part its state back. The event queue is empty before. */
export function restoreSections(
  sections: readonly StateSection[],
  saved: readonly SavedSection[],
  events: EventQueue,
): void {
  const all: readonly StateSection[] = [
    ...sections,
    { ...EVENTS_SECTION, exchange: (state: StateStream) => events.exchange(state, new Set()) },
  ];
  for (const { name, version, isOptional, exchange } of all) {
    const section = saved.find((candidate) => candidate.name === name);
    if (section === undefined && isOptional === true) continue;
    if (section === undefined) throw new StateError(`there is no section "${name}"`);
    checkVersion(section, version);
    const reader = new StateReader(section.bytes, events);
    inSection(name, () => {
      exchange(reader);
      reader.finish();
    });
  }
}

export function checkVersion(section: SavedSection, version: number): void {
  if (section.version === version) return;
  throw new StateError(
    `section "${section.name}" has version ${section.version}, this program writes version ${version}`,
  );
}

function inSection(name: string, body: () => void): void {
  try {
    body();
  } catch (error) {
    if (error instanceof StateError) throw new StateError(`section "${name}": ${error.message}`);
    throw error;
  }
}

/** @returns the first section that differs, and the first value in it that does */
export function firstDifference(
  left: readonly SavedSection[],
  right: readonly SavedSection[],
): string | undefined {
  for (const [index, section] of left.entries()) {
    const other = right[index];
    if (other?.name !== section.name) return `"${section.name}" is "${other?.name ?? 'missing'}"`;
    const at = firstDifferentByte(section.bytes, other.bytes);
    if (at >= 0) return `"${section.name}" in ${fieldAt(section.bytes, at)}`;
  }
  const extra = right[left.length];
  return extra === undefined ? undefined : `"${extra.name}" is there in addition`;
}

function firstDifferentByte(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length);
  for (let at = 0; at < length; at += 1) if (left[at] !== right[at]) return at;
  return left.length === right.length ? -1 : length;
}
