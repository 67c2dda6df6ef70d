/** Results for programs: JUnit's XML and JSON. */
import { evidenceLines, failureLine, showPlace } from '../evidence.ts';
import type { SkippedRun } from '../protocol.ts';
import type { RunRecord } from '../record.ts';
import { failuresOf, type Results, type ScenarioResult } from './results.ts';

function escape(text: string): string {
  const named: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&apos;',
  };
  return (
    text
      .replaceAll(/[&<>"']/g, (character) => named[character]!)
      // What XML 1.0 has no way to write: a guest may print it all the same.
      // oxlint-disable-next-line no-control-regex
      .replaceAll(/[\u0000-\u0008\u000B\u000C\u000E-\u001F]/g, '?')
  );
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}

function wallMsOf({ runs }: ScenarioResult): number {
  return runs.reduce((sum, { wallMs }) => sum + wallMs, 0);
}

function openCase(
  { file, scenario, host }: Pick<ScenarioResult, 'file' | 'scenario' | 'host'>,
  wallMs: number,
): string {
  const name = `${scenario}${host === undefined ? '' : ` [${host}]`}`;
  return `    <testcase classname="${escape(file)}" name="${escape(name)}" time="${seconds(wallMs)}"`;
}

function skippedCase(skipped: SkippedRun): string {
  return `${openCase(skipped, 0)}>\n      <skipped message="${escape(skipped.reason)}"/>\n    </testcase>\n`;
}

function testCase(result: ScenarioResult): string {
  const open = openCase(result, wallMsOf(result));
  const failed = failuresOf(result);
  if (failed.length === 0) return `${open}/>\n`;
  const bodies = failed.map((record) => {
    const message = failureLine(record, record.failure!);
    const text = [message, ...evidenceLines(record)].join('\n');
    return `      <failure message="${escape(message)}">${escape(text)}</failure>\n`;
  });
  return `${open}>\n${bodies.join('')}    </testcase>\n`;
}

/** @returns a document in the form that Jenkins, GitLab and others read */
export function junitReport(results: Results): string {
  const files = [...new Set([...results.scenarios, ...results.skipped].map(({ file }) => file))];
  const suites = files.map((file) => {
    const cases = results.scenarios.filter((result) => result.file === file);
    const left = results.skipped.filter((skipped) => skipped.file === file);
    const failed = cases.filter((result) => failuresOf(result).length > 0).length;
    const time = seconds(cases.reduce((sum, result) => sum + wallMsOf(result), 0));
    return (
      `  <testsuite name="${escape(file)}" tests="${cases.length + left.length}" failures="${failed}" errors="0" skipped="${left.length}" time="${time}">\n` +
      `${cases.map((result) => testCase(result)).join('')}${left.map((one) => skippedCase(one)).join('')}  </testsuite>\n`
    );
  });
  for (const { file, message, place } of results.loadFailures) {
    const text = `${place === undefined ? file : showPlace(place)}: ${message}`;
    suites.push(
      `  <testsuite name="${escape(file)}" tests="1" failures="0" errors="1" time="0">\n` +
        `    <testcase classname="${escape(file)}" name="load" time="0">\n` +
        `      <error message="${escape(text)}"/>\n    </testcase>\n  </testsuite>\n`,
    );
  }
  const { failures, scenarios, skipped, loadFailures, wallMs } = results;
  const tests = scenarios.length + skipped.length + loadFailures.length;
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
    `<testsuites name="synthvm" tests="${tests}" failures="${failures.length}" errors="${loadFailures.length}" time="${seconds(wallMs)}">\n` +
    `${suites.join('')}</testsuites>\n`
  );
}

function runObject(record: RunRecord): Record<string, unknown> {
  const { failure, seed, result, virtualNs, wallMs, digest, notes, replay } = record;
  return {
    // A seed of 64 bits does not fit a JSON number.
    seed: String(seed),
    result,
    virtualNs,
    wallMs: Math.round(wallMs),
    digest,
    ...(notes.length === 0
      ? {}
      : { notes: Object.fromEntries(notes.map(({ label, value }) => [label, value])) }),
    ...(failure === undefined
      ? {}
      : {
          failure: {
            message: failure.message,
            detail: failure.detail,
            place: failure.place,
            step: failure.step,
            awaited: failure.awaited,
            kind: failure.cause.kind,
          },
          replay,
        }),
  };
}

export function jsonReport(results: Results): string {
  const { scenarios, loadFailures, skipped, failures, runs, wallMs } = results;
  const report = {
    runs: runs.length,
    failures: failures.length,
    wallMs: Math.round(wallMs),
    scenarios: scenarios.map((result) => ({
      file: result.file,
      scenario: result.scenario,
      host: result.host,
      runs: result.runs.map((record) => runObject(record)),
    })),
    errors: loadFailures.map(({ file, message, place }) => ({ file, message, place })),
    skipped,
  };
  return `${JSON.stringify(report, undefined, 2)}\n`;
}
