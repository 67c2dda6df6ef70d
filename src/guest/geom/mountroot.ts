/** Finding and mounting the root (kern/vfs_mountroot.c), without a file system behind it. */
import { NS_PER_SECOND } from '../../core/clock.ts';
import type { Disk } from '../cam/da.ts';
import type { BlockDisk } from '../fs/media.ts';
import { PeripheralErrno } from '../cam/status.ts';
import type { Cam } from '../cam/transport.ts';
import type { KernelApi, Task } from '../kernel/api.ts';
import type { Geom } from './geom.ts';
import { fileSystemOf, type PartitionTable, type Provider } from './partition.ts';
import {
  UFS1_MAGIC,
  UFS1_SUPERBLOCK,
  UFS2_MAGIC,
  UFS2_SUPERBLOCK,
  UFS_MAGIC_OFFSET,
} from './spec.ts';
import { TasteBuffer } from './taste-buffer.ts';

/** vfs.mountroot.timeout. */
const WAIT_NS = 3 * NS_PER_SECOND;
/** What a mount reads: every place where a superblock can be. */
const MOUNT_BYTES = 131_072;

/** Where firmware loaded the kernel from. */
export interface BootDisk {
  /** VMBus instance GUID of the controller. */
  readonly instanceId: string;
  readonly target: number;
  readonly lun: number;
}

export interface RootMount {
  /** "ufs". */
  readonly fileSystem: string;
  /** "da0p2". */
  readonly device: string;
  readonly disk: BlockDisk;
  readonly options: 'rw' | 'ro';
  /** The superblock that was seen, if any. */
  readonly superblock: 'UFS1' | 'UFS2' | undefined;
  readonly firstLba: number;
  readonly sectors: number;
}

/** What the loader hands over: vfs.root.mountfrom, with the disk's name left open. */
interface RootChoice {
  readonly fileSystem: string;
  /** "p2", "s1a", or "" for the whole disk. */
  readonly suffix: string;
  readonly options: 'rw' | 'ro';
}

/** On a disk that the kernel does not see: what an installer would have made. */
const USUAL_ROOT: RootChoice = { fileSystem: 'ufs', suffix: 'p2', options: 'rw' };

/**
 * Waits for the disks, and mounts the root as the loader chose it. 10.2 goes by the name "da0" (or
 * "ada0", where its loader turned ATA disks on), whatever disk has it by then; today's kernel gets the disk that firmware booted from.
 * @returns undefined when that failed: the console then shows the mountroot prompt
 */
export function* mountRoot(
  kernel: KernelApi,
  cam: Cam,
  geom: Geom,
  boot: BootDisk | undefined,
): Task<RootMount | undefined> {
  yield* cam.waitIdle();
  const source = findBootDisk(cam, geom, boot);
  const choice = source === undefined ? USUAL_ROOT : chooseRoot(geom.tableOf(source));
  const byName = kernel.switches.release === 'legacy' || source === undefined;
  const usual = kernel.switches.ataDisks ? 'ada0' : 'da0';
  const device = `${byName ? usual : source.name}${choice.suffix}`;
  const what = `${choice.fileSystem}:/dev/${device}`;
  kernel.printf(`Trying to mount root from ${what} [${choice.options}]...\n`);
  const place = yield* waitForDevice(kernel, cam, geom, device);
  let error: number = PeripheralErrno.ENODEV;
  if (place !== undefined) {
    const { disk } = place;
    const buffer = new TasteBuffer(kernel, MOUNT_BYTES);
    // An empty disk takes no file system.
    if (place.sectors === 0) buffer.error = PeripheralErrno.EINVAL;
    const sectors = Math.min(place.sectors, Math.floor(MOUNT_BYTES / disk.sectorBytes));
    const data = sectors === 0 ? undefined : yield* buffer.read(disk, place.firstLba, sectors);
    error = buffer.error;
    const superblock = data === undefined ? undefined : findSuperblock(data);
    buffer.free();
    if (error === 0 && !disk.isInvalid) {
      disk.openCount += 1;
      const { firstLba, sectors: count } = place;
      const { fileSystem, options } = choice;
      return { fileSystem, device, disk, options, superblock, firstLba, sectors: count };
    }
    if (error === 0) error = PeripheralErrno.ENXIO;
  }
  failMount(kernel, what, choice, error);
  return undefined;
}

/** Without word from the loader: the first disk that can hold a root, else the first with sectors. */
function findBootDisk(cam: Cam, geom: Geom, boot: BootDisk | undefined): Disk | undefined {
  if (boot === undefined) {
    const hasRoot = (disk: Disk): boolean =>
      geom.tableOf(disk)?.providers.some(({ type }) => fileSystemOf(type) !== undefined) === true;
    return cam.disks.find(hasRoot) ?? cam.disks.find((disk) => disk.sectors > 0);
  }
  return cam.disks.find(({ device }) => {
    const isSameBus = device.bus.sim.instanceOf(device.target.id) === boot.instanceId;
    return isSameBus && device.target.id === boot.target && device.lun === boot.lun;
  });
}

/**
 * The loader's choice: the first freebsd-ufs partition, else the first that can hold a root, else
 * the EFI system partition, else the slice that was booted from, whatever its type. On an MBR disk
 * the active slice comes first.
 */
export function chooseRoot(table: PartitionTable | undefined): RootChoice {
  const providers = table?.providers ?? [];
  const active = providers.filter((provider) => provider.isActive);
  const candidates = [...active, ...providers.filter((provider) => !provider.isActive)];
  const chosen =
    (active.length > 0 ? firstRoot(active) : undefined) ??
    firstRoot(candidates) ??
    candidates.find((provider) => provider.type === 'efi') ??
    active[0];
  if (chosen === undefined) {
    // A disk without a table may hold a file system from its first sector on.
    return table === undefined ? { ...USUAL_ROOT, suffix: '' } : USUAL_ROOT;
  }
  const isEsp = chosen.type === 'efi';
  return {
    fileSystem: isEsp ? 'msdosfs' : (fileSystemOf(chosen.type) ?? 'ufs'),
    suffix: chosen.name.slice(chosen.disk.name.length),
    options: isEsp ? 'ro' : 'rw',
  };
}

function firstRoot(providers: readonly Provider[]): Provider | undefined {
  return (
    providers.find((provider) => provider.type === 'freebsd-ufs') ??
    providers.find((provider) => fileSystemOf(provider.type) !== undefined)
  );
}

interface Place {
  readonly disk: BlockDisk;
  readonly firstLba: number;
  readonly sectors: number;
}

function* waitForDevice(
  kernel: KernelApi,
  cam: Cam,
  geom: Geom,
  device: string,
): Task<Place | undefined> {
  let place = lookUp(cam, geom, device);
  if (place !== undefined) return place;
  kernel.printf(`mountroot: waiting for device /dev/${device}...\n`);
  const endNs = kernel.uptimeNs() + WAIT_NS;
  while (place === undefined) {
    const leftNs = endNs - kernel.uptimeNs();
    if (leftNs <= 0 || !(yield* kernel.tsleep(geom, leftNs))) break;
    place = lookUp(cam, geom, device);
  }
  return place;
}

function lookUp(cam: Cam, geom: Geom, device: string): Place | undefined {
  const disk = cam.disks.find(({ name }) => name === device);
  if (disk !== undefined) return { disk, firstLba: 0, sectors: disk.sectors };
  return geom.find(device);
}

function findSuperblock(data: Uint8Array): RootMount['superblock'] {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const magicAt = (superblock: number): number => {
    const at = superblock + UFS_MAGIC_OFFSET;
    return at + 4 <= data.length ? view.getUint32(at, true) : 0;
  };
  if (magicAt(UFS2_SUPERBLOCK) === UFS2_MAGIC) return 'UFS2';
  return magicAt(UFS1_SUPERBLOCK) === UFS1_MAGIC ? 'UFS1' : undefined;
}

function failMount(kernel: KernelApi, what: string, choice: RootChoice, error: number): void {
  kernel.printf(`Mounting from ${what} failed with error ${error}.\n`);
  kernel.printf('\nLoader variables:\n');
  kernel.printf(`  vfs.root.mountfrom=${what}\n`);
  kernel.printf(`  vfs.root.mountfrom.options=${choice.options}\n\n`);
  kernel.printf('mountroot> ');
}
