import { ExitCode } from '../core/errors.ts';
import { DEFAULT_HOST, HOST_NAMES, HOST_PROFILES } from '../machine/profiles.ts';
import { showVmbusVersion } from '../vmbus/spec/versions.ts';
import type { Output } from './output.ts';
import type { Invocation } from './parse.ts';

/** `synthvm hosts`: the host profiles as a table, or one JSON object a line. */
export function hostsCommand({ values }: Invocation, output: Output): ExitCode {
  const rows = HOST_NAMES.map((name) => {
    const { title, hypervisor, vmbusVersion, storvsc, pitAnomaly } = HOST_PROFILES[name];
    const [build, release] = hypervisor.version;
    return {
      name,
      title,
      build: `${release >>> 16}.${release & 0xffff}.${build}`,
      vmbus: showVmbusVersion(vmbusVersion),
      vstor: `${storvsc.maxVersion >>> 8}.${storvsc.maxVersion & 0xff}`,
      absentLun: storvsc.absentLun,
      pit: pitAnomaly === null ? 'sound' : 'drifts',
    };
  });
  if (values.has('json')) {
    for (const row of rows) output.out(`${JSON.stringify(row)}\n`);
    return ExitCode.ok;
  }
  const titles = {
    name: 'NAME',
    title: 'WINDOWS',
    build: 'BUILD',
    vmbus: 'VMBUS',
    vstor: 'VSTOR',
    absentLun: 'ABSENT LUN',
    pit: 'PIT',
  };
  const keys = Object.keys(titles) as (keyof typeof titles)[];
  const widths = keys.map((key) => Math.max(...[titles, ...rows].map((row) => row[key].length)));
  const line = (row: typeof titles): string =>
    keys
      .map((key, index) => row[key].padEnd(widths[index]!))
      .join('  ')
      .trimEnd();
  output.out(`${output.outColors.bold(line(titles))}\n`);
  for (const row of rows) output.out(`${line(row)}\n`);
  output.out(`\nThe default is ${DEFAULT_HOST}.\n`);
  return ExitCode.ok;
}
