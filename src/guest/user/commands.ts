/** The programs of the root shell. */
import type { Startup } from '../boot/startup.ts';
import type { ShellCommand, Task } from '../kernel/api.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { formatDate } from '../timers/time-of-day.ts';
import type { PowerAction } from './power.ts';
import { shutDown } from './power.ts';

export function builtInCommands(startup: Startup): ShellCommand[] {
  const { kernel } = startup;
  const show = (
    name: string,
    help: string,
    text: (words: readonly string[]) => string,
  ): ShellCommand => ({
    name,
    help,
    *run(words) {
      kernel.print(text(words));
      yield 500_000;
    },
  });
  const end = (name: string, help: string, action: PowerAction): ShellCommand => ({
    name,
    help,
    run: () => shutDown(startup, action),
  });
  return [
    show('date', 'the time of day; +%s in seconds', (words) =>
      words[1] === '+%s'
        ? `${Math.floor(kernel.wallClockUs() / 1e6)}\n`
        : `${formatDate(kernel.wallClockUs())}\n`,
    ),
    show('dmesg', 'the kernel messages of this boot', () => kernel.console.messages),
    show('echo', 'write words', (words) => `${words.slice(1).join(' ')}\n`),
    show('ps', 'threads and their processor time', () => processes(startup)),
    {
      name: 'sysctl',
      help: 'kernel state: -a, names, or name=value',
      *run(words): Task<number> {
        yield 500_000;
        return sysctl(startup, words.slice(1));
      },
    },
    show('uname', 'name of the system; -a for all of it', (words) => uname(startup, words)),
    show('uptime', 'time since boot', () => `up ${uptime(kernel.uptimeNs())}, 1 user\n`),
    show('vmstat', '-i: interrupt counters', (words) => vmstat(startup, words)),
    moduleCommand(startup, 'kldload'),
    moduleCommand(startup, 'kldunload'),
    show('kldstat', 'modules of the kernel', () => moduleList(startup)),
    end('halt', 'stop the system', 'halt'),
    end('poweroff', 'stop the system and power off', 'poweroff'),
    end('reboot', 'stop the system and start again', 'reboot'),
    shutdownCommand(startup),
    {
      name: 'pkill',
      help: 'PROGRAM: ends a program that runs in the background',
      *run(words): Task<number> {
        yield 300_000;
        return kernel.userland.kill(words[1] ?? '') ? 0 : 1;
      },
    },
    {
      name: 'sleep',
      help: 'SECONDS',
      *run(words): Task {
        yield* kernel.tsleep({}, Math.max(0, Number(words[1]) || 0) * 1e9);
      },
    },
    {
      name: 'panic',
      help: 'crash the kernel',
      *run(): Task {
        yield 0;
        kernel.panic('kdb_sysctl_panic');
      },
    },
  ];
}

/** Drivers that are modules, each with the names of its devices. */
const MODULES: Readonly<Record<string, readonly string[]>> = {
  hv_storvsc: ['storvsc'],
  hv_netvsc: ['hn'],
  hv_utils: ['hvheartbeat', 'hvkvp', 'hvshutdown', 'hvtimesync', 'hvvss', 'hyperv-utils'],
};

function moduleList({ bus }: Startup): string {
  const loaded = Object.entries(MODULES).filter(([, drivers]) =>
    drivers.some((driver) => bus?.isUnloaded(driver) !== true),
  );
  const names = ['kernel', 'hv_vmbus', ...loaded.map(([name]) => name)];
  const row = (name: string, index: number): string =>
    `${String(index + 1).padStart(2)}  ${name}\n`;
  return `Id  Name\n${names.map(row).join('')}`;
}

function moduleCommand({ kernel, bus }: Startup, name: 'kldload' | 'kldunload'): ShellCommand {
  return {
    name,
    help: 'MODULE: hv_storvsc, hv_netvsc or hv_utils',
    *run(words): Task<number> {
      yield 2_000_000;
      const drivers = MODULES[words[1] ?? ''];
      if (drivers === undefined || bus === undefined) {
        kernel.print(`${name}: can't find file ${words[1] ?? ''}: No such file or directory\n`);
        return 1;
      }
      for (const driver of drivers) {
        const isDone =
          name === 'kldload' ? yield* bus.loadDriver(driver) : yield* bus.unloadDriver(driver);
        if (!isDone) {
          kernel.print(`${name}: can't do that to ${words[1]!}: Device busy\n`);
          return 1;
        }
      }
      return 0;
    },
  };
}

function shutdownCommand(startup: Startup): ShellCommand {
  const actions: Readonly<Record<string, PowerAction>> = {
    '-p': 'poweroff',
    '-h': 'halt',
    '-r': 'reboot',
  };
  return {
    name: 'shutdown',
    help: '-p, -h or -r, then "now"',
    *run(words): Task {
      const action = Object.hasOwn(actions, words[1] ?? '') ? actions[words[1]!] : undefined;
      if (action === undefined || words[2] !== 'now') {
        startup.kernel.print('usage: shutdown [-h | -p | -r] now\n');
        return;
      }
      yield* shutDown(startup, action);
    },
  };
}

function uname({ release, releaseDate, kernel }: Startup, words: readonly string[]): string {
  const version = `FreeBSD ${release}${kernel.isLegacy ? ' #0' : ''} GENERIC`;
  const facts: Readonly<Record<string, string>> = {
    '-a': `FreeBSD synthvm ${release} ${version} amd64`,
    '-K': String(releaseDate),
    '-m': 'amd64',
    '-n': 'synthvm',
    '-r': release,
    '-s': 'FreeBSD',
    '-v': version,
  };
  return `${facts[words[1] ?? '-s'] ?? 'usage: uname [-a | -K | -m | -n | -r | -s | -v]'}\n`;
}

function uptime(nowNs: number): string {
  const seconds = Math.floor(nowNs / 1e9);
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function sysctl({ kernel }: Startup, words: readonly string[]): number {
  const isValueOnly = words[0] === '-n';
  const names = words.filter((word) => word !== '-n');
  if (names.length === 0) kernel.print('usage: sysctl -a | [-n] name ... | name=value\n');
  let status = names.length === 0 ? 1 : 0;
  for (const name of names) {
    let text: string;
    if (name === '-a') {
      const all = [...kernel.sysctls.keys()].sort();
      text = all.map((leaf) => `${leaf}: ${kernel.sysctls.get(leaf)!()}\n`).join('');
    } else if (name.includes('=')) {
      text = setSysctl(kernel, name);
    } else {
      text = sysctlLines(kernel.sysctls, name);
      if (isValueOnly) text = text.replaceAll(/^(?!sysctl:)[^:\n]+: /gm, '');
    }
    if (text.startsWith('sysctl: ')) status = 1;
    kernel.print(text);
  }
  return status;
}

function setSysctl({ sysctls, writableSysctls }: Kernel, word: string): string {
  const [name = '', value = ''] = word.split('=', 2);
  const read = sysctls.get(name);
  const write = writableSysctls.get(name);
  if (read === undefined) return `sysctl: unknown oid '${name}'\n`;
  if (write === undefined) return `sysctl: oid '${name}' is read only\n`;
  const old = read();
  return write(value)
    ? `${name}: ${old} -> ${read()}\n`
    : `sysctl: ${name}=${value}: Invalid argument\n`;
}

/** A leaf, or every leaf below a node. */
function sysctlLines(tree: ReadonlyMap<string, () => string>, name: string): string {
  const leaf = tree.get(name);
  if (leaf !== undefined) return `${name}: ${leaf()}\n`;
  const below = [...tree.keys()].filter((key) => key.startsWith(`${name}.`)).sort();
  if (below.length === 0) return `sysctl: unknown oid '${name}'\n`;
  return below.map((key) => `${key}: ${tree.get(key)!()}\n`).join('');
}

function vmstat({ kernel }: Startup, words: readonly string[]): string {
  if (words[1] !== '-i') return 'usage: vmstat -i\n';
  const seconds = Math.max(1, Math.floor(kernel.uptimeNs() / 1e9));
  const line = (name: string, total: number): string =>
    `${name.padEnd(24)}${String(total).padStart(15)} ${String(Math.floor(total / seconds)).padStart(10)}\n`;
  const counters = kernel.interrupts.counters();
  const sum = counters.reduce((total, counter) => total + counter.total, 0);
  const head = `${'interrupt'.padEnd(24)}${'total'.padStart(15)} ${'rate'.padStart(10)}\n`;
  return head + counters.map(({ name, total }) => line(name, total)).join('') + line('Total', sum);
}

/** Kernel threads belong to process 0, whose time goes through calcru. */
export function processes(startup: Startup): string {
  const { kernel, cpuTicks } = startup;
  const threads = kernel.scheduler.threads;
  const isUser = (name: string): boolean => name === 'sh' || name === 'init' || name === 'rc';
  let kernelNs = startup.bootRuntimeNs;
  for (const thread of threads) if (!isUser(thread.name)) kernelNs += thread.runtimeNs;
  const rows = [`    0 DLs  ${seconds(cpuTicks.calcru(0, 'kernel', kernelNs))} [kernel]`];
  for (const thread of threads) {
    const us = Math.floor(thread.runtimeNs / 1000);
    const shown = isUser(thread.name) ? thread.name : `[kernel/${thread.name}]`;
    rows.push(
      `${String(thread.id).padStart(6)} ${thread.state[0]!.toUpperCase()}   ${seconds(us)} ${shown}`,
    );
  }
  return `   PID ST      TIME COMMAND\n${rows.join('\n')}\n`;
}

function seconds(us: number): string {
  return (us / 1e6).toFixed(3).padStart(9);
}
