/** A machine from what a script says of it. */
import { dirname, isAbsolute, join } from 'node:path';
import { createDefaultDisk } from '../boot/default-disk.ts';
import { ExitCode, InputError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { Random } from '../core/random.ts';
import { presetNames, switchNames, type PresetName, type Switches } from '../guest/switches.ts';
import { chooseGeneration } from '../machine/choose-generation.ts';
import { openHostDisk, openHostImage } from '../machine/images.ts';
import type { MachineConfig } from '../machine/machine.ts';
import type { AdapterConfig } from '../machine/network.ts';
import { DEFAULT_HOST, HOST_NAMES, type HostName } from '../machine/profiles.ts';
import type { VirtualSwitch } from '../net/switch.ts';
import type { BlockDevice } from '../storage/block.ts';
import { MemoryStore } from '../storage/memory-store.ts';
import { OverlayDevice } from '../storage/overlay.ts';
import { openRaw } from '../storage/raw.ts';
import type { AdapterSpec, DiskSpec, VmConfig } from './api.ts';
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
  'guest',
  'set',
  'memory',
  'cpus',
  'disks',
  'dvds',
  'nics',
  'rcConf',
  'autoStart',
];
const RUN_KEYS = ['seed', 'hosts', 'wallLimit'];

/** An option that nothing reads would be silently without effect. */
export function checkKeys(name: string, config: object, isSingle: boolean): void {
  const known: readonly string[] = isSingle ? [...KEYS, ...RUN_KEYS] : KEYS;
  const unknown = Object.keys(config).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  const near = nearest(unknown, known);
  const tip = near === undefined ? `there are ${known.join(', ')}` : `did you mean "${near}"?`;
  throw wrong(name, `unknown option "${unknown}"; ${tip}`);
}

const builtInDisks = new Map<1 | 2, BlockDevice>();

/** One base for all machines of a process; what a guest writes goes to an overlay of its own. */
function builtInDisk(generation: 1 | 2): BlockDevice {
  const base = builtInDisks.get(generation) ?? createDefaultDisk({ generation });
  builtInDisks.set(generation, base);
  return new OverlayDevice(base);
}

/** A blank disk in memory. */
function blankDisk(name: string, bytes: number): BlockDevice {
  return openRaw(new MemoryStore(name, bytes), { readOnly: false, warn: () => undefined });
}

/** @param generation of the machine; only the built-in disk needs to know */
export function openDisk(
  spec: DiskSpec,
  generation: 1 | 2,
  { file, seed, warn, opened }: Pick<BuildOptions, 'file' | 'seed' | 'warn' | 'opened'>,
): BlockDevice {
  if (typeof spec === 'object' && 'builtIn' in spec) return builtInDisk(generation);
  if (typeof spec === 'object' && 'size' in spec) {
    return blankDisk(spec.name ?? 'blank disk', sizeBytes('size', spec.size));
  }
  const { path, write = false } = typeof spec === 'string' ? { path: spec } : spec;
  const disk = openHostDisk(besideScript(file, path), {
    write,
    warn,
    random: new Random(seed, 'images'),
  });
  opened.push(disk);
  return disk;
}

function besideScript(file: string, path: string): string {
  return isAbsolute(path) ? path : join(dirname(file), path);
}

function parseMac(name: string, text: string): Uint8Array {
  const match = /^[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}$/i.exec(text);
  if (match === null) throw wrong(name, `"${text}" is no address such as 00:15:5d:01:01:00`);
  return Uint8Array.from(text.split(/[:-]/), (digits) => Number.parseInt(digits, 16));
}

function adapterConfig(
  name: string,
  { on, mac, connected }: AdapterSpec,
  switches: ReadonlyMap<string, VirtualSwitch>,
): AdapterConfig {
  const network = on === undefined ? undefined : switches.get(on);
  if (on !== undefined && network === undefined) {
    const all = [...switches.keys()].join(', ') || 'none';
    throw wrong(name, `no switch is called "${on}"; the scenario declares ${all}`);
  }
  return {
    ...(network === undefined ? {} : { network }),
    ...(mac === undefined ? {} : { mac: parseMac(name, mac) }),
    ...(connected === undefined ? {} : { isConnected: connected }),
  };
}

/** Opens the images and makes the configuration; throws InputError for what cannot be. */
export function buildConfig(config: VmConfig, options: BuildOptions): BuiltConfig {
  const { name, overrides, seed, warn } = options;
  check(name, config);
  const host = overrides.host ?? config.host ?? DEFAULT_HOST;
  const specs: readonly DiskSpec[] =
    config.disks ?? ((config.dvds ?? []).length > 0 ? [] : [{ builtIn: true }]);
  const dvds = (config.dvds ?? []).map((path) => {
    const dvd = openHostImage(besideScript(options.file, path), { readOnly: true, warn });
    options.opened.push(dvd);
    return dvd;
  });
  const [first] = specs;
  const isImage = typeof first === 'string' || (first !== undefined && 'path' in first);
  // Whatever is there to guess from; a blank or built-in disk says nothing.
  const firstDisk = isImage ? openDisk(first, 2, options) : undefined;
  const { generation } = chooseGeneration(
    config.generation,
    host,
    firstDisk ?? (first === undefined ? dvds[0] : undefined),
  );
  const disks = specs.map((spec, index) =>
    index === 0 && firstDisk !== undefined ? firstDisk : openDisk(spec, generation, options),
  );
  const { nics = 1 } = config;
  const adapters = typeof nics === 'number' ? Array.from({ length: nics }, () => ({})) : nics;
  const memoryBytes = sizeBytes(`${name}: memory`, config.memory ?? DEFAULT_MEMORY);
  if (memoryBytes < 64 * MIB || memoryBytes > 3840 * MIB || memoryBytes % MIB !== 0) {
    throw wrong(name, `memory ${config.memory}: expected whole MiB from 64M to 3840M`);
  }
  return {
    generation,
    host,
    memoryBytes,
    processors: config.cpus ?? 1,
    seed,
    disks,
    dvds,
    adapters: adapters.map((spec) => adapterConfig(name, spec, options.switches)),
    preset: config.guest ?? DEFAULT_GUEST,
    switches: { ...config.set, ...overrides.switches },
    ...(config.rcConf === undefined ? {} : { rcConf: config.rcConf }),
    warn,
  };
}
