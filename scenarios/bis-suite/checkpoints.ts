/** Checkpoints, export and import (3). */
import { expect, scenario } from 'synthvm';
import { bis, BOTH, caseName, HOST, login, run, sh, startAgain } from './support/suite.ts';

const MARKER = '/root/marker';

bis('TakeSnapShot', { vm: { autoStart: false } }, async ({ vm }) => {
  await vm.checkpoint('BISReady_freeBSD');
  await startAgain(vm);
  await sh(vm, 'mkdir -p /root', `echo "after the checkpoint" >> ${MARKER}`, 'sync');
  expect(await sh(vm, `cat ${MARKER}`)).toBe('after the checkpoint');
  expect(vm.checkpoints).toEqual(['BISReady_freeBSD']);
});

/** The suite takes what `TakeSnapShot` has left; a scenario makes it itself. */
bis('RevertSnapShot', { vm: { autoStart: false } }, async ({ vm, step }) => {
  await vm.checkpoint('BISReady_freeBSD');
  await step('what the guest writes stays', async () => {
    await startAgain(vm);
    await sh(vm, 'mkdir -p /root', `echo "after the checkpoint" >> ${MARKER}`, 'sync');
    await vm.powerOff();
    await startAgain(vm);
    expect(await sh(vm, `cat ${MARKER}`)).toBe('after the checkpoint');
  });
  await step('and is gone with the checkpoint applied', async () => {
    await vm.powerOff();
    await vm.applyCheckpoint('BISReady_freeBSD');
    await startAgain(vm);
    expect((await run(vm, `ls ${MARKER}`)).status).not.toBe(0);
  });
  await vm.deleteCheckpoint('BISReady_freeBSD');
  expect(vm.checkpoints).toEqual([]);
});

for (const generation of BOTH) {
  scenario(
    caseName('TestExportImport', generation),
    {
      hosts: 'all',
      wallLimit: '120s',
      machines: {
        original: { host: HOST, generation },
        copy: { host: HOST, generation, autoStart: false },
      },
    },
    async ({ vms: { original, copy } }) => {
      await login(original);
      await sh(original, 'mkdir -p /root', `echo "exported" > ${MARKER}`, 'sync');
      await original.powerOff();
      await original.checkpoint('TestExport');
      const exported = await original.export();
      expect(exported.checkpoints).toEqual(['TestExport']);
      await original.deleteCheckpoint('TestExport');
      await copy.import(exported);
      await copy.applyCheckpoint('TestExport');
      await startAgain(copy);
      expect((await copy.integration.kvp.addresses(0)).addresses).toEqual(['192.168.100.10']);
      expect(await sh(copy, `cat ${MARKER}`)).toBe('exported');
      await copy.powerOff();
      expect(original.state).toBe('off');
    },
  );
}
