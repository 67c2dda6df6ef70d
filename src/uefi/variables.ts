import type { StateStream } from '../core/state.ts';
import { readUtf16, utf16 } from '../core/text.ts';
import { encodeDevicePath, parseDevicePath } from './device-path.ts';
import type { PathNode } from './device-path.ts';
import { LOAD_OPTION_ACTIVE, LoadOption } from './spec/device-path.ts';
import { EfiGuid } from './spec/guids.ts';

/** UEFI 2.10, section 8.2. */
export const VariableAttribute = {
  nonVolatile: 1,
  bootService: 2,
  runtime: 4,
} as const;

export interface Variable {
  readonly name: string;
  readonly vendor: string;
  readonly attributes: number;
  readonly data: Uint8Array;
}

const DEFAULT_ATTRIBUTES =
  VariableAttribute.nonVolatile | VariableAttribute.bootService | VariableAttribute.runtime;

/** The firmware's variables, in memory, in the order in which they were first set. */
export class VariableStore {
  readonly #variables = new Map<string, Variable>();

  /** @param vendor lower-case GUID; the specification's own unless told */
  get(name: string, vendor: string = EfiGuid.globalVariable): Variable | undefined {
    return this.#variables.get(`${vendor} ${name}`);
  }

  /** No data deletes the variable. */
  set(
    name: string,
    data: Uint8Array,
    vendor: string = EfiGuid.globalVariable,
    attributes: number = DEFAULT_ATTRIBUTES,
  ): void {
    const key = `${vendor} ${name}`;
    if (data.length === 0) this.#variables.delete(key);
    else this.#variables.set(key, { name, vendor, attributes, data: data.slice() });
  }

  exchange(state: StateStream): void {
    const variables = state.list('variables', this.list(), (variable) => ({
      name: state.text('name', variable?.name ?? ''),
      vendor: state.text('vendor', variable?.vendor ?? ''),
      attributes: state.number('attributes', variable?.attributes ?? 0),
      data: state.bytes('data', variable?.data ?? new Uint8Array(0)),
    }));
    if (!state.isRestoring) return;
    this.#variables.clear();
    for (const variable of variables) {
      this.#variables.set(`${variable.vendor} ${variable.name}`, variable);
    }
  }

  list(): readonly Variable[] {
    return [...this.#variables.values()];
  }
}

export interface BootOption {
  /** The four digits of its name, as a number. */
  readonly number: number;
  readonly description: string;
  readonly isActive: boolean;
  readonly path: readonly PathNode[];
  readonly optionalData: Uint8Array;
}

export function bootOptionName(number: number): string {
  return `Boot${number.toString(16).toUpperCase().padStart(4, '0')}`;
}

/** @returns the option, or what is wrong with the variable, or undefined when it is not there */
export function readBootOption(
  variables: VariableStore,
  number: number,
): BootOption | string | undefined {
  const data = variables.get(bootOptionName(number))?.data;
  if (data === undefined) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (data.length < LoadOption.size) {
    return `${data.length} bytes are too few for a load option`;
  }
  const { attributes, pathBytes } = LoadOption.cursor(view).at(0);
  const description = readUtf16(view, LoadOption.size, data.length - LoadOption.size);
  const pathAt = LoadOption.size + (description.length + 1) * 2;
  if (pathAt + pathBytes > data.length) {
    return `its device path of ${pathBytes} bytes does not fit its ${data.length} bytes`;
  }
  const path = parseDevicePath(data.subarray(pathAt, pathAt + pathBytes));
  if (typeof path === 'string') return path;
  return {
    number,
    description,
    isActive: (attributes & LOAD_OPTION_ACTIVE) !== 0,
    path,
    optionalData: data.slice(pathAt + pathBytes),
  };
}

/** Sets Boot#### from an option. */
export function writeBootOption(variables: VariableStore, option: BootOption): void {
  const description = utf16(option.description);
  const path = encodeDevicePath(option.path);
  const data = new Uint8Array(
    LoadOption.size + description.length + path.length + option.optionalData.length,
  );
  const header = LoadOption.cursor(new DataView(data.buffer)).at(0);
  header.attributes = option.isActive ? LOAD_OPTION_ACTIVE : 0;
  header.pathBytes = path.length;
  data.set(description, LoadOption.size);
  data.set(path, LoadOption.size + description.length);
  data.set(option.optionalData, LoadOption.size + description.length + path.length);
  variables.set(bootOptionName(option.number), data);
}

/** BootOrder, or [] when it is not set. */
export function readBootOrder(variables: VariableStore): number[] {
  return words(variables.get('BootOrder')?.data ?? new Uint8Array(0));
}

export function writeBootOrder(variables: VariableStore, order: readonly number[]): void {
  variables.set('BootOrder', new Uint8Array(Uint16Array.from(order).buffer));
}

/** BootNext, which counts for one boot: taking it deletes it. */
export function takeBootNext(variables: VariableStore): number | undefined {
  const next = words(variables.get('BootNext')?.data ?? new Uint8Array(0))[0];
  variables.set('BootNext', new Uint8Array(0));
  return next;
}

function words(data: Uint8Array): number[] {
  const numbers: number[] = [];
  for (let at = 0; at + 2 <= data.length; at += 2) numbers.push(data[at]! | (data[at + 1]! << 8));
  return numbers;
}
