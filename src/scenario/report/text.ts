/** Results for people: a line a scenario, a matrix of hosts, and a sum. */
import { formatDuration } from '../../core/values.ts';
import { HOST_NAMES, type HostName } from '../../machine/profiles.ts';
import { inOrder } from '../discover.ts';
import { failuresOf, type Results, type ScenarioResult } from './results.ts';

/** What colours a part of a line. */
export interface Paint {
  readonly green: (text: string) => string;
  readonly red: (text: string) => string;
  readonly dim: (text: string) => string;
}

const SEEDS_SHOWN = 5;
const NAME_WIDTH = 72;

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** "ok  1.7 order of adapters   1.914 s   120 ms". */
export function resultLine(result: ScenarioResult, paint: Paint, showsHost: boolean): string {
  const failed = failuresOf(result);
  const { runs, scenario, host } = result;
  const mark = failed.length === 0 ? paint.green('ok  ') : paint.red('FAIL');
  const seeds = runs.length === 1 ? '' : ` ${runs.length - failed.length}/${runs.length} seeds`;
  const shown = failed.slice(0, SEEDS_SHOWN).map(({ seed }) => seed);
  const more = failed.length > shown.length ? ' ...' : '';
  const which = runs.length > 1 && failed.length > 0 ? `, not ${shown.join(' ')}${more}` : '';
  const name = `${scenario}${showsHost ? ` on ${host ?? 'its hosts'}` : ''}`;
  const virtual = formatDuration(sum(runs.map(({ virtualNs }) => virtualNs)) / runs.length);
  const wall = formatDuration(sum(runs.map(({ wallMs }) => wallMs)) * 1e6);
  const times = paint.dim(`${virtual.padStart(10)} ${wall.padStart(9)}`);
  return `${mark} ${name.padEnd(NAME_WIDTH)} ${times}${seeds}${which}`;
}

/** Notes of a scenario's first run. */
export function noteLines({ runs }: ScenarioResult): string[] {
  return (runs[0]?.notes ?? []).map(({ label, value }) => `       ${label}: ${value}`);
}

/** Why runs were left out, each with its number. */
type Reasons = Map<string, number>;

function cell(
  results: Results,
  file: string,
  scenario: string,
  host: HostName,
  reasons: Reasons,
): string {
  const isIt = (result: Pick<ScenarioResult, 'file' | 'scenario' | 'host'>): boolean =>
    result.file === file && result.scenario === scenario && result.host === host;
  const reason = results.skipped.find(isIt)?.reason;
  if (reason !== undefined) {
    const number = reasons.get(reason) ?? reasons.size + 1;
    reasons.set(reason, number);
    return `-${number}`;
  }
  const found = results.scenarios.find(isIt);
  if (found === undefined) return '';
  const failed = failuresOf(found).length;
  if (failed === 0) return 'ok';
  return found.runs.length === 1 ? 'FAIL' : `${failed} of ${found.runs.length}`;
}

/** Scenario by host; "-1" for what has no meaning there, with the reason below. */
export function matrixLines(results: Results, paint: Paint): string[] {
  const rows = new Map<string, { readonly file: string; readonly scenario: string }>();
  // Files end in any order; scenarios of one come in theirs.
  const all = [...results.scenarios, ...results.skipped].toSorted((left, right) =>
    inOrder(left.file, right.file),
  );
  for (const { file, scenario } of all) {
    rows.set(`${file}\n${scenario}`, { file, scenario });
  }
  const hosts = HOST_NAMES.filter((host) =>
    [...results.scenarios, ...results.skipped].some((result) => result.host === host),
  );
  const width = Math.max(...[...rows.values()].map(({ scenario }) => scenario.length), 8);
  const widths = hosts.map((host) => Math.max(host.length, 4));
  const head = ['scenario'.padEnd(width), ...hosts.map((host, at) => host.padEnd(widths[at]!))];
  const reasons: Reasons = new Map();
  const lines = [...rows.values()].map(({ file, scenario }) => {
    const cells = hosts.map((host, at) => {
      const text = cell(results, file, scenario, host, reasons);
      const padded = text.padEnd(widths[at]!);
      if (text.startsWith('-')) return paint.dim(padded);
      return text === 'ok' ? paint.green(padded) : paint.red(padded);
    });
    return [scenario.padEnd(width), ...cells].join('  ').trimEnd();
  });
  const notes = [...reasons].map(([reason, number]) => `${`-${number}`.padEnd(4)}${reason}`);
  const legend = notes.length === 0 ? [] : ['', 'left out:', ...notes];
  return [head.join('  ').trimEnd(), ...lines, ...legend];
}

/** "212 runs of 53 scenarios passed, 1 failed, in 12.3 s". */
export function summaryLine(results: Results): string {
  const { runs, failures, loadFailures, scenarios, skipped, wallMs } = results;
  const passed = runs.length - failures.length;
  const names = new Set(scenarios.map(({ file, scenario }) => `${file}\n${scenario}`));
  const parts = [`${passed} of ${runs.length} runs of ${names.size} scenarios passed`];
  if (failures.length > 0) parts.push(`${failures.length} failed`);
  if (skipped.length > 0) parts.push(`${skipped.length} left out`);
  if (loadFailures.length > 0) parts.push(`${loadFailures.length} errors in scripts`);
  return `${parts.join(', ')}, in ${formatDuration(wallMs * 1e6)}`;
}
