/** Time, heartbeat, shutdown and reboot (6). */
import { expect } from 'synthvm';
import type { Vm } from 'synthvm';
import { bis, login, numberIn, sh, shutDown, SINCE_2012_R2, startAgain } from './support/suite.ts';

/** Seconds since 1970 at which every host's clock stands when a run begins. */
const EPOCH_SECONDS = 1_451_606_400;
/** What the suite allows between the two clocks. */
const MOST_SECONDS = 5;

async function guestSeconds(vm: Vm): Promise<number> {
  return numberIn(await sh(vm, 'date +%s'), /(\d+)/);
}

/** @param jumped how far the host's clock has been set forward */
async function expectSameTime(vm: Vm, jumped: number): Promise<void> {
  const host = EPOCH_SECONDS + vm.time.seconds + jumped;
  expect(Math.abs((await guestSeconds(vm)) - host)).toBeLessThan(MOST_SECONDS);
}

bis('TimeSync', {}, async ({ vm, step }) => {
  await login(vm);
  await vm.run('10s');
  await step('three times, ten seconds apart', async () => {
    for (let round = 0; round < 3; round += 1) {
      await expectSameTime(vm, 0);
      await vm.run('10s');
    }
  });
  await step('the guest follows when the host is set', async () => {
    vm.integration.timeSync.jump('37s');
    await vm.run('10s');
    await expectSameTime(vm, 37);
    vm.integration.timeSync.jump('-20s');
    await vm.run('10s');
    await expectSameTime(vm, 17);
  });
  await step('and not without the service', async () => {
    vm.integration.enable('timeSync', false);
    vm.integration.timeSync.jump('1000s');
    await vm.run('20s');
    await expectSameTime(vm, 17);
  });
});

bis('TimeSync_SavedVM', {}, async ({ vm, step }) => {
  await login(vm);
  await vm.run('10s');
  await step('before', () => expectSameTime(vm, 0));
  await vm.save();
  expect(vm.state).toBe('saved');
  await vm.wake({ after: '600s' });
  await vm.run('1s');
  await step('after ten minutes as a saved state', () => expectSameTime(vm, 600));
});

const NTP_HOSTS = {
  hosts: SINCE_2012_R2,
  hostsReason: 'the host breaks the checksums of datagrams that a driver leaves to it',
};

bis('TimeSyncWithNTPServer', NTP_HOSTS, async ({ vm, step, note }) => {
  await login(vm);
  await sh(vm, 'sysctl hw.hvtimesync.ignore_sync=1', 'sysctl hw.hvtimesync.sample_thresh=-1');
  await step('the host is wrong by an hour, and the guest follows the time server', async () => {
    vm.integration.timeSync.jump('3600s');
    await sh(vm, 'ntpd 192.168.100.1');
    await vm.run('120s');
    const offset = numberIn(await sh(vm, 'ntpq'), /offset=(-?[\d.]+)/);
    note('offset ms', offset);
    expect(Math.abs(offset)).toBeLessThan(MOST_SECONDS * 1000);
    await expectSameTime(vm, 0);
  });
  await step('without the setting it follows the host', async () => {
    await sh(vm, 'pkill ntpd', 'sysctl hw.hvtimesync.sample_thresh=100');
    await vm.run('20s');
    await expectSameTime(vm, 3600);
  });
});

bis('Heartbeat', {}, async ({ vm }) => {
  await login(vm);
  expect(vm.state).toBe('running');
  expect(vm.integration.isEnabled('heartbeat')).toBe(true);
  // The suite looks at the setting alone.
  await vm.until(() => vm.integration.heartbeat.status === 'ok', { within: '30s' });
  await vm.pause();
  await vm.until(() => vm.integration.heartbeat.status !== 'ok', { within: '60s' });
  await vm.resume();
  await vm.until(() => vm.integration.heartbeat.status === 'ok', { within: '60s' });
});

for (const [name, cpus] of [
  ['ShutdownFromHyperV', 1],
  ['ShutdownFromHyperV-2', 2],
  ['ShutdownFromHyperV-3', 3],
  ['ShutdownFromHyperV-4', 4],
] as const) {
  bis(name, { vm: { cpus } }, async ({ vm, step }) => {
    await login(vm);
    await sh(vm, 'echo "before" > /marker');
    await step('the guest ends by itself', async () => {
      await shutDown(vm);
      expect(vm.state).toBe('off');
      expect(vm.console.text).toContain('All buffers synced.');
    });
    await step('and boots again, with its files as they were', async () => {
      await startAgain(vm);
      expect(await sh(vm, 'cat /marker')).toBe('before');
      expect(await sh(vm, 'sysctl -n hw.ncpu')).toBe(String(cpus));
    });
  });
}

/** Counts from the console, since the suite never looks whether a reboot has happened. */
function boots(vm: Vm): number {
  return vm.console.lines(/^FreeBSD \d+\.\d+-RELEASE/).length;
}

async function pressReboot(vm: Vm): Promise<void> {
  await vm.keyboard.press('leftControl', 'leftAlt', 'delete');
  await vm.console.wait('Rebooting...', { within: '150s' });
  await vm.console.wait('login: ', { within: '150s' });
}

bis('Reboot_CTRL-ALT-DEL', {}, async ({ vm }) => {
  await login(vm);
  const before = boots(vm);
  await pressReboot(vm);
  expect(vm.state).toBe('running');
  expect(boots(vm)).toBe(before + 1);
});

for (const count of [50, 500]) {
  bis(`Test${count}TimesReboot`, { vm: { disks: [{ builtIn: true }] } }, async ({ vm, note }) => {
    await vm.boot();
    const before = boots(vm);
    for (let round = 0; round < count; round += 1) {
      await pressReboot(vm);
      await vm.run('10s');
    }
    note('reboots', boots(vm) - before);
    expect(boots(vm)).toBe(before + count);
  });
}
