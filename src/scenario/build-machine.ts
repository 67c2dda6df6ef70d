/** A machine from what a script says of it. */
import { ExitCode, InputError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { presetNames, switchNames, type PresetName, type Switches } from '../guest/switches.ts';
import { chooseGeneration } from '../machine/choose-generation.ts';
import { openHostImage } from '../machine/images.ts';
import type { MachineConfig } from '../machine/machine.ts';
import type { MachineSettings } from '../machine/config.ts';
import type { AdapterConfig } from '../machine/network.ts';
import {
  DEFAULT_HOST,
  HOST_NAMES,
  HOST_PROFILES,
  type HostName,
  type HostProfile,
} from '../machine/profiles.ts';
import type { VirtualSwitch } from '../net/switch.ts';
import type { BlockDevice } from '../storage/block.ts';
import type { AdapterSpec, DiskSpec, DvdSpec, Size, VmConfig, VmSettings } from './api.ts';
import {
  besideScript,
  bytesDisk,
  type DiskOptions,
  openDisk,
  openFloppy,
  placeOf,
} from './disks.ts';
import { sizeBytes } from './values.ts';

const DEFAULT_GUEST: PresetName = 'bis:modern';
const DEFAULT_MEMORY = '512M';
const MIB = 1024 * 1024;

/** What the command line says over the script. */
export interface Overrides {
  readonly host?: HostName | undefined;
  readonly switches?: Partial<Switches> | undefined;
}

export interface BuildOptions {
  readonly name: string;
  /** The script, for paths beside it. */
  readonly file: string;
  readonly seed: bigint;
  readonly overrides: Overrides;
  readonly switches: ReadonlyMap<string, VirtualSwitch>;
  /** Hears of what is odd about an image. */
  readonly warn: (message: string) => void;
  /** Closed at the end of the run. */
  readonly opened: BlockDevice[];
}

/** The machine's world and drivers are the caller's. */
export type BuiltConfig = Omit<MachineConfig, 'world'> & { readonly preset: PresetName };

function wrong(name: string, what: string): InputError {
  return new InputError(name, what, ExitCode.usage);
}

function check(name: string, config: VmConfig): void {
  const { host, guest, cpus, generation } = config;
  if (host !== undefined && !HOST_NAMES.includes(host)) {
    throw wrong(name, `no host is called "${host}"; there are ${HOST_NAMES.join(', ')}`);
  }
  if (guest !== undefined && !presetNames.includes(guest)) {
    throw wrong(name, `no guest is called "${guest}"; there are ${presetNames.join(', ')}`);
  }
  if (generation !== undefined && generation !== 1 && generation !== 2) {
    throw wrong(name, `generation ${String(generation)} is neither 1 nor 2`);
  }
  if (cpus !== undefined && !(Number.isInteger(cpus) && cpus >= 1 && cpus <= 64)) {
    throw wrong(name, `${cpus} processors: expected a whole number from 1 to 64`);
  }
  for (const key of Object.keys(config.set ?? {})) {
    if (switchNames.some((known) => known === key)) continue;
    const near = nearest(key, switchNames);
    throw wrong(
      name,
      `no switch is called "${key}"${near === undefined ? '' : `; did you mean "${near}"?`}`,
    );
  }
}

const KEYS: readonly (keyof VmConfig)[] = [
  'generation',
  'host',
  'hostProfile',
  'guest',
  'set',
  'memory',
  'cpus',
  'disks',
  'dvds',
  'dvdDrive',
  'floppy',
  'lowMmioGap',
  'hostName',
  'nics',
  'rcConf',
  'autoStart',
];
const RUN_KEYS = ['seed', 'hosts', 'hostsReason', 'wallLimit'];

/** An option that nothing reads would be silently without effect. */
export function checkKeys(name: string, config: object, isSingle: boolean): void {
  const known: readonly string[] = isSingle ? [...KEYS, ...RUN_KEYS] : KEYS;
  const unknown = Object.keys(config).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const near = nearest(unknown, known);
  const tip = near === undefined ? `there are ${known.join(', ')}` : `did you mean "${near}"?`;
  throw wrong(name, `unknown option "${unknown}"; ${tip}`);
}

function parseMac(name: string, text: string): Uint8Array {
  const match = /^[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}$/i.exec(text);
  if (match === null) throw wrong(name, `"${text}" is no address such as 00:15:5d:01:01:00`);
  return Uint8Array.from(text.split(/[:-]/), (digits) => Number.parseInt(digits, 16));
}

export function adapterConfig(
  name: string,
  { kind, on, mac, connected, macSpoofing }: AdapterSpec,
  switches: ReadonlyMap<string, VirtualSwitch>,
): AdapterConfig {
  const network = on === undefined ? undefined : switches.get(on);
  if (on !== undefined && network === undefined) {
    const all = [...switches.keys()].join(', ') || 'none';
    throw wrong(name, `no switch is called "${on}"; the scenario declares ${all}`);
  }
  if (kind !== undefined && kind !== 'synthetic' && kind !== 'legacy') {
    throw wrong(name, `an adapter is "synthetic" or "legacy", and not "${String(kind)}"`);
  }
  return {
    ...(kind === undefined ? {} : { kind }),
    ...(network === undefined ? {} : { network }),
    ...(mac === undefined ? {} : { mac: parseMac(name, mac) }),
    ...(connected === undefined ? {} : { isConnected: connected }),
    ...(macSpoofing === undefined ? {} : { allowsMacSpoofing: macSpoofing }),
  };
}

function openDvd(
  spec: DvdSpec,
  { file, warn, opened }: Pick<DiskOptions, 'file' | 'warn' | 'opened'>,
): BlockDevice {
  if (typeof spec !== 'string') return bytesDisk('disc', spec, 2048);
  const dvd = openHostImage(besideScript(file, spec), { readOnly: true, warn });
  opened.push(dvd);
  return dvd;
}

/** RAM beyond 4 GiB takes room as it is touched. */
const MAX_MEMORY_BYTES = 16 * 1024 * MIB;

export function checkMemory(
  name: string,
  { memory }: Pick<VmConfig, 'memory'>,
  bytes: number,
): void {
  if (bytes >= 64 * MIB && bytes <= MAX_MEMORY_BYTES && bytes % MIB === 0) return;
  throw wrong(name, `memory ${memory}: expected whole MiB from 64M to 16G`);
}

export function gapBytes(name: string, gap: Size): number {
  const bytes = sizeBytes(`${name}: lowMmioGap`, gap);
  if (bytes >= 128 * MIB && bytes <= 3584 * MIB && bytes % MIB === 0) return bytes;
  throw wrong(name, `lowMmioGap ${gap}: expected whole MiB from 128M to 3584M`);
}

/** Settings of a machine that is off, from what a script says. */
export function buildSettings(
  settings: VmSettings,
  generation: 1 | 2,
  options: DiskOptions & { readonly switches: ReadonlyMap<string, VirtualSwitch> },
): MachineSettings {
  const { owner: name } = options;
  const { host, guest, set, memory, cpus, disks, dvds, dvdDrive, nics, lowMmioGap, floppy } =
    settings;
  check(name, settings);
  const memoryBytes = memory === undefined ? undefined : sizeBytes(`${name}: memory`, memory);
  if (memoryBytes !== undefined) checkMemory(name, settings, memoryBytes);
  const adapters = nics === undefined ? undefined : adaptersOf(nics);
  const open = (spec: DiskSpec): BlockDevice => openDisk(spec, generation, options);
  return {
    ...(host === undefined ? {} : { host }),
    ...(guest === undefined ? {} : { preset: guest }),
    ...(set === undefined ? {} : { switches: set }),
    ...(memoryBytes === undefined ? {} : { memoryBytes }),
    ...(cpus === undefined ? {} : { processors: cpus }),
    ...(lowMmioGap === undefined ? {} : { lowGapBytes: gapBytes(name, lowMmioGap) }),
    ...(disks === undefined
      ? {}
      : { disks: disks.map(open), diskPlaces: disks.map((spec) => placeOf(spec)) }),
    ...(dvds === undefined ? {} : { dvds: dvds.map((path) => openDvd(path, options)) }),
    ...(dvdDrive === undefined ? {} : { hasEmptyDrive: dvdDrive }),
    ...(floppy === undefined ? {} : { floppy: openFloppy(floppy, options) }),
    ...(adapters === undefined
      ? {}
      : { adapters: adapters.map((spec) => adapterConfig(name, spec, options.switches)) }),
  };
}

/** Parts of a profile are given by their own fields: `{ netvsc: { rxCsumPpi: 'off' } }`. */
function mergedProfile(
  host: HostName,
  changes: Readonly<Record<string, unknown>>,
): Partial<HostProfile> {
  const base = HOST_PROFILES[host] as unknown as Readonly<Record<string, unknown>>;
  const isPart = (value: unknown): value is object =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  const merged = Object.entries(changes).map(([name, value]): [string, unknown] => {
    const before = base[name];
    return [name, isPart(value) && isPart(before) ? { ...before, ...value } : value];
  });
  return Object.fromEntries(merged);
}

function adaptersOf(nics: number | readonly AdapterSpec[]): readonly AdapterSpec[] {
  return typeof nics === 'number' ? Array.from({ length: nics }, () => ({})) : nics;
}

/** Opens the images and makes the configuration; throws InputError for what cannot be. */
export function buildConfig(config: VmConfig, options: BuildOptions): BuiltConfig {
  const { name, overrides, seed, warn } = options;
  check(name, config);
  const host = overrides.host ?? config.host ?? DEFAULT_HOST;
  const specs: readonly DiskSpec[] =
    config.disks ?? ((config.dvds ?? []).length > 0 ? [] : [{ builtIn: true }]);
  const dvds = (config.dvds ?? []).map((spec) => openDvd(spec, options));
  const [first] = specs;
  const isImage = typeof first === 'string' || (first !== undefined && 'path' in first);
  // Whatever is there to guess from; a blank or built-in disk says nothing.
  const diskOptions = { ...options, owner: name };
  const firstDisk = isImage ? openDisk(first, 2, diskOptions) : undefined;
  const adapters = adaptersOf(config.nics ?? 1);
  const { generation } = chooseGeneration(
    config.generation,
    host,
    firstDisk ?? (first === undefined ? dvds[0] : undefined),
    undefined,
    {
      floppy: config.floppy !== undefined,
      legacyAdapter: adapters.some(({ kind }) => kind === 'legacy'),
    },
  );
  const disks = specs.map((spec, index) =>
    index === 0 && firstDisk !== undefined ? firstDisk : openDisk(spec, generation, diskOptions),
  );
  const memoryBytes = sizeBytes(`${name}: memory`, config.memory ?? DEFAULT_MEMORY);
  checkMemory(name, config, memoryBytes);
  const { lowMmioGap, hostName, dvdDrive } = config;
  return {
    generation,
    host,
    ...(config.hostProfile === undefined
      ? {}
      : { hostProfile: mergedProfile(host, config.hostProfile) }),
    memoryBytes,
    processors: config.cpus ?? 1,
    seed,
    disks,
    diskPlaces: specs.map((spec) => placeOf(spec)),
    dvds,
    ...(dvdDrive === undefined ? {} : { hasEmptyDrive: dvdDrive }),
    ...(config.floppy === undefined ? {} : { floppy: openFloppy(config.floppy, diskOptions) }),
    ...(lowMmioGap === undefined ? {} : { lowGapBytes: gapBytes(name, lowMmioGap) }),
    ...(hostName === undefined ? {} : { hostName }),
    adapters: adapters.map((spec) => adapterConfig(name, spec, options.switches)),
    preset: config.guest ?? DEFAULT_GUEST,
    switches: { ...config.set, ...overrides.switches },
    ...(config.rcConf === undefined ? {} : { rcConf: config.rcConf }),
    warn,
  };
}
