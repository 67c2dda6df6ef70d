/** init and rc, then a login prompt with a root shell behind it. */
import type { Startup } from '../boot/startup.ts';
import type { Task } from '../kernel/api.ts';
import { Priority } from '../kernel/thread.ts';
import { builtInCommands, processes } from './commands.ts';
import { type PowerAction, shutDown } from './power.ts';
import { Shell } from './shell.ts';
import { Terminal } from './terminal.ts';
import { editorCommand } from './vi.ts';

/** rc looks its daemons up with ps; the background check does so once more a minute later. */
const BACKGROUND_CHECK_NS = 60_000_000_000;
const RC_STEP_NS = 2_000_000;
/** Programs get the chance to end by themselves. */
const SHUTDOWN_STEP_NS = 50_000_000;

export function* runUserland(startup: Startup): Task {
  const { kernel } = startup;
  const terminal = new Terminal(kernel);
  kernel.userland.onInput = (byte) => terminal.receive(byte);
  kernel.userland.startInit((action) => {
    kernel.spawn('init', () => endByInit(startup, action), { priority: Priority.user });
  });
  yield* runStartScripts(startup);
  const needsKeyboard = startup.firmware.generation === 2 && !kernel.switches.hvKbd;
  if (needsKeyboard) {
    kernel.print('\nsynthvm (ttyv0)\n\nlogin: ');
    kernel.stop('no-input', 'there is no PS/2 keyboard and no driver for the synthetic one');
  }
  kernel.spawn('bgfsck', () => backgroundCheck(startup));
  for (;;) {
    kernel.print(`\nFreeBSD/amd64 (synthvm) (ttyu0)\n\n`);
    kernel.phase('login');
    yield* login(startup, terminal);
  }
}

function* runStartScripts(startup: Startup): Task {
  const { kernel } = startup;
  const disks = [...kernel.sysctls.keys()].includes('kern.disks');
  kernel.print('Setting hostuuid: from the machine.\nSetting hostname: synthvm.\n');
  yield RC_STEP_NS;
  kernel.print(disks ? 'Starting file system checks:\n' : '');
  kernel.print('Mounting local filesystems:.\n');
  yield RC_STEP_NS;
  processes(startup);
  yield* kernel.userland.runStartScripts('beforeDevd');
  kernel.print('Starting devd.\n');
  kernel.userland.startDevd();
  yield* kernel.userland.runStartScripts('afterDevd');
  kernel.print('Updating motd:.\nStarting syslogd.\nStarting cron.\n');
  yield RC_STEP_NS;
  if (kernel.isLegacy) kernel.print('Starting background file system checks in 60 seconds.\n');
}

/** init runs rc.shutdown, and then does what the kernel asked it for. */
function* endByInit(startup: Startup, action: PowerAction): Task {
  startup.kernel.print('\nStopping cron.\nStopping devd.\n');
  yield RC_STEP_NS;
  yield* startup.kernel.tsleep({}, SHUTDOWN_STEP_NS);
  yield* shutDown(startup, action);
}

function* backgroundCheck(startup: Startup): Task {
  yield* startup.kernel.tsleep({}, BACKGROUND_CHECK_NS);
  yield RC_STEP_NS;
  processes(startup);
}

function* login(startup: Startup, terminal: Terminal): Task {
  const { kernel } = startup;
  for (;;) {
    const name = yield* terminal.readLine('login: ');
    if (typeof name !== 'string' || name === '') continue;
    yield 5_000_000;
    if (name === 'root') break;
    kernel.print('Login incorrect\n');
  }
  kernel.print('Type help for the commands of this shell.\n');
  yield* runShell(startup, terminal);
}

function* runShell(startup: Startup, terminal: Terminal): Task {
  const shell = new Shell(startup.kernel, [
    ...builtInCommands(startup),
    editorCommand(startup.kernel, terminal),
  ]);
  for (;;) {
    const line = yield* terminal.readLine('# ');
    if (typeof line !== 'string') {
      if ('ended' in line) return;
      continue;
    }
    if ((yield* shell.run(line)) === 'exit') return;
  }
}
