import type { PartitionTable } from '../storage/partitions/spec.ts';
import { readPartitions } from '../storage/partitions/read.ts';
import type { BootFailure, FirmwareDisk, LoaderVolume } from './boot-devices.ts';
import {
  deviceLabel,
  devicePlace,
  findVolumes,
  inputProblem,
  openVolume,
  readLoader,
} from './boot-devices.ts';
import type { PathNode } from './device-path.ts';
import { devicePathText } from './device-path.ts';
import type { PeImage } from './pe-image.ts';
import { parsePe } from './pe-image.ts';
import { FALLBACK_LOADER_PATH } from './spec/device-path.ts';
import type { BootOption, VariableStore } from './variables.ts';
import { bootOptionName, readBootOption, readBootOrder, takeBootNext } from './variables.ts';

/** A loader that passed every check of its headers. */
export interface FoundLoader {
  readonly volume: LoaderVolume;
  readonly filePath: string;
  readonly image: PeImage;
  /** The Boot#### option that named it, or undefined for the fallback. */
  readonly option: BootOption | undefined;
}

export interface LoaderSearch {
  /** The first good one in the order of the firmware; undefined when nothing boots. */
  readonly loader: FoundLoader | undefined;
  /** What was tried before, in order. */
  readonly failures: readonly BootFailure[];
}

export interface BootManagerOptions {
  /** In the order of the controller: disks before DVDs. */
  readonly devices: readonly FirmwareDisk[];
  readonly variables: VariableStore;
  readonly warn: (message: string) => void;
}

/**
 * UEFI 2.10, section 3.1: BootNext, then BootOrder, then the fallback loader of every device. Like
 * real firmware it goes on to the next candidate when one is no good.
 */
export function findLoader(options: BootManagerOptions): LoaderSearch {
  const failures: BootFailure[] = [];
  const { variables, devices } = options;
  const next = takeBootNext(variables);
  const order = next === undefined ? [] : [next];
  for (const number of [...order, ...readBootOrder(variables)]) {
    const option = readBootOption(variables, number);
    if (option === undefined) continue;
    if (typeof option === 'string') {
      const label = bootOptionName(number);
      failures.push({ label, place: label, reason: option, hasLoader: false });
      continue;
    }
    if (!option.isActive) continue;
    const loader = followOption(option, options, failures);
    if (loader !== undefined) return { loader, failures };
  }
  for (const device of devices) {
    const loader = fallback(device, options, failures);
    if (loader !== undefined) return { loader, failures };
  }
  return { loader: undefined, failures };
}

function followOption(
  option: BootOption,
  options: BootManagerOptions,
  failures: BootFailure[],
): FoundLoader | undefined {
  const file = option.path.find((node) => node.kind === 'file');
  const device = option.path.filter((node) => node.kind !== 'file');
  const label = `${bootOptionName(option.number)} "${option.description}"`;
  const volumes = resolve(device, options);
  if (volumes.length === 0) {
    const reason = `no device matches ${devicePathText(option.path)}`;
    failures.push({ label, place: label, reason, hasLoader: false });
  }
  for (const volume of volumes) {
    const path = file?.kind === 'file' ? file.path : FALLBACK_LOADER_PATH;
    const loader = tryLoader(volume, path, option, failures, label);
    if (loader !== undefined) return loader;
  }
  return undefined;
}

/** The volumes that a device path means: whole paths, and short ones that start at HD(). */
function resolve(path: readonly PathNode[], options: BootManagerOptions): LoaderVolume[] {
  const scsi = path.find((node) => node.kind === 'scsi');
  const vmbus = path.find((node) => node.kind === 'vmbus');
  const wanted = path.find((node) => node.kind === 'partition');
  const volumes: LoaderVolume[] = [];
  for (const device of options.devices) {
    if (scsi !== undefined && (scsi.target !== device.target || scsi.lun !== device.lun)) continue;
    if (vmbus !== undefined && vmbus.instanceId !== device.controllerId) continue;
    if (scsi === undefined && vmbus === undefined && wanted === undefined) continue;
    if (wanted !== undefined) {
      const volume = matchPartition(device, wanted, options.warn);
      if (volume !== undefined) volumes.push(volume);
    } else {
      const found = findVolumes(device, options.warn);
      if (typeof found !== 'string') volumes.push(...found);
    }
  }
  return volumes;
}

function matchPartition(
  device: FirmwareDisk,
  wanted: PathNode & { kind: 'partition' },
  warn: (message: string) => void,
): LoaderVolume | undefined {
  let table: PartitionTable;
  try {
    table = readPartitions(device.block, (message) => warn(`${device.block.name}: ${message}`));
  } catch (error) {
    inputProblem(error);
    return undefined;
  }
  const partition = table.partitions.find((each) =>
    table.kind === 'gpt'
      ? each.uniqueId === wanted.signature
      : table.diskId === wanted.signature && each.index === wanted.number,
  );
  if (partition === undefined) return undefined;
  const volume = openVolume(device, table, partition);
  return typeof volume === 'string' ? undefined : volume;
}

function fallback(
  device: FirmwareDisk,
  options: BootManagerOptions,
  failures: BootFailure[],
): FoundLoader | undefined {
  const volumes = findVolumes(device, options.warn);
  if (typeof volumes === 'string') {
    const label = deviceLabel(device);
    failures.push({ label, place: devicePlace(device), reason: volumes, hasLoader: false });
    return undefined;
  }
  for (const volume of volumes) {
    const label = volume.label;
    const loader = tryLoader(volume, FALLBACK_LOADER_PATH, undefined, failures, label);
    if (loader !== undefined) return loader;
  }
  return undefined;
}

function tryLoader(
  volume: LoaderVolume,
  filePath: string,
  option: BootOption | undefined,
  failures: BootFailure[],
  label: string,
): FoundLoader | undefined {
  const { place } = volume;
  const file = readLoader(volume, filePath);
  if (!(file instanceof Uint8Array)) {
    failures.push({ label, place, reason: file.reason, hasLoader: file.isThere });
    return undefined;
  }
  const image = parsePe(file);
  if (typeof image === 'string') {
    failures.push({ label, place, reason: `${filePath} ${image}`, hasLoader: true });
    return undefined;
  }
  return { volume, filePath, image, option };
}
