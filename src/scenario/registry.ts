/** Scenarios that a script declares, in the order in which it does. */
import type { Scenario, SingleConfig, SingleTest, TopologyConfig, TopologyTest } from './api.ts';

/** A declared scenario: `vm` for one machine, `vms` for several. */
export type ScenarioEntry = Scenario &
  (
    | {
        readonly kind: 'single';
        readonly config: SingleConfig;
        readonly body: (test: SingleTest) => Promise<void> | void;
      }
    | {
        readonly kind: 'topology';
        readonly config: TopologyConfig;
        readonly body: (test: TopologyTest) => Promise<void> | void;
      }
  ) & {
    /** Has the line of the declaration in its stack. */
    readonly site: Error;
  };

const declared: ScenarioEntry[] = [];

/** Takes what was declared since the last call. */
export function takeDeclared(): ScenarioEntry[] {
  return declared.splice(0);
}

/** The `scenario` that scripts import; see `DeclareScenario`. */
export function declareScenario(
  name: string,
  config: SingleConfig | TopologyConfig,
  body: (test: never) => Promise<void> | void,
): Scenario {
  const site = new Error('scenario');
  const entry =
    'machines' in config
      ? { kind: 'topology', name, config, site, body: body as (test: TopologyTest) => void }
      : { kind: 'single', name, config, site, body: body as (test: SingleTest) => void };
  declared.push(entry as ScenarioEntry);
  return { name };
}
