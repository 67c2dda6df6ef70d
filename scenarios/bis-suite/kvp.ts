/** Key-value pairs (5): what the host gives the guest, what the guest tells, and the service itself. */
import { expect } from 'synthvm';
import type { Vm } from 'synthvm';
import { bis, login, run, sh } from './support/suite.ts';

const INVALID_PARAMETER = 32_773;

async function pool(vm: Vm, number: number): Promise<string> {
  return await sh(vm, `kvp_client ${number}`);
}

bis('ReadKvpIntrinsicData', {}, async ({ vm }) => {
  await login(vm);
  expect(vm.integration.isEnabled('keyValuePair')).toBe(true);
  const { outcome, entries } = await vm.integration.kvp.list('auto');
  expect(outcome).toBe('answered');
  const values = new Map(entries.map(({ key, data }) => [key, String(data.value)]));
  // FreeBSD's daemon has the keys of 2012; the suite looks for other names on 2012 R2.
  expect(values.get('OSName')).toBe('FreeBSD');
  expect(values.get('OSBuildNumber')).toMatch(/^\d+$/);
  expect(values.get('OSVersion')).toBe((await sh(vm, 'uname -r')).trim());
  expect(values.get('NetworkAddressIPv4')).toBe('192.168.100.10');
});

bis('WriteKvpDataToGuest', {}, async ({ vm }) => {
  await login(vm);
  expect(await vm.integration.kvp.addItem('EEE', '555')).toBe(0);
  expect(await pool(vm, 0)).toContain('Key: EEE; Value: 555');
});

bis('ModifyKvpDataOnGuest', {}, async ({ vm }) => {
  await login(vm);
  await vm.integration.kvp.addItem('EEE', '555');
  expect(await vm.integration.kvp.modifyItem('EEE', '999')).toBe(0);
  const records = await pool(vm, 0);
  expect(records).toContain('Key: EEE; Value: 999');
  expect(records).not.toContain('555');
});

bis('DeleteKvpDataOnGuest', {}, async ({ vm }) => {
  await login(vm);
  await vm.integration.kvp.addItem('EEE', '555');
  expect(await vm.integration.kvp.removeItem('EEE')).toBe(0);
  // The suite trusts the job; here the guest's pool is looked at too.
  expect(await pool(vm, 0)).toContain('Num records is 0');
});

bis('ReadKvpNonIntrinsicData', {}, async ({ vm }) => {
  await login(vm);
  await sh(vm, 'kvp_client 1 BBB 111');
  const { entries } = await vm.integration.kvp.list('guest');
  expect(entries).toEqual([{ key: 'BBB', data: { type: 'string', value: '111' } }]);
});

bis('KvpGetVmIpOnHost', {}, async ({ vm }) => {
  await login(vm);
  const { outcome, addresses } = await vm.integration.kvp.addresses(0);
  expect(outcome).toBe('answered');
  expect(addresses).toEqual(['192.168.100.10']);
});

const HOST_NAME = 'host7.lab.example.net';

bis('OnGuestReadHostKvpData', { vm: { hostName: HOST_NAME } }, async ({ vm }) => {
  await login(vm);
  expect(await pool(vm, 3)).toContain(`Key: HostName; Value: ${HOST_NAME}`);
});

bis('HostOnlyWriteToPool0', {}, async ({ vm }) => {
  await login(vm);
  expect(await vm.integration.kvp.addItem('DDDEEE', '321')).toBe(0);
  for (const number of [0, 1, 2, 3, 4]) {
    const result = await run(vm, `kvp_client ${number}`);
    expect(result.output.includes('Key: DDDEEE; Value: 321')).toBe(number === 0);
  }
});

bis('DeleteNonExistentKvpDataOnGuest', {}, async ({ vm }) => {
  await login(vm);
  // From build 9600 on the host says that it is done.
  const expected = vm.host === 'ws2012' ? INVALID_PARAMETER : 0;
  expect(await vm.integration.kvp.removeItem('XYZ')).toBe(expected);
  expect(await pool(vm, 0)).toContain('Num records is 0');
});

bis('ModifyNonExistentKvpDataOnGuest', {}, async ({ vm }) => {
  await login(vm);
  expect(await vm.integration.kvp.modifyItem('XXX', '000')).toBe(INVALID_PARAMETER);
  expect(await pool(vm, 0)).toContain('Num records is 0');
});

bis('DisableEnableDataExchange', {}, async ({ vm, step }) => {
  await login(vm);
  await step('the service is switched off', async () => {
    vm.integration.enable('keyValuePair', false);
    await vm.run('5s');
    expect(vm.integration.isEnabled('keyValuePair')).toBe(false);
    expect((await vm.integration.kvp.addresses(0)).addresses).toEqual([]);
  });
  await step('the service is switched on', async () => {
    vm.integration.enable('keyValuePair', true);
    await vm.run('5s');
    expect(vm.integration.isEnabled('keyValuePair')).toBe(true);
    expect(await vm.integration.kvp.addItem('AAA', '111')).toBe(0);
    expect(await pool(vm, 0)).toContain('Key: AAA; Value: 111');
  });
});

bis('StopStartKvpDaemon', {}, async ({ vm, step }) => {
  await login(vm);
  await step('without its daemon the guest tells nothing', async () => {
    await sh(vm, 'pkill hv_kvp_daemon');
    await vm.run('20s');
    expect((await vm.integration.kvp.addresses(0)).addresses).toEqual([]);
  });
  await step('with a new one it does', async () => {
    await sh(vm, 'hv_kvp_daemon');
    await vm.run('20s');
    expect((await vm.integration.kvp.addresses(0)).addresses).toEqual(['192.168.100.10']);
  });
});
