/** What a script may do on the host's side. */
import { describe, expect, it } from 'vitest';
import type { SingleTest, TestDevice } from '../../src/scenario/api.ts';
import { passes } from './support/run.ts';

describe('disks', () => {
  it('come and go while the guest runs', async () => {
    await passes(async ({ vm, expect }) => {
      await vm.boot();
      const disk = await vm.addDisk({ size: '8M' });
      expect((await vm.disk('da1')).bytes).toBe(8 * 1024 * 1024);
      expect(disk.lun).toBe(1);
      await disk.remove();
      await vm.console.wait('da1', { within: '10s' });
      await vm.console.wait(/da1.*(detached|destroyed)/, { within: '10s' });
    });
  });

  it('fail by block and count', async () => {
    await passes(
      async ({ vm, expect }) => {
        const fault = vm.disks[1]!.fault({ lba: 0, access: 'read' });
        await vm.boot();
        expect(vm.console.lines(/MEDIUM ERROR/).length).toBeGreaterThan(0);
        fault[Symbol.dispose]();
        await vm.reset();
        await vm.boot();
      },
      { disks: [{ builtIn: true }, { size: '8M' }] },
    );
  });
});

describe('a legacy network adapter', () => {
  it('makes a machine Generation 1 that is not asked to be another', async () => {
    await passes(
      async ({ vm, expect }) => {
        await vm.boot();
        expect(vm.console.lines(/^de0: <Digital/).length).toBe(1);
      },
      { nics: [{ kind: 'legacy' }], set: { deDriver: true } },
    );
  });
});

describe('drive A:', () => {
  it('takes diskettes of the script, whether the machine is on or off', async () => {
    const diskette = new Uint8Array(1_474_560).fill(0x41, 0, 512);
    await passes(
      async ({ vm, expect }) => {
        expect(vm.floppy.name).toBeUndefined();
        await vm.floppy.insert(diskette);
        await vm.boot();
        await vm.console.login();
        const first = 'dd if=/dev/fd0 of=/first bs=512 count=1; cat /first; echo';
        expect(await vm.console.run(first)).toContain('A'.repeat(512));
        await vm.floppy.eject();
        expect(await vm.console.run(first)).toContain('Device not configured');
        await vm.floppy.insert(diskette);
        expect(vm.floppy.name).toBe('diskette');
        await vm.reset();
        await vm.boot();
        await vm.console.login();
        expect(await vm.console.run(first)).toContain('A'.repeat(512));
      },
      { generation: 1 },
    );
  });

  it('is not on Generation 2, and takes no other sizes', async () => {
    await passes(async ({ vm, expect }) => {
      const refused = async (action: () => Promise<void>): Promise<string> => {
        try {
          await action();
          return '';
        } catch (error) {
          return String(error);
        }
      };
      expect(await refused(() => vm.floppy.eject())).toContain('Generation 2 has no floppy drive');
    });
    await passes(
      async ({ vm, expect }) => {
        let message = '';
        try {
          await vm.floppy.insert(new Uint8Array(4096));
        } catch (error) {
          message = String(error);
        }
        expect(message).toContain('is no diskette: it has 4096 bytes');
      },
      { generation: 1 },
    );
  });
});

describe('devices on VMBus', () => {
  it('are rescinded and offered again', async () => {
    await passes(async ({ vm, expect }) => {
      await vm.boot();
      const before = await vm.vmbus.channel('timesync');
      vm.vmbus.rescind('timesync');
      await vm.vmbus.message('relIdReleased', { within: '5s' });
      expect(vm.vmbus.channels.find(({ id }) => id === before.id)?.state).toBe('rescinded');
      vm.vmbus.offer('timesync');
      expect((await vm.vmbus.channel('timesync', { within: '5s' })).state).toBe('open');
      expect(() => vm.vmbus.rescind('timesink')).toThrow('no device is called "timesink"');
    });
  });

  it('of the script’s own send and count', async () => {
    await passes(async ({ vm, expect }) => {
      const device = vm.addTestDevice();
      await vm.boot();
      await vm.until(() => device.isOpen);
      for (let packet = 0; packet < 5; packet += 1) device.send(packet);
      await vm.until(() => device.driver.handledNs.length === 5, { within: '1s' });
      device.rescind();
      await vm.until(() => device.driver.detached === 1, { within: '5s' });
      device.offer();
      await vm.until(() => device.driver.attached.length === 2, { within: '5s' });
      expect(device.driver.attached.map(({ status }) => status)).toEqual([0, 0]);
    });
  });

  it('have their messages held, delayed and lost', async () => {
    await passes(async ({ vm, expect }) => {
      await vm.boot();
      const device = vm.addTestDevice({ offered: false });
      const hold = vm.vmbus.hold({ type: 'openResult', device });
      device.offer();
      await vm.run('1s');
      expect(device.driver.attached).toHaveLength(0);
      expect(hold.held.map(({ type }) => type)).toEqual(['openResult']);
      hold.deliver();
      await vm.until(() => device.driver.attached.length === 1, { within: '1s' });
      hold[Symbol.dispose]();

      using _late = vm.vmbus.delay({ type: 'offerChannel', by: '2s', times: 1 });
      const late = vm.addTestDevice();
      await vm.run('1s');
      expect(late.isOpen).toBe(false);
      await vm.until(() => late.isOpen, { within: '2s' });

      using _lost = vm.vmbus.drop({ type: 'offerChannel' });
      const lost = vm.addTestDevice();
      await vm.run('5s');
      expect(lost.isOpen).toBe(false);
      expect(() => vm.vmbus.drop({ type: 'openReslut' })).toThrow('did you mean "openResult"?');
    });
  });

  it('wait for message buffers of a busy host', async () => {
    await passes(async ({ vm, expect }) => {
      await vm.boot();
      vm.vmbus.credits({ buffers: 1, perMessage: '100ms' });
      const slow = vm.addTestDevice();
      const startNs = vm.time.ns;
      await vm.until(() => slow.isOpen, { within: '10s' });
      expect(vm.time.ns - startNs).toBeGreaterThan(50e6);
      vm.vmbus.credits();
      const quick = vm.addTestDevice();
      await vm.until(() => quick.isOpen, { within: '50ms' });
    });
  });
});

describe('integration components', () => {
  it('answer key-value requests, take time and shut down', async () => {
    await passes(async ({ vm, expect }) => {
      await vm.boot();
      await vm.run('2s');
      const { kvp, timeSync } = vm.integration;
      const list = await kvp.list('auto');
      expect(list.entries.map(({ key }) => key)).toContain('OSName');
      expect(await kvp.set('external', 'colour', 'blue')).toEqual({
        outcome: 'answered',
        status: 0,
      });
      expect((await kvp.get('external', 'colour')).entry?.data).toEqual({
        type: 'string',
        value: 'blue',
      });
      expect(vm.integration.heartbeat.status).toBe('ok');
      // Hours are not among the units.
      expect(() => timeSync.jump('1h' as never)).toThrow('"1h" is not a duration');
      timeSync.jump('60m');
      expect(timeSync.send('sync')).toBe(true);
      await vm.console.login();
      const date = await vm.console.run('date');
      await vm.run('6s');
      expect(await vm.console.run('date')).not.toBe(date);
    });
    await passes(async ({ vm, expect }) => {
      await vm.boot();
      expect((await vm.integration.shutdown()).status).toBe(0);
      expect((await vm.halt({ within: '60s' })).reason).toBe('power-off');
    });
  });
});

describe('input and screen', () => {
  it('types at the screen’s console, and reads it', async () => {
    const { machines } = await passes(async ({ vm, expect }) => {
      await vm.boot();
      await vm.screen.wait('login:', { within: '5s' });
      await vm.keyboard.type('root');
      await vm.keyboard.press('enter');
      await vm.mouse.move(10, 10);
      await vm.mouse.click();
      await vm.screen.waitStill({ within: '30s' });
      const png = await vm.screen.screenshot('prompt');
      expect(png.length).toBeGreaterThan(1000);
      expect(() => vm.keyboard.press('entre')).toThrow('did you mean "enter"?');
    });
    if (machines[0]!.screenshots[0]?.name !== 'prompt') throw new Error('no screenshot was kept');
  });
});

describe('what a script keeps beyond its run', () => {
  it('says that the run is over, and leaves the next machine alone', async () => {
    const kept: { test?: SingleTest; device?: TestDevice } = {};
    await passes(async (test) => {
      kept.test = test;
      kept.device = test.vm.addTestDevice();
      await test.vm.boot();
      kept.device.send(1);
    });
    const { vm } = kept.test!;
    const device = kept.device!;
    const digestOf = async (disturb: () => void): Promise<string> =>
      (
        await passes(async (test) => {
          test.vm.addTestDevice();
          await test.vm.boot();
          disturb();
          await test.vm.run('2s');
        })
      ).digest;
    const ways: readonly (() => unknown)[] = [
      () => device.send(2),
      () => device.rescind(),
      () => device.offerSubChannels(1),
      () => device.offer(),
      () => vm.addTestDevice(),
      () => vm.screen.text,
      () => vm.disks[0]!.remove(),
    ];
    const disturbed = await digestOf(() => {
      for (const way of ways) expect(way, String(way)).toThrow('its run is over');
      // What is only entered does nothing.
      void vm.powerOn();
      void vm.reset();
      vm.after('1us', () => expect.unreachable());
    });
    expect(disturbed).toBe(await digestOf(() => undefined));
  });
});
