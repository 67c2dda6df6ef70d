/** The core cases (14): what the guest finds of the machine, and its drivers. */
import { expect, scenario } from 'synthvm';
import type { Vm } from 'synthvm';
import { oneDisk, prepareHome } from './support/disks.ts';
import {
  base,
  bis,
  BOTH,
  caseName,
  GENERATION_1,
  login,
  numberIn,
  sh,
  sysctl,
  WITHOUT_PREVIEW,
} from './support/suite.ts';

/** Of GUEST_OS_ID: an open source, FreeBSD. */
const OPEN_SOURCE_FREEBSD = 0x82n;

bis('GetSystemInfo', {}, async ({ vm, note }) => {
  await login(vm);
  const release = await sh(vm, 'uname -r');
  note('release', release);
  expect(await sh(vm, 'uname -n')).not.toBe('');
  expect(await sh(vm, 'uname -v')).toContain(`FreeBSD ${release}`);
  // The suite checks nothing. Here the kernel has told the host what it tells its own users.
  const version = Number(await sh(vm, 'uname -K'));
  const [, major, minor] = /^(\d+)\.(\d+)-/.exec(release)!;
  expect(Math.floor(version / 1000)).toBe(Number(major) * 100 + Number(minor));
  const id = vm.vmbus.guestOsId;
  expect(id >> 56n).toBe(OPEN_SOURCE_FREEBSD);
  expect(Number((id >> 16n) & 0xffff_ffffn)).toBe(version);
});

for (const [name, memory, bytes] of [
  ['CheckMemoryCapacity-512MB', '512M', 512 * 2 ** 20],
  ['CheckMemoryCapacity-2GB', '2G', 2 * 2 ** 30],
  ['CheckMemoryCapacity-5GB', '5G', 5 * 2 ** 30],
] as const) {
  bis(name, { vm: { memory } }, async ({ vm }) => {
    await login(vm);
    // From the firmware's SMBIOS: the memory map has a hole below 4 GiB.
    expect(numberIn(await sh(vm, 'dmesg'), /^real memory\s+= (\d+) /m)).toBe(bytes);
    const usable = Number(await sysctl(vm, 'hw.physmem'));
    expect(usable).toBeLessThanOrEqual(bytes);
    expect(usable).toBeGreaterThan(bytes * 0.9);
  });
}

for (const cpus of [2, 3, 4, 8]) {
  bis(`CheckCPUCount-${cpus}`, { vm: { cpus } }, async ({ vm }) => {
    await login(vm);
    expect(await sysctl(vm, 'hw.ncpu')).toBe(String(cpus));
  });
}

const ROOT_DISK = /^da0: <Msft Virtual Disk/m;

const UTILITIES = [
  /^hyperv-utils\d+: Hyper-V Service attaching: Hyper-V Heartbeat Service/m,
  /^hyperv-utils\d+: Hyper-V Service attaching: Hyper-V Shutdown Service/m,
  /^hyperv-utils\d+: Hyper-V Service attaching: Hyper-V Time Synch Service/m,
];
const SERVICES = [/^hvheartbeat0: /m, /^hvshutdown0: /m, /^hvtimesync0: /m];

/** Attach lines: today's FreeBSD has a device for each service; 2015's cannot boot on Generation 2. */
const DRIVERS = [
  { guest: 'bis:10.2', generations: GENERATION_1, lines: UTILITIES },
  { guest: 'bis:2015q4', generations: GENERATION_1, lines: UTILITIES },
  { guest: 'bis:modern', generations: BOTH, lines: SERVICES },
] as const;

for (const { guest, generations, lines } of DRIVERS) {
  for (const generation of generations) {
    const name = `${caseName('VerifyBISInstall', generation)} ${guest}`;
    const hosts = {
      hosts: WITHOUT_PREVIEW,
      hostsReason: '10.2 may not find its root among the disks that are none there (1.14)',
    };
    const config = { ...base(generation, { guest }), ...(guest === 'bis:10.2' ? hosts : {}) };
    scenario(name, config, async ({ vm }) => {
      await login(vm);
      const messages = await sh(vm, 'dmesg');
      for (const line of [/^vmbus0/m, /^storvsc0/m, ROOT_DISK, ...lines]) {
        expect(messages).toMatch(line);
      }
    });
  }
}

bis('VerifyLoadableModules', {}, async ({ vm }) => {
  await login(vm);
  const loaded = await sh(vm, 'kldstat');
  for (const name of ['hv_vmbus', 'hv_storvsc', 'hv_netvsc', 'hv_utils']) {
    expect(loaded).toContain(name);
  }
  expect(await sh(vm, 'dmesg')).toMatch(ROOT_DISK);
});

const ROUNDS = 5;

/** @param seen what is asked of the guest after every change */
async function loadUnload(
  vm: Vm,
  module: string,
  seen: (isLoaded: boolean) => Promise<void>,
): Promise<void> {
  const listed = async (): Promise<boolean> => (await sh(vm, 'kldstat')).includes(module);
  for (let round = 0; round < ROUNDS; round += 1) {
    await sh(vm, `kldunload ${module}`, 'sleep 1');
    expect(await listed()).toBe(false);
    await seen(false);
    await sh(vm, `kldload ${module}`, 'sleep 1');
    expect(await listed()).toBe(true);
    await seen(true);
  }
}

bis('LoadUnloadnetvsc', {}, async ({ vm }) => {
  await login(vm);
  await loadUnload(vm, 'hv_netvsc', async (isLoaded) => {
    const interfaces = await sh(vm, 'ifconfig -a');
    expect(/^hn0: /m.test(interfaces)).toBe(isLoaded);
    if (!isLoaded) return;
    await sh(vm, 'sleep 10');
    expect(await sh(vm, 'ifconfig hn0')).toContain('inet 192.168.100.10 ');
    await sh(vm, 'ping -c 1 192.168.100.1');
  });
});

/** The boot disk is with the emulated controller, so that nothing hangs on the driver. */
bis(
  'LoadUnloadstorvsc',
  {
    generations: GENERATION_1,
    vm: { set: { ataDisks: true }, disks: [{ builtIn: true }, { size: '64M', at: 'scsi 0:0' }] },
  },
  async ({ vm }) => {
    await login(vm);
    expect(await sh(vm, 'mount')).toMatch(/^\/dev\/ada0\S* on \/ /m);
    await prepareHome(vm);
    await loadUnload(vm, 'hv_storvsc', async (isLoaded) => {
      const devices = await sh(vm, 'ls /dev');
      expect(/^da0$/m.test(devices)).toBe(isLoaded);
      if (isLoaded) await oneDisk(vm, 'da0');
    });
  },
);

bis('VmbusVerifyInterrupts', { vm: { cpus: 2 } }, async ({ vm }) => {
  await login(vm);
  const counters = await sh(vm, 'vmstat -i');
  for (const cpu of [0, 1]) {
    expect(numberIn(counters, new RegExp(`^cpu${cpu}:hyperv\\s+(\\d+)`, 'm'))).toBeGreaterThan(0);
  }
});

/** The suite's row is that of its host. Today's driver proposes nothing above 4.0. */
const VERSIONS: Partial<Readonly<Record<Vm['host'], string>>> = {
  ws2012: '2.4',
  ws2012r2: '3.0',
};

bis('VmbusProtocolVersion', {}, async ({ vm }) => {
  await login(vm);
  expect(await sysctl(vm, 'dev.vmbus.0.version')).toBe(VERSIONS[vm.host] ?? '4.0');
});
