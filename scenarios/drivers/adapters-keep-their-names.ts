/**
 * PR 205156: the adapter that the host offers first is hn0, at every boot. With
 * `--set offerQueue=perChannel`, `synthvm explore` finds boots at which it is not.
 */
import { scenario } from 'synthvm';

const FIRST = '00:15:5d:01:01:00';
const SECOND = '00:15:5d:01:01:01';

scenario(
  'hn0 is the adapter that is offered first',
  {
    memory: '128M',
    cpus: 2,
    generation: 1,
    guest: 'bis:2015q4',
    nics: [{ mac: FIRST }, { mac: SECOND }],
  },
  async ({ vm, expect }) => {
    await vm.console.wait(/hn1: Ethernet address: .*\n/, { within: '60s' });
    await vm.run('1ms');
    expect(vm.console.lines('Ethernet address: ')).toEqual([
      `hn0: Ethernet address: ${FIRST}`,
      `hn1: Ethernet address: ${SECOND}`,
    ]);
  },
);
