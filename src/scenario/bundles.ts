import { join } from 'node:path';
import { BUNDLE_FORMAT, type ScenarioManifest } from '../machine/bundle/manifest.ts';
import { BundleRecorder } from '../machine/bundle/recorder.ts';
import { describeFile } from '../machine/description.ts';
import { VERSION } from '../machine/version.ts';
import type { RunRecord } from './record.ts';
import type { VmHandle } from './vm-handle.ts';

/** A name as a folder's. */
function slug(parts: readonly unknown[]): string {
  const words = parts.filter((part) => part !== undefined).map(String);
  return words.join('-').replaceAll(/[^\w.]+/g, '-');
}

/** The run bundles of one run of a scenario, one for each machine. */
export class RunBundles {
  readonly #folder: string;
  readonly #file: string;
  readonly #recorders = new Map<string, BundleRecorder>();

  /** @param parts of the run's own folder, where there are several runs */
  constructor(folder: string, file: string, parts: readonly unknown[] | undefined) {
    this.#folder = parts === undefined ? folder : join(folder, slug(parts));
    this.#file = file;
  }

  begin(vms: readonly VmHandle[]): void {
    const [only, ...others] = vms;
    if (only !== undefined && others.length === 0) {
      this.#recorders.set(only.name, new BundleRecorder(this.#folder, only.machine, this.#file));
    } else for (const vm of vms) this.add(vm);
  }

  /** One of several, or a fork of the only one: its bundle has a folder of its own in that of the run. */
  add({ name, machine }: VmHandle): void {
    const folder = join(this.#folder, slug([name]));
    this.#recorders.set(name, new BundleRecorder(folder, machine, `${this.#file}: ${name}`));
  }

  finish(record: RunRecord): void {
    const { path, sha256 } = describeFile(this.#file);
    const manifest: ScenarioManifest = {
      format: BUNDLE_FORMAT,
      program: VERSION,
      kind: 'scenario',
      command: record.replay,
      script: { path, sha256 },
      scenario: record.scenario,
      seed: String(record.seed),
      digest: record.digest,
      result: record.result,
      wallMs: Math.round(record.wallMs),
    };
    for (const { name, screenshots } of record.machines) {
      const recorder = this.#recorders.get(name);
      for (const { name: title, timeNs, png } of screenshots) {
        recorder?.addImage(title, timeNs, png);
      }
      // The scenario's images are closed: nothing of the machine runs any more.
      recorder?.finish(manifest, false);
    }
  }
}
