/**
 * The model guest's switches: each turns one historical behaviour of FreeBSD's Hyper-V drivers on
 * or off. One row a switch; presets, `--set`, its errors and its help all come from the table.
 */
import { ExitCode, InputError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';

export type PresetName = 'bis:10.2' | 'bis:2015q4' | 'bis:modern';
export const presetNames: readonly PresetName[] = ['bis:10.2', 'bis:2015q4', 'bis:modern'];

interface SwitchRow<Value> {
  /** Values as a user writes them; the first column of `bis:10.2`, `bis:2015q4`, `bis:modern`. */
  readonly defaults: readonly [Value, Value, Value];
  readonly values: readonly Value[] | 'integer';
  readonly help: string;
}

function onOff(
  legacy: boolean,
  report: boolean,
  modern: boolean,
  help: string,
): SwitchRow<boolean> {
  return { defaults: [legacy, report, modern], values: [false, true], help };
}

function choice<const Value extends string>(
  values: readonly Value[],
  defaults: readonly [NoInfer<Value>, NoInfer<Value>, NoInfer<Value>],
  help: string,
): SwitchRow<Value> {
  return { defaults, values, help };
}

function integer(legacy: number, report: number, modern: number, help: string): SwitchRow<number> {
  return { defaults: [legacy, report, modern], values: 'integer', help };
}

export const switchTable = {
  release: choice(
    ['legacy', 'modern'],
    ['legacy', 'legacy', 'modern'],
    'which kernel the drivers live in: FreeBSD 10.2 or the present one',
  ),
  intrMpsafe: onOff(false, true, true, 'VMBus interrupt threads run without the Giant lock'),
  chanLookup: choice(
    ['list', 'table'],
    ['list', 'table', 'table'],
    'how an event finds its channel',
  ),
  ringWritableSignal: onOff(false, true, true, 'tell a blocked host when its ring has room again'),
  hvEventTimer: onOff(false, true, true, 'use the synthetic timer for interrupts'),
  earlyTimecounter: onOff(
    false,
    true,
    true,
    'register the Hyper-V timecounter before the TSC is measured',
  ),
  offerQueue: choice(
    ['perChannel', 'global'],
    ['perChannel', 'global', 'global'],
    'which threads attach offered devices',
  ),
  irqCounters: onOff(false, true, true, 'count VMBus interrupts for vmstat -i'),
  storvscMode: choice(
    ['legacy', 'workaround', 'en1612', 'en1616', 'd7521', 'r309726', 'modern'],
    ['legacy', 'workaround', 'modern'],
    'how storvsc treats an INQUIRY to a LUN that is not there',
  ),
  ataDisks: onOff(
    false,
    false,
    false,
    'hw.ata.disk_enable: IDE disks stay with the emulated controller (ada), storvsc leaves them alone',
  ),
  deDriver: onOff(
    true,
    true,
    false,
    'de(4) drives the emulated network adapter of Generation 1; FreeBSD 13 dropped it',
  ),
  vmbusAcpi: onOff(false, false, true, 'find VMBus as an ACPI device, not only beside a PCI bus'),
  efiLoader: choice(
    ['legacy', 'fixed'],
    ['legacy', 'legacy', 'fixed'],
    'legacy copies the kernel to 2 MiB whoever owns it',
  ),
  hvKbd: onOff(false, false, true, 'driver for the synthetic keyboard'),
  hvHid: onOff(false, false, true, 'driver for the synthetic mouse'),
  kvpPollWake: onOff(false, true, true, 'the KVP driver wakes its daemon when a request comes'),
  kvpPollTimeoutMs: choice(
    ['100', 'inf'],
    ['100', 'inf', 'inf'],
    'how long hv_kvp_daemon polls before it looks again by itself',
  ),
  kvpLostWakeup: onOff(
    true,
    true,
    false,
    'the KVP worker falls asleep without looking whether the daemon has answered',
  ),
  vrss: onOff(false, true, true, 'hn receives on several channels, spread by RSS'),
  txCsumDecision: choice(
    ['anyFlag', 'txFlags'],
    ['anyFlag', 'txFlags', 'txFlags'],
    'when hn has the host compute a checksum: for any flag of a packet, or when that was asked for',
  ),
  ifmedia: onOff(false, true, true, 'hn answers media ioctls and tells devd of its link'),
  gpadlTeardown: choice(
    ['beforeClose', 'byVersion'],
    ['beforeClose', 'beforeClose', 'byVersion'],
    "when hn takes its buffers back: before the channel's close, or after it from VMBus 4.0 on",
  ),
  relidReleased: onOff(false, false, true, 'give the channel id back after a rescind'),
  postBackoff: onOff(
    false,
    false,
    true,
    'a message that the host has no buffer for is posted again for seconds, not for 16 ms',
  ),
  openPollsRescind: onOff(
    false,
    false,
    true,
    'the wait for the result of an open ends when the channel is rescinded',
  ),
  rescindQueue: choice(
    ['shared', 'own'],
    ['own', 'own', 'own'],
    'shared: a rescind waits behind offers and the sub-channels that they open',
  ),
  mapBeforeOpen: onOff(
    true,
    true,
    true,
    'a channel takes events before the host is asked to open it',
  ),
  ringRecheck: onOff(true, true, true, 'look into a ring again once its interrupts are unmasked'),
  panicUnload: choice(
    ['none', 'ownSlot', 'allSlots'],
    ['none', 'none', 'none'],
    'a panic takes leave of VMBus first, and polls its own or all processors for the answer',
  ),
  vmbusVersion: choice(
    ['auto', '0.13', '1.1', '2.4', '3.0', '4.0', '4.1', '5.0', '5.1', '5.2', '5.3', '6.0'],
    ['auto', 'auto', 'auto'],
    'propose only this VMBus version; auto proposes the list of the kernel',
  ),
  hz: integer(100, 100, 1000, 'clock ticks a second; legacy time-outs are counted in them'),
  verbose: onOff(false, false, false, 'a verbose boot'),
} as const;

export type SwitchName = keyof typeof switchTable;
export type Switches = {
  readonly [Name in SwitchName]: (typeof switchTable)[Name]['defaults'][number];
};
type SwitchValue = string | number | boolean;

export const switchNames = Object.keys(switchTable) as readonly SwitchName[];

/** The switches of a preset. */
export function presetSwitches(preset: PresetName): Switches {
  const column = presetNames.indexOf(preset);
  const entries = switchNames.map((name) => [name, switchTable[name].defaults[column]]);
  return Object.fromEntries(entries) as Switches;
}

/** @param text as given to `--guest`; throws InputError for anything but a preset */
export function parsePreset(text: string): PresetName {
  const found = presetNames.find((name) => name === text);
  if (found !== undefined) return found;
  throw new InputError(
    '--guest',
    `no guest is called "${text}"; the model guests are ${presetNames.join(', ')}`,
    ExitCode.usage,
  );
}

/**
 * Reads `--set name=value,name=value`.
 * @returns only the switches that were named; throws InputError with the allowed values
 */
export function parseSwitches(text: string): Partial<Switches> {
  const result: Record<string, SwitchValue> = {};
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).trim();
    const row: SwitchRow<SwitchValue> | undefined = Object.hasOwn(switchTable, name)
      ? switchTable[name as SwitchName]
      : undefined;
    if (row === undefined) {
      throw new InputError('--set', unknownName(name), ExitCode.usage);
    }
    const value = equals < 0 ? undefined : readValue(row, part.slice(equals + 1).trim());
    if (value === undefined) {
      throw new InputError(
        '--set',
        `"${part.trim()}": ${name} takes ${valuesOf(name as SwitchName)}`,
        ExitCode.usage,
      );
    }
    result[name] = value;
  }
  return result;
}

/** "on or off", "list or table", "a whole number above 0": for help and errors. */
export function valuesOf(name: SwitchName): string {
  const values: readonly SwitchValue[] | 'integer' = switchTable[name].values;
  if (values === 'integer') return 'a whole number from 10 to 10000';
  const shown = values.map((value) => showValue(value));
  return `${shown.slice(0, -1).join(', ')} or ${shown.at(-1)!}`;
}

/** How a value is written in `--set`. */
export function showValue(value: SwitchValue): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}

const words: Readonly<Record<string, boolean>> = {
  on: true,
  off: false,
  true: true,
  false: false,
  yes: true,
  no: false,
  1: true,
  0: false,
};

function readValue(row: SwitchRow<SwitchValue>, text: string): SwitchValue | undefined {
  if (row.values === 'integer') {
    const value = /^\d{2,5}$/.test(text) ? Number(text) : 0;
    return value >= 10 && value <= 10_000 ? value : undefined;
  }
  if (typeof row.values[0] === 'boolean') {
    const word = text.toLowerCase();
    return Object.hasOwn(words, word) ? words[word] : undefined;
  }
  return row.values.find((value) => value === text);
}

function unknownName(name: string): string {
  const near = nearest(name, switchNames);
  const tip =
    near === undefined ? `the switches are ${switchNames.join(', ')}` : `did you mean "${near}"?`;
  return `no switch is called "${name}"; ${tip}`;
}
