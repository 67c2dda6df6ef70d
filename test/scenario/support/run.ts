/** Runs the body of a scenario as the runner does, and gives its record. */
import type {
  SingleConfig,
  SingleTest,
  TopologyConfig,
  TopologyTest,
} from '../../../src/scenario/api.ts';
import { scenario } from '../../../src/scenario/index.ts';
import type { RunRecord } from '../../../src/scenario/record.ts';
import { takeDeclared } from '../../../src/scenario/registry.ts';
import { runScenario, type RunOptions } from '../../../src/scenario/run-scenario.ts';

/** Small machines boot as well as large ones, and leave more memory to other tests. */
const SMALL: SingleConfig = { memory: '64M', nics: 0 };

function runDeclared(options: Partial<RunOptions>): Promise<RunRecord> {
  const [entry] = takeDeclared();
  return runScenario(entry!, { file: import.meta.filename, ...options });
}

export function runBody(
  body: (test: SingleTest) => Promise<void> | void,
  config: SingleConfig = {},
  options: Partial<RunOptions> = {},
): Promise<RunRecord> {
  scenario('a scenario', { ...SMALL, ...config }, body);
  return runDeclared(options);
}

export function runTopology<const Name extends string>(
  config: TopologyConfig<Name>,
  body: (test: TopologyTest<NoInfer<Name>>) => Promise<void> | void,
): Promise<RunRecord> {
  scenario('a scenario', config, body);
  return runDeclared({});
}

/** Runs a body that is to pass; its failure is the test's. */
export async function passes(
  body: (test: SingleTest) => Promise<void> | void,
  config: SingleConfig = {},
  options: Partial<RunOptions> = {},
): Promise<RunRecord> {
  const record = await runBody(body, config, options);
  if (record.failure !== undefined) {
    throw new Error([record.failure.message, ...record.failure.detail].join('\n'));
  }
  return record;
}
