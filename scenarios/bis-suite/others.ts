/** Others (5): load and reboots in place of kernel builds, the keyboard, the gap below 4 GiB. */
import { expect } from 'synthvm';
import type { SingleTest, Vm } from 'synthvm';
import { bis, login, numberIn, sh, shutDown, startAgain } from './support/suite.ts';

const CPUS = 4;
const PARTS = 200;

/** What a build does to a machine: many small files written, read back and deleted. */
async function load(vm: Vm): Promise<void> {
  await sh(
    vm,
    `dd if=/dev/random of=/source bs=4k count=${PARTS}`,
    'mkdir /objects',
    'split -b 4k /source /objects/part-',
    'sync',
  );
  const names = (await sh(vm, 'ls /objects')).split('\n');
  expect(names).toHaveLength(PARTS);
  const paths = names.map((name) => `/objects/${name}`);
  // Back into one file, in order: equal digests say that no byte is lost.
  await sh(vm, 'cp -R /objects /copies');
  for (const path of paths.filter((_, index) => index % 20 === 0)) {
    const copy = path.replace('/objects', '/copies');
    const [first, second] = (await sh(vm, `md5 -q ${path} ${copy}`)).split('\n');
    expect(second).toBe(first);
  }
  await sh(vm, 'rm -r /copies', 'echo "installed" > /kernel-installed', 'md5 -q /source', 'sync');
}

async function expectInterruptsEverywhere(vm: Vm): Promise<void> {
  const counters = await sh(vm, 'vmstat -i');
  for (let cpu = 0; cpu < CPUS; cpu += 1) {
    expect(numberIn(counters, new RegExp(`^cpu${cpu}:\\S+\\s+(\\d+)`, 'm'))).toBeGreaterThan(0);
  }
}

/** Boots what was "built": the same disks with another generation of the guest's drivers. */
async function intoOtherDrivers({ vm, step }: SingleTest): Promise<void> {
  await step('the load', () => load(vm));
  await step('interrupts on every processor', () => expectInterruptsEverywhere(vm));
  const digest = await sh(vm, 'md5 -q /source');
  const guestOsId = vm.vmbus.guestOsId;
  await shutDown(vm);
  await step('another kernel', async () => {
    await vm.configure({ guest: vm.generation === 1 ? 'bis:10.2' : 'bis:modern' });
    await startAgain(vm);
    if (vm.generation === 1) expect(vm.vmbus.guestOsId).not.toBe(guestOsId);
    expect(await sh(vm, 'cat /kernel-installed')).toBe('installed');
    expect(await sh(vm, 'md5 -q /source')).toBe(digest);
    await sh(vm, 'rm -r /objects', 'rm /source /kernel-installed');
  });
}

for (const name of ['BuildLoadableKernel', 'UpdateKernel']) {
  bis(name, { vm: { cpus: CPUS } }, async (test) => {
    await login(test.vm);
    await intoOtherDrivers(test);
  });
}

bis('BuildKernel', { vm: { cpus: CPUS, autoStart: false } }, async (test) => {
  const { vm } = test;
  await vm.checkpoint('Base');
  await vm.checkpoint('ICABase');
  await vm.deleteCheckpoint('ICABase');
  await vm.applyCheckpoint('Base');
  await startAgain(vm);
  await intoOtherDrivers(test);
  await shutDown(vm);
  await vm.checkpoint('ICABase');
  expect(vm.checkpoints).toEqual(['Base', 'ICABase']);
});

const LEFT_SHIFT = 0x2a;
const RELEASED = 0x80;

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

/** A key by its code of set 1, down and up. */
function stroke(code: number): number[] {
  return [code, code | RELEASED];
}

const WRITTEN = [
  '0123456789',
  'abcdefghijklmnopqrstuvwxyz',
  'ASDFGHJKL:"~',
  ':6"6~!+@#$%^&*()_+',
  'QWERTYUIOP{}',
];

bis('Hyperv_keyboard_vim', {}, async ({ vm, step }) => {
  const { keyboard } = vm;
  await vm.boot();
  await vm.screen.wait('login:', { within: '5s' });
  await keyboard.type('root\n');
  await vm.run('1s');
  await step('keys by name', async () => {
    await keyboard.type('vi /keys\n');
    await vm.run('1s');
    await keyboard.press('insert');
    await keyboard.type('0123456789\nabcdefghijklmnopqrstuvwxyz\n');
  });
  await step('scan codes, and a left shift that stays down', async () => {
    await keyboard.scan(LEFT_SHIFT);
    await keyboard.scan(...range(30, 41).flatMap((code) => stroke(code)));
    await keyboard.press('enter');
    await keyboard.scan(...range(2, 13).flatMap((code) => stroke(code)));
    await keyboard.press('enter');
    await keyboard.scan(...range(16, 27).flatMap((code) => [...stroke(code), ...stroke(code)]));
  });
  await step('keys with a prefix', async () => {
    await keyboard.press('home');
    for (let round = 0; round < 12; round += 1) {
      await keyboard.press('right');
      await keyboard.press('delete');
    }
    await keyboard.press('up');
    await keyboard.press('home');
    await keyboard.scan(...[39, 77, 40, 77, 41].flatMap((code) => stroke(code)));
    await keyboard.press('right');
    await keyboard.press('=');
  });
  await keyboard.scan(LEFT_SHIFT | RELEASED);
  await keyboard.press('escape');
  await keyboard.type(':x\n');
  // The model guest has one terminal behind the monitor and COM1.
  await vm.console.wait(/ characters\n# /);
  expect((await sh(vm, 'cat /keys')).split('\n')).toEqual(WRITTEN);
});

const FOUR_GIB = 2n ** 32n;
const GAP = 256n * 2n ** 20n;

bis(
  'VerifyMMIOGapSize',
  { vm: { lowMmioGap: '256M', memory: '3840M', set: { verbose: true } } },
  async ({ vm, note }) => {
    await login(vm);
    const map = [...vm.console.text.matchAll(/SMAP type=01 base=(\w+) len=(\w+)/g)];
    const ends = map.map(([, base, length]) => BigInt(`0x${base}`) + BigInt(`0x${length}`));
    const last = ends
      .filter((end) => end <= FOUR_GIB)
      .toSorted((a, b) => (a < b ? -1 : 1))
      .at(-1)!;
    note('end of memory below 4 GiB', last.toString(16));
    expect(FOUR_GIB - last).toBe(GAP);
  },
);
