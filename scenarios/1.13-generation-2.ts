/**
 * What stopped a 2015 kernel on Generation 2, one obstacle behind the other: the loader's copy to
 * 2 MiB, no i8254, VMBus as an ACPI object, disks behind synthetic SCSI only, no PS/2 keyboard
 * (freebsd-bis.md 1.13).
 */
import { scenario } from 'synthvm';
import { gen2Switches, small } from './support/machines.ts';

const legacy = { ...small, guest: 'bis:10.2' } as const;
const pastLoader = { efiLoader: 'fixed' } as const;
const pastClock = { ...pastLoader, earlyTimecounter: true } as const;
const pastBus = { ...pastClock, vmbusAcpi: true } as const;

for (const [stage, set] of [
  ['loader-stage', {}],
  ['delay-hang', pastLoader],
  ['no-vmbus', pastClock],
  ['no-input', pastBus],
] as const) {
  scenario(
    `1.13 broken: 10.2 stops at ${stage}`,
    { ...legacy, set },
    async ({ vm, expect, note }) => {
      const { reason, text } = await vm.halt({ within: '60s' });
      note('stage', text);
      expect(reason).toBe('stage-stopped');
      expect(text).toMatch(new RegExp(`^the guest stopped at ${stage}: .{20}`));
    },
  );
}

scenario(
  '1.13 broken: 10.2 without its disk stops at mountroot',
  { ...legacy, set: pastBus },
  async ({ vm, expect }) => {
    // As if the kernel had no driver for it.
    vm.vmbus.rescind('scsi');
    const { text } = await vm.halt({ within: '600s' as const });
    expect(text).toMatch(/^the guest stopped at mountroot: .{20}/);
  },
);

for (const [what, config] of [
  ['10.2 with none of them left', { ...legacy, set: gen2Switches }],
  ["today's kernel", small],
] as const) {
  scenario(`1.13 fixed: a login of ${what}`, config, ({ vm }) => vm.boot());
}
