/** Commands about scenarios, and their flags. */
import { type Command, type Option, OUT, quiet, seed } from './flags.ts';

const ONLY: Option = {
  name: 'only',
  value: 'TEXT',
  help: 'only scenarios whose names hold this text',
};
const HOST: Option = {
  name: 'host',
  value: 'NAME,...|all',
  help: 'run on these hosts (see `synthvm hosts`), in place of what the script says',
};
const SEED = seed("the run is a function of this number; default the scenario's own, or 1");
const SET: Option = {
  name: 'set',
  value: 'K=V,...',
  many: true,
  help: "change the guest's switches, over the script's",
};
const PERTURB: Option = {
  name: 'perturb',
  value: 'all|A-B',
  help: 'delay processors, interrupts and messages by the seed, as `explore` does',
};
const WALL_LIMIT: Option = {
  name: 'wall-limit',
  value: 'TIME',
  help: "most real time for a scenario; default the scenario's own, or 60s",
};
const JOBS: Option = {
  name: 'jobs',
  short: 'j',
  value: 'N',
  help: 'threads; default one for each processor',
};
const QUIET = quiet('print failures only');
const SILENT = quiet('say nothing');
const SKIP_CHECK: Option = {
  name: 'skip-check',
  help: "do not check the scripts' types, which is done where a TypeScript compiler is found",
};
/** Which runs there are, and what changes them: the same wherever scripts run. */
const RUNS: readonly Option[] = [ONLY, HOST, SEED, SET, PERTURB, WALL_LIMIT];

export const RUN: Command = {
  name: 'run',
  operands: '<script.ts>',
  summary: "run a script's scenarios, and show what they do",
  options: [
    ...RUNS,
    { name: 'console', help: "write the guests' consoles to standard output" },
    OUT,
    SKIP_CHECK,
    QUIET,
  ],
  notes: [
    'A script is TypeScript in any folder: `import { scenario } from "synthvm"`. Nothing has to be installed',
    'beside it. It is ordinary code with your rights: run only what you trust.',
  ],
};

export const TEST: Command = {
  name: 'test',
  operands: '[files or folders...]',
  summary: 'run the scenarios of many scripts at once, and report',
  options: [
    ...RUNS,
    {
      name: 'seeds',
      value: 'N',
      help: 'run each scenario so often, with seeds from --seed or 1 on',
    },
    JOBS,
    { name: 'reporter', value: 'NAME', help: 'default, junit or json' },
    {
      name: 'output',
      short: 'o',
      value: 'FILE',
      help: 'where junit and json go; else standard output',
    },
    SKIP_CHECK,
    QUIET,
  ],
  notes: [
    'In folders every .ts file that imports from "synthvm" and declares a scenario is run; default this folder.',
    'With --host the result is a matrix of scenario by host. Exit code 1 when anything failed.',
  ],
};

export const EXPLORE: Command = {
  name: 'explore',
  operands: '<script.ts>',
  summary: 'run scenarios over many disturbed seeds, and show how those that fail come about',
  options: [
    { name: 'seeds', value: 'N', help: 'how many, from --seed or 1 on; default 1000' },
    ...RUNS,
    JOBS,
    SKIP_CHECK,
    QUIET,
  ],
  notes: [
    'Each seed delays processors, interrupts, messages, signals and the work of the host in a way of its own.',
    'For a seed that fails the least is searched that makes it fail, and the difference from a run that passes.',
  ],
};

export const COMPILE: Command = {
  name: 'compile',
  operands: '<script.ts>',
  summary: 'make one executable of a script, its images and this program',
  options: [
    { name: 'output', short: 'o', value: 'FILE', help: 'the program to make' },
    {
      name: 'disk',
      value: 'FILE',
      many: true,
      help: "put an image in, by the path with which the script names it (relative to the script's folder)",
    },
    SKIP_CHECK,
    SILENT,
  ],
  notes: [
    'The program takes the flags of `synthvm run`. Its images are unpacked to a temporary folder while it runs.',
  ],
};

export const TYPES: Command = {
  name: 'types',
  operands: '[file]',
  summary: "write the API's declarations for editors; default types/synthvm.d.ts",
  options: [SILENT],
};

export const SCENARIO_COMMANDS: readonly Command[] = [RUN, TEST, EXPLORE, COMPILE, TYPES];
