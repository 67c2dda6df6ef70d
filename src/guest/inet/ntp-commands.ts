/** ntpd(8) and ntpq(8) of the shell. */
import type { ShellCommand, Task } from '../kernel/api.ts';
import { parseIp } from './ip.ts';
import { NtpDaemon } from './ntpd.ts';
import type { NetStack } from './stack.ts';

const PROGRAM_NS = 500_000;

export function ntpCommands(stack: NetStack, print: (text: string) => void): ShellCommand[] {
  const { userland } = stack.kernel;
  let daemon: NtpDaemon | undefined;
  userland.addProgram('ntpd', () => {
    const isRunning = daemon !== undefined;
    daemon?.kill();
    daemon = undefined;
    return isRunning;
  });
  return [
    {
      name: 'ntpd',
      help: 'ADDRESS: keeps the time of a server',
      *run(words): Task<number> {
        yield PROGRAM_NS;
        const server = parseIp(words[1] ?? '');
        if (server === undefined || daemon !== undefined) {
          print('usage: ntpd ADDRESS, once\n');
          return 1;
        }
        const started = new NtpDaemon(stack, server);
        daemon = started;
        userland.startDaemon('ntpd', () => started.run());
        return 0;
      },
    },
    {
      name: 'ntpq',
      help: 'offset of ntpd in milliseconds, at its last answer',
      *run(): Task<number> {
        yield PROGRAM_NS;
        if (daemon?.offsetUs === undefined) {
          print('ntpq: no association\n');
          return 1;
        }
        print(`offset=${(daemon.offsetUs / 1_000).toFixed(3)} answers=${daemon.answers}\n`);
        return 0;
      },
    },
  ];
}
