/** What the cases have in common: the machine that every row starts from, and a shell in its guest. */
import { expect, scenario } from 'synthvm';
import type { RunConfig, SingleConfig, SingleTest, Vm, VmConfig } from 'synthvm';

/** The host that the suite was written for; `--host all` runs it on every one. */
export const HOST = 'ws2012r2';
export type Generation = 1 | 2;
export const BOTH: readonly Generation[] = [1, 2];
export const GENERATION_1: readonly Generation[] = [1];
/** Longer than anything that a case lets the guest do. */
const WITHIN = '7200s';

export interface CaseOptions {
  /** Both, unless the case is about hardware of Generation 1. */
  readonly generations?: readonly Generation[];
  readonly vm?: VmConfig;
  /** Where there are hosts on which the case has no meaning. */
  readonly hosts?: NonNullable<RunConfig['hosts']>;
  readonly hostsReason?: string;
}

/** All but the oldest one. */
export const SINCE_2012_R2 = [
  'ws2012r2',
  'ws2016tp',
  'ws2016',
  'ws2019',
  'ws2022',
  'ws2025',
] as const satisfies RunConfig['hosts'];

/** BASE: one processor, a boot disk, one synthetic adapter on a network with a DHCP server. */
export function base(generation: Generation, more: VmConfig = {}): SingleConfig {
  return { host: HOST, hosts: 'all', generation, wallLimit: '120s', ...more };
}

export type CaseBody = (test: SingleTest & { readonly generation: Generation }) => Promise<void>;

/** Declares a case of the published suite under its own name, once for each generation. */
export function bis(name: string, options: CaseOptions, body: CaseBody): void {
  const { generations = BOTH, vm, ...hosts } = options;
  for (const generation of generations) {
    scenario(caseName(name, generation), { ...base(generation, vm), ...hosts }, (test) =>
      body({ ...test, generation }),
    );
  }
}

export function caseName(name: string, generation: Generation): string {
  return `${name} [Generation ${generation}]`;
}

/** All but the one that shows disks which are none, and answers nothing for a LUN that is not there. */
export const WITHOUT_PREVIEW = [
  'ws2012',
  'ws2012r2',
  'ws2016',
  'ws2019',
  'ws2022',
  'ws2025',
] as const satisfies RunConfig['hosts'];

/** For disks of Generation 1 at other LUNs than 0, where there is nothing unless the case puts it there. */
export const NO_LUN_0 = {
  hosts: WITHOUT_PREVIEW,
  hostsReason: 'without a disk at LUN 0 the host answers nothing that leads to the others',
} as const;

/** Boots to the prompt of root's shell. */
export async function login(vm: Vm): Promise<void> {
  await vm.boot({ within: '600s' });
  await vm.console.login();
}

/** Starts a machine that has stopped, and boots it as `login` does. */
export async function startAgain(vm: Vm): Promise<void> {
  await vm.powerOn();
  await login(vm);
}

export interface Result {
  readonly output: string;
  readonly status: number;
}

/** Runs a line of the shell. */
export async function run(vm: Vm, line: string): Promise<Result> {
  const printed = await vm.console.run(`${line}; echo "status=$?"`, { within: WITHIN });
  const found = [...printed.matchAll(/status=(\d+)$/gm)].at(-1);
  if (found === undefined) throw new Error(`"${line}" ended without a status:\n${printed}`);
  return { output: printed.slice(0, found.index), status: Number(found[1]) };
}

/** Runs lines that all have to succeed. @returns what the last one printed */
export async function sh(vm: Vm, ...lines: string[]): Promise<string> {
  let output = '';
  for (const line of lines) {
    const result = await run(vm, line);
    if (result.status !== 0) {
      throw new Error(`"${line}" failed with status ${result.status}:\n${result.output}`);
    }
    output = result.output;
  }
  return output.trim();
}

/** Waits for the polite shutdown that the shutdown service asks for. */
export async function shutDown(vm: Vm): Promise<void> {
  await vm.integration.shutdown('powerOff', { force: true, within: '60s' });
  expect((await vm.halt({ within: '400s' })).reason).toBe('power-off');
}

/** The value of a sysctl. */
export async function sysctl(vm: Vm, name: string): Promise<string> {
  return await sh(vm, `sysctl -n ${name}`);
}

/** The one number that a pattern's group finds. */
export function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text);
  if (found?.[1] === undefined) throw new Error(`${pattern} is nowhere in:\n${text}`);
  return Number(found[1]);
}
