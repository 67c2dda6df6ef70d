/**
 * Tests of a driver that has no known race: they hold whenever the host does what it does. With one
 * of the old switches on, `synthvm explore` finds the seeds at which they do not.
 */
import { scenario, type Vm } from 'synthvm';

const machine = { memory: '64M', nics: 0, generation: 2 } as const;

/** At the prompt, and no longer busy with printing it. */
async function settled(vm: Vm): Promise<void> {
  await vm.boot();
  await vm.run('20ms');
}

/** Devices that come and go in one run. */
const ROUNDS = 8;

/** S10: `--set openPollsRescind=off`. */
scenario(
  'the bus goes on after devices that go while they are opened',
  machine,
  async ({ vm, random }) => {
    await settled(vm);
    for (let round = 0; round < ROUNDS; round += 1) {
      const doomed = vm.addTestDevice();
      vm.after(random.time('0us', '3ms'), () => doomed.rescind());
      await vm.run('5ms');
    }
    const next = vm.addTestDevice();
    await vm.until(() => next.isOpen, { within: '10s', what: 'the next device to be opened' });
  },
);

/** S17: `--set rescindQueue=shared`. */
scenario(
  'the bus goes on after a device that goes while its sub-channels are opened',
  machine,
  async ({ vm, random }) => {
    const doomed = vm.addTestDevice({ opensSubChannels: true });
    await settled(vm);
    doomed.offerSubChannels(ROUNDS);
    vm.after(random.time('0us', '500us'), () => doomed.rescind());
    await vm.run('1ms');
    const next = vm.addTestDevice();
    await vm.until(() => next.isOpen, { within: '10s', what: 'the next device to be opened' });
  },
);

/** S14: `--set mapBeforeOpen=off`. */
scenario('packets that come with the opening of a channel are handled', machine, async ({ vm }) => {
  await settled(vm);
  const device = vm.addTestDevice({ offered: false });
  // A host may send once it has opened the channel.
  device.onOpen = () => vm.after('20us', () => device.send(1));
  device.offer();
  await vm.until(() => device.driver.handledNs.length === 1, {
    within: '1s',
    what: 'the first packet to be handled',
  });
});

const PACKETS = 20;

/** S16: `--set ringRecheck=off`. */
scenario('packets are handled, whenever they come', machine, async ({ vm, random }) => {
  const device = vm.addTestDevice({ afterDrain: '500ns' });
  await settled(vm);
  await vm.until(() => device.isOpen, { what: 'the device to be open' });
  for (let packet = 0; packet < PACKETS; packet += 1) {
    device.send(packet);
    await vm.run(random.time('0us', '20us'));
  }
  await vm.until(() => device.driver.handledNs.length === PACKETS, {
    within: '1s',
    what: 'all packets to be handled',
  });
});
