import { StateError, type Stateful, type StateStream } from '../../core/state.ts';
import type { BlockDevice } from '../../storage/block.ts';
import type { Board } from '../board.ts';
import type { StateSection } from './sections.ts';

/** Versions of the sections below: raise one when what its part writes changes in kind. */
const VERSIONS = {
  clock: 1,
  machine: 1,
  'run loop': 1,
  console: 1,
  variables: 1,
  network: 1,
  board: 1,
  partition: 1,
  chipset: 1,
  disk: 1,
  vmbus: 1,
  device: 1,
  guest: 1,
  memory: 1,
  trace: 1,
};

/** A saved machine's disks stay where they are. */
export const isNoDisk = ({ name }: StateSection): boolean => !name.startsWith('disk ');

/** A section of a part that there is one of in every machine. */
export function section(name: keyof typeof VERSIONS, part: Stateful): StateSection {
  return { name, version: VERSIONS[name], exchange: (state) => part.exchange(state) };
}

/**
 * The sections of everything that a power cycle makes new, in the order in which they are restored:
 * devices come after the bus, which has their channels.
 */
export function boardSections(board: Board): StateSection[] {
  const { partition, vmbus, chipset } = board;
  const sections: StateSection[] = [section('board', board), section('partition', partition)];
  // The IDE controller is one of the functions of the PCI bus.
  for (const [name, device] of partsOf({ ...chipset, ide: undefined })) {
    if (device === undefined) continue;
    const exchange = (state: StateStream): void => device.exchange(state);
    sections.push({ name: `chipset ${name}`, version: VERSIONS.chipset, exchange });
  }
  for (const [index, { block }] of board.disks.entries()) {
    const exchange = (state: StateStream): void => exchangeDisk(state, block);
    sections.push({ name: `disk ${index}`, version: VERSIONS.disk, exchange });
  }
  const floppy = chipset.floppy?.drive.block;
  if (floppy !== undefined) {
    const exchange = (state: StateStream): void => exchangeDisk(state, floppy);
    sections.push({ name: 'disk floppy', version: VERSIONS.disk, exchange });
  }
  sections.push(section('vmbus', vmbus));
  for (const device of vmbus.devices) {
    const { name, instanceId } = device.offer;
    sections.push({
      name: `device ${name} ${instanceId}`,
      version: VERSIONS.device,
      isOptional: true,
      exchange: (state) => vmbus.exchangeDevice(state, device),
    });
  }
  return sections;
}

/** Takes only an object of which every member can be saved, so that the compiler finds one that cannot. */
function partsOf<Parts extends { readonly [Name in keyof Parts]: Stateful | undefined }>(
  parts: Parts,
): [string, Stateful | undefined][] {
  return Object.entries(parts);
}

function exchangeDisk(state: StateStream, disk: BlockDevice): void {
  state.text('name', disk.name);
  if (disk.exchange !== undefined) disk.exchange(state);
  else if (!disk.readOnly) {
    throw new StateError(`${disk.name} is written in place: only a disk that is not can be saved`);
  }
}
