import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../core/errors.ts';
import { readDescription, type MachineDescription } from '../description.ts';
import type { RecordedInput, RunPosition } from '../inputs.ts';
import { VERSION } from '../version.ts';

/** Grows when the manifest changes in a way that older programs cannot read. */
export const BUNDLE_FORMAT = 1;
export const MANIFEST_FILE = 'manifest.json';
export const EVENTS_FILE = 'events.ndjson';

/** Where and how a run ended. */
export interface RunEnd {
  readonly position: RunPosition;
  readonly digest: string;
  readonly events: number;
  /** One clause for people. */
  readonly ending: string;
  readonly exitCode: number;
}

/** The manifest of a bundle that `synthvm boot` wrote. */
export interface BootManifest {
  readonly format: number;
  /** Version of the program. */
  readonly program: string;
  readonly kind: 'boot';
  /** The command, word by word. */
  readonly command: readonly string[];
  readonly machine: MachineDescription;
  /** What came in from outside, each with the point of the run at which it did. */
  readonly inputs: readonly RecordedInput[];
  readonly end: RunEnd;
  /** Real time, which the run does not depend on. */
  readonly wallMs: number;
}

/** The manifest of a bundle that a scenario wrote: its script does again what it did. */
export interface ScenarioManifest {
  readonly format: number;
  readonly program: string;
  readonly kind: 'scenario';
  readonly command: readonly string[];
  readonly script: { readonly path: string; readonly sha256: string };
  readonly scenario: string;
  readonly seed: string;
  readonly digest: string;
  readonly result: 'passed' | 'failed';
  readonly wallMs: number;
}

export type Manifest = BootManifest | ScenarioManifest;

/** @throws InputError when the folder holds no bundle that this program can read */
export function readManifest(folder: string): Manifest {
  const path = join(folder, MANIFEST_FILE);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new InputError(
      folder,
      `is no run bundle: ${MANIFEST_FILE} cannot be read (${code ?? ''})`,
    );
  }
  let manifest: Partial<Manifest>;
  try {
    manifest = JSON.parse(text) as Partial<Manifest>;
  } catch {
    throw new InputError(path, 'is not JSON');
  }
  if (manifest.format !== BUNDLE_FORMAT) {
    throw new InputError(
      path,
      `is a bundle of format ${String(manifest.format)}; this program reads format ${BUNDLE_FORMAT}`,
    );
  }
  if (manifest.program !== VERSION) {
    throw new InputError(
      path,
      `is of synthvm ${String(manifest.program)}; this is synthvm ${VERSION}, whose runs are others`,
    );
  }
  if (manifest.kind === 'boot') checkBoot(manifest, path);
  else if (manifest.kind !== 'scenario') {
    throw new InputError(path, `names no kind of run: ${JSON.stringify(manifest.kind)}`);
  }
  return manifest as Manifest;
}

function checkBoot(manifest: Partial<BootManifest>, path: string): void {
  readDescription(manifest.machine, path);
  const { end, inputs } = manifest;
  const isWhole = typeof end?.digest === 'string' && Number.isSafeInteger(end.position?.timeNs);
  if (!isWhole || !Array.isArray(inputs)) {
    throw new InputError(path, 'is not whole: it names no inputs, or not where the run ended');
  }
}
