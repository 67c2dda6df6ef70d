/**
 * Every command and flag, once: the parser, the checks and `--help` all come from these tables.
 */
import { type Command, JSON_OPTION, type Option, OUT, quiet, seed } from './flags.ts';
import { SCENARIO_COMMANDS } from './scenario-options.ts';

const QUIET = quiet('no progress on standard error');

export const BOOT: Command = {
  name: 'boot',
  operands: '[disk...]',
  summary: 'boot a virtual machine from disk images, or from a disk built in memory',
  options: [
    {
      name: 'gen',
      value: '1|2',
      help: 'generation: 1 (BIOS) or 2 (UEFI); else guessed from the first disk',
    },
    {
      name: 'host',
      value: 'NAME',
      help: 'Windows version to be (see `synthvm hosts`); default ws2022',
    },
    {
      name: 'guest',
      value: 'bis:PRESET',
      help: 'model guest: bis:10.2, bis:2015q4 or bis:modern (default)',
    },
    {
      name: 'set',
      value: 'K=V,...',
      many: true,
      help: "change the guest's switches; `--set help` lists them",
    },
    {
      name: 'kernel',
      value: 'FILE',
      help: 'run this Linux (bzImage) or Multiboot kernel on our own x86-64 processor',
    },
    {
      name: 'initrd',
      value: 'FILE',
      many: true,
      help: "the kernel's initial RAM disk, or a Multiboot module",
    },
    {
      name: 'append',
      value: 'TEXT',
      help: "the kernel's command line; default console=ttyS0 for Linux",
    },
    {
      name: 'cpu',
      value: 'MODE',
      help: 'interpret or jit (default): how instructions are executed, not what they do',
    },
    {
      name: 'debug-exit',
      value: 'PORT',
      help: 'a guest that writes V to this port ends the run with exit code 2V+1',
    },
    {
      name: 'serial',
      value: 'WHERE',
      help: 'where COM1 goes: stdio (default), none, or a file',
    },
    { name: 'memory', short: 'm', value: 'SIZE', help: 'RAM, 64M to 3840M; default 512M' },
    { name: 'cpus', value: 'N', help: 'virtual processors, 1 to 64; default 1' },
    seed('the run is a function of this number; default 1'),
    { name: 'dvd', value: 'FILE', many: true, help: 'attach an ISO image as a DVD drive' },
    {
      name: 'floppy',
      value: 'FILE',
      help: 'put a diskette image (.vfd, raw) into drive A:; Generation 1 only',
    },
    { name: 'write', help: 'keep what the guest writes; without it writes are dropped at the end' },
    {
      name: 'until',
      value: 'WHAT',
      help: 'stop at a phase (see `help boot`), at a virtual time, or when the console prints this',
    },
    { name: 'timeout', value: 'TIME', help: 'most virtual time to get there; default 300s' },
    { name: 'wall-limit', value: 'TIME', help: 'most real time; none by default' },
    { name: 'verbose-boot', help: 'the guest boots verbosely (boot -v)' },
    { name: 'nics', value: 'N', help: 'synthetic network adapters, 0 to 8; default 1' },
    {
      name: 'legacy-nics',
      value: 'N',
      help: 'emulated network adapters (DEC 21140), 0 to 4; Generation 1 only; default 0',
    },
    {
      name: 'pcap',
      value: 'FILE',
      help: "write the network adapters' frames as pcapng, for Wireshark",
    },
    {
      name: 'screenshot',
      value: 'FILE',
      help: 'at the end write what the screen shows, as a .png',
    },
    { name: 'trace', value: 'FILE', help: 'write every event: .ndjson, or .json for Perfetto' },
    OUT,
    { name: 'save', value: 'FILE', help: 'at the end write a snapshot of the machine' },
    {
      name: 'from',
      value: 'FILE',
      help: 'go on from a snapshot, in place of disks and their flags',
    },
    JSON_OPTION,
    QUIET,
  ],
  notes: [
    'Phases: firmware boot-device loader kernel vmbus-connected offers-delivered root-mounted login halt.',
    'With a terminal on standard input the console stays live after login: Ctrl-] . leaves it.',
    'Ctrl-C asks the guest to shut down; a second one switches the machine off (exit code 130).',
    'Without one the boot ends at login. The guest console goes to standard output, the rest to standard error.',
    "With --kernel the console is live from the start and Ctrl-C is the guest's: Ctrl-] Ctrl-C asks it to shut",
    'down; without a terminal the run ends when the guest powers off.',
  ],
};

export const DISK: Command = {
  name: 'disk',
  operands: '<create|info|convert|ls> ...',
  summary: 'make, look at and convert disk images (raw, VHD, VHDX)',
  options: [
    {
      name: 'format',
      short: 'f',
      value: 'FORMAT',
      help: 'raw, vhd-fixed, vhd, vhdx-fixed or vhdx; else by the name',
    },
    { name: 'size', value: 'SIZE', help: 'virtual size of a new disk' },
    { name: 'parent', value: 'FILE', help: 'make a differencing disk over this image (create)' },
    { name: 'block', value: 'SIZE', help: 'block size of a dynamic image' },
    { name: 'sector', value: '512|4096', help: 'logical sector size of a VHDX' },
    seed('the identifiers of a new image come from this number; default 1'),
    { name: 'force', help: 'overwrite an existing file' },
    { name: 'recursive', short: 'R', help: 'list everything below, with whole paths (ls)' },
    JSON_OPTION,
    QUIET,
  ],
  notes: [
    'synthvm disk create FILE --size SIZE | --parent FILE',
    'synthvm disk info FILE            format, sizes, identifiers, parent, partitions, generation',
    'synthvm disk convert FROM TO      format by the name of TO, or by --format',
    'synthvm disk ls FILE[:N] [PATH]   files of partition N (FAT) or of an ISO image',
  ],
};

export const REPLAY: Command = {
  name: 'replay',
  operands: 'DIR',
  summary: 'run a run bundle again, and say whether its digest comes out',
  options: [JSON_OPTION, QUIET],
  notes: [
    'DIR is what `boot` or `run` wrote with --out. Exit code 0: the same digest; 1: another, with the first event',
    'that differs.',
  ],
};

export const HOSTS: Command = {
  name: 'hosts',
  operands: '',
  summary: 'list the Windows versions that a machine can be',
  options: [JSON_OPTION],
};

export const HELP: Command = {
  name: 'help',
  operands: '[command]',
  summary: 'this text, or that of one command',
  options: [],
};

export const COMMANDS: readonly Command[] = [BOOT, ...SCENARIO_COMMANDS, REPLAY, DISK, HOSTS, HELP];

export const GLOBAL_OPTIONS: readonly Option[] = [
  { name: 'help', short: 'h', help: 'show help' },
  { name: 'version', short: 'v', help: 'show the version' },
];

export const EXIT_CODES: readonly (readonly [string, string])[] = [
  ['0', 'reached login (or --until), or the guest powered off'],
  ['2V+1', 'the guest wrote V to the port of --debug-exit'],
  ['1', 'the operation failed: a file, an image, or a guest that stopped on its way'],
  ['2', 'a wrong command, flag or value; nothing was booted'],
  ['10', 'the guest crashed'],
  ['11', 'triple fault'],
  ['12', 'nothing to boot from'],
  ['13', 'the guest needs something that this machine does not have'],
  ['14', 'the virtual time of --timeout is spent'],
  ['70', 'a fault of synthvm itself'],
  ['124', 'the real time of --wall-limit is spent'],
  ['130', 'switched off by a second Ctrl-C, or ended by a signal'],
];
