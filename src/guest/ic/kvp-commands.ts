/** Programs of the key-value pairs: the daemon itself, and kvp_client, which reads its pools. */
import type { ShellCommand, Task, UserlandApi } from '../kernel/api.ts';
import type { KvpDaemon } from './kvp-daemon.ts';

const PROGRAM_NS = 400_000;

export function kvpCommands(daemon: KvpDaemon, userland: UserlandApi): ShellCommand[] {
  return [
    {
      name: 'hv_kvp_daemon',
      help: 'starts the daemon of the key-value pairs',
      *run(): Task<number> {
        yield PROGRAM_NS;
        if (daemon.isRunning) return 1;
        userland.startDaemon('hv_kvp_daemon', () => daemon.run());
        return 0;
      },
    },
    {
      name: 'kvp_client',
      help: 'POOL: its records; POOL KEY VALUE: adds one',
      *run([, number = '', key, value]): Task<number> {
        yield PROGRAM_NS;
        const pool = /^[0-4]$/.test(number) ? daemon.pools[Number(number)] : undefined;
        if (pool === undefined) {
          userland.print('usage: kvp_client POOL [KEY VALUE]\n');
          return 1;
        }
        if (key !== undefined) {
          pool.set(key, value ?? '');
          return 0;
        }
        userland.print(`Pool is ${number}\nNum records is ${pool.size}\n`);
        for (const [name, text] of pool) userland.print(`Key: ${name}; Value: ${text}\n`);
        return 0;
      },
    },
  ];
}
