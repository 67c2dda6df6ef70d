/** What a run is a function of, as data: enough to have the same machine again. */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { resolve } from 'node:path';
import { InputError } from '../core/errors.ts';
import { Random } from '../core/random.ts';
import { presetNames, type PresetName, type Switches } from '../guest/switches.ts';
import type { BlockDevice } from '../storage/block.ts';
import type { ImageInfo } from '../storage/image.ts';
import { openHostDisk, openHostImage } from './images.ts';
import { readKernelFiles, type KernelRequest } from './kernel-files.ts';
import { Machine } from './machine.ts';
import { HOST_NAMES, type HostName } from './profiles.ts';
import type { CpuMode, X86Config } from './x86-guest.ts';

const HASH_BYTES = 1 << 20;

/** One file of the host that a run reads, as it was when the run began. */
export interface FileDescription {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A disk image, and the images that it is a difference to. */
export interface ImageDescription extends FileDescription {
  readonly parents: readonly FileDescription[];
}

export interface MachineDescription {
  readonly generation: 1 | 2;
  readonly host: HostName;
  readonly guest: PresetName;
  readonly switches: Partial<Switches>;
  readonly memoryBytes: number;
  readonly processors: number;
  readonly networkAdapters: number;
  /** Emulated network adapters; not there: none. */
  readonly legacyAdapters?: number;
  /** 64 bits, decimal: a number of JSON is too small for it. */
  readonly seed: string;
  /** None for a disk that is built in memory. */
  readonly disks: readonly ImageDescription[];
  readonly dvds: readonly ImageDescription[];
  /** The diskette in drive A:. */
  readonly floppy?: ImageDescription;
  /** A kernel that is loaded directly; without it the model guest runs. */
  readonly kernel?: KernelDescription;
}

export interface KernelDescription {
  readonly file: FileDescription;
  readonly initrds: readonly FileDescription[];
  /** Not there: the kernel's usual one. */
  readonly commandLine?: string;
  readonly mode: CpuMode;
  readonly debugExitPort?: number;
}

/** Reads a file from end to end. @throws InputError when that fails */
export function describeFile(path: string): FileDescription {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(path, `cannot be opened (${code ?? String(error)})`);
  }
  try {
    const hash = createHash('sha256');
    const buffer = new Uint8Array(HASH_BYTES);
    for (;;) {
      const count = readSync(descriptor, buffer);
      if (count === 0) break;
      hash.update(buffer.subarray(0, count));
    }
    const bytes = fstatSync(descriptor).size;
    return { path: resolve(path), bytes, sha256: hash.digest('hex') };
  } finally {
    closeSync(descriptor);
  }
}

/** Reads an image and its parents from end to end. @throws InputError for a file that is none */
export function describeImage(path: string): ImageDescription {
  const image = openHostImage(path, { readOnly: true, warn: () => undefined });
  const parents: FileDescription[] = [];
  try {
    let { parent }: { parent?: ImageInfo } = image.info();
    for (; parent !== undefined; { parent } = parent) parents.push(describeFile(parent.name));
  } finally {
    image.close();
  }
  return { ...describeFile(path), parents };
}

export function describeKernel(request: KernelRequest): KernelDescription {
  const { path, initrds, commandLine, mode, debugExitPort } = request;
  return {
    file: describeFile(path),
    initrds: initrds.map((initrd) => describeFile(initrd)),
    ...(commandLine === undefined ? {} : { commandLine }),
    mode,
    ...(debugExitPort === undefined ? {} : { debugExitPort }),
  };
}

/** @throws InputError when a file is not what it was */
function checkFile(file: FileDescription, where: string): void {
  const { sha256 } = describeFile(file.path);
  if (sha256 === file.sha256) return;
  throw new InputError(
    where,
    `${file.path} has changed since: its SHA-256 was ${file.sha256.slice(0, 16)}…, ` +
      `now it is ${sha256.slice(0, 16)}…`,
  );
}

function kernelOf(kernel: KernelDescription, where: string): X86Config {
  for (const file of [kernel.file, ...kernel.initrds]) checkFile(file, where);
  return readKernelFiles({
    path: kernel.file.path,
    initrds: kernel.initrds.map(({ path }) => path),
    commandLine: kernel.commandLine,
    mode: kernel.mode,
    debugExitPort: kernel.debugExitPort,
  });
}

export interface OpenedMachine {
  readonly machine: Machine;
  /** Closes its images, and discards it. */
  readonly close: () => void;
}

/**
 * Makes a described machine, which is off.
 * @param where the file that describes it, for messages
 * @throws InputError when an image is missing, or not what it was
 */
export function openMachine(
  description: MachineDescription,
  where: string,
  warn: (message: string) => void,
): OpenedMachine {
  const seed = BigInt(description.seed);
  const random = new Random(seed, 'images');
  const opened: BlockDevice[] = [];
  const close = (): void => {
    for (const device of opened) device.close();
  };
  const open = (image: ImageDescription, device: () => BlockDevice): BlockDevice => {
    for (const file of [image, ...image.parents]) checkFile(file, where);
    const made = device();
    opened.push(made);
    return made;
  };
  try {
    const disks = description.disks.map((image) =>
      open(image, () => openHostDisk(image.path, { write: false, warn, random })),
    );
    const dvds = description.dvds.map((image) =>
      open(image, () => openHostImage(image.path, { readOnly: true, warn })),
    );
    const { generation, host, guest, switches, memoryBytes, processors } = description;
    const { networkAdapters, legacyAdapters = 0, kernel, floppy: diskette } = description;
    const floppy =
      diskette && open(diskette, () => openHostDisk(diskette.path, { write: false, warn, random }));
    const machine = new Machine({
      generation,
      host,
      ...(kernel === undefined ? { preset: guest, switches } : { x86: kernelOf(kernel, where) }),
      memoryBytes,
      processors,
      networkAdapters,
      legacyAdapters,
      seed,
      disks,
      dvds,
      floppy,
      warn,
    });
    const end = (): void => {
      close();
      machine.discard();
    };
    return { machine, close: end };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Checks what a file says of a machine.
 * @param where the file
 * @throws InputError naming what is missing or cannot be
 */
export function readDescription(value: unknown, where: string): MachineDescription {
  const facts = (value ?? {}) as Partial<Record<keyof MachineDescription, unknown>>;
  const need = (isRight: boolean, name: keyof MachineDescription): void => {
    if (isRight) return;
    const found = JSON.stringify(facts[name]) ?? 'nothing';
    throw new InputError(where, `names no machine: "${name}" is ${found}`);
  };
  const isCount = (fact: unknown): boolean => Number.isSafeInteger(fact) && Number(fact) >= 0;
  need(facts.generation === 1 || facts.generation === 2, 'generation');
  need(HOST_NAMES.includes(facts.host as HostName), 'host');
  need(presetNames.includes(facts.guest as PresetName), 'guest');
  need(typeof facts.switches === 'object' && facts.switches !== null, 'switches');
  need(isCount(facts.memoryBytes), 'memoryBytes');
  need(isCount(facts.processors) && Number(facts.processors) > 0, 'processors');
  need(isCount(facts.networkAdapters), 'networkAdapters');
  need(facts.legacyAdapters === undefined || isCount(facts.legacyAdapters), 'legacyAdapters');
  need(typeof facts.seed === 'string' && /^\d{1,20}$/.test(facts.seed), 'seed');
  need(Array.isArray(facts.disks) && facts.disks.every(isImage), 'disks');
  need(Array.isArray(facts.dvds) && facts.dvds.every(isImage), 'dvds');
  need(facts.floppy === undefined || isImage(facts.floppy), 'floppy');
  need(facts.kernel === undefined || isKernel(facts.kernel), 'kernel');
  return facts as MachineDescription;
}

function isFile(value: unknown): boolean {
  const file = value as Partial<FileDescription> | null;
  return typeof file?.path === 'string' && typeof file.sha256 === 'string';
}

function isKernel(value: unknown): boolean {
  const { file, initrds, mode } = (value ?? {}) as Partial<KernelDescription>;
  return isFile(file) && Array.isArray(initrds) && initrds.every(isFile) && mode !== undefined;
}

function isImage(value: unknown): boolean {
  const parents = (value as Partial<ImageDescription> | null)?.parents;
  return isFile(value) && Array.isArray(parents) && parents.every(isFile);
}
