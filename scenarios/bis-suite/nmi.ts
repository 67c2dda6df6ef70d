/** Non-maskable interrupts (7): taken while the machine runs, refused otherwise. */
import { expect } from 'synthvm';
import type { Vm } from 'synthvm';
import { bis, login, sh, shutDown } from './support/suite.ts';

async function expectRefused(vm: Vm, why: string): Promise<void> {
  await expect((async () => await vm.nmi())()).rejects.toThrow(why);
}

bis('SetNMI', {}, async ({ vm }) => {
  await login(vm);
  await vm.nmi();
  // The suite looks at the host's answer alone; here the guest has to have seen it.
  const { message } = await vm.crash({ within: '30s' });
  expect(message).toContain('NMI');
});

bis('VerifyNMIforVMInStoppedState', {}, async ({ vm }) => {
  await login(vm);
  await shutDown(vm);
  await expectRefused(vm, 'is off: it takes no NMI');
});

bis('VerifyNMIforVMInSavedState', {}, async ({ vm }) => {
  await login(vm);
  await vm.save();
  await expectRefused(vm, 'is saved: it takes no NMI');
  await vm.wake({ after: '10s' });
  expect(await sh(vm, 'echo "still there"')).toBe('still there');
});

bis('VerifyNMIforVMInPausedState', {}, async ({ vm }) => {
  await login(vm);
  await vm.pause();
  await expectRefused(vm, 'is paused: it takes no NMI');
  await vm.resume();
  expect(await sh(vm, 'echo "still there"')).toBe('still there');
});

bis('SendNMIToVMwithUnPrivUser', {}, async ({ vm }) => {
  await login(vm);
  await expect((async () => await vm.nmi(0, { as: 'user' }))()).rejects.toThrow(
    'there is no such machine',
  );
  expect(await sh(vm, 'echo "still there"')).toBe('still there');
});
