/** What came of many runs, gathered for the reporters. */
import type { HostName } from '../../machine/profiles.ts';
import type { LoadFailure, SkippedRun } from '../protocol.ts';
import type { RunRecord } from '../record.ts';

/** Runs of one scenario on one host, one for each seed. */
export interface ScenarioResult {
  readonly file: string;
  readonly scenario: string;
  readonly host: HostName | undefined;
  readonly runs: RunRecord[];
}

export function failuresOf({ runs }: ScenarioResult): RunRecord[] {
  return runs.filter(({ result }) => result === 'failed');
}

export class Results {
  readonly scenarios: ScenarioResult[] = [];
  readonly loadFailures: LoadFailure[] = [];
  readonly skipped: SkippedRun[] = [];
  /** Faults of ours. */
  readonly faults: string[] = [];
  wallMs = 0;

  /** @returns the scenario that the run belongs to */
  add(record: RunRecord): ScenarioResult {
    const host = record.machines[0]?.host;
    const known = this.scenarios.find(
      (result) =>
        result.file === record.file && result.scenario === record.scenario && result.host === host,
    );
    if (known !== undefined) {
      known.runs.push(record);
      return known;
    }
    const result = { file: record.file, scenario: record.scenario, host, runs: [record] };
    this.scenarios.push(result);
    return result;
  }

  get runs(): readonly RunRecord[] {
    return this.scenarios.flatMap(({ runs }) => runs);
  }

  get failures(): readonly RunRecord[] {
    return this.runs.filter(({ result }) => result === 'failed');
  }

  /** Nothing was run, and nothing kept anything from it. */
  get isEmpty(): boolean {
    const { scenarios, skipped, loadFailures, faults } = this;
    return [scenarios, skipped, loadFailures, faults].every(({ length }) => length === 0);
  }

  get isGood(): boolean {
    return (
      this.failures.length === 0 &&
      this.loadFailures.length === 0 &&
      this.faults.length === 0 &&
      this.scenarios.length > 0
    );
  }
}
