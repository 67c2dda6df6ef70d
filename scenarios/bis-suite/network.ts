/** Network (18): adapters on three kinds of switches, MTU, transfers, bridges. */
import { expect, scenario } from 'synthvm';
import type { AdapterSpec, TopologyTest, Vm, VmConfig } from 'synthvm';
import {
  bis,
  BOTH,
  caseName,
  type Generation,
  GENERATION_1,
  HOST,
  login,
  numberIn,
  run,
  sh,
  shutDown,
  startAgain,
} from './support/suite.ts';

/** The gateway of the machine's own switch answers for the suite's peer on the network outside. */
const EXTERNAL_PEER = '192.168.100.1';
/** Where the rest is for the case to configure. */
const FIRST_BY_DHCP = { ifconfig_hn0: 'DHCP' } as const;
const TWO_ADAPTERS = { nics: 2, rcConf: FIRST_BY_DHCP } as const;

/** What the kernel says that an interface is. */
async function flags(vm: Vm, name: string): Promise<string> {
  return /flags=\w+<(.*?)>/.exec(await sh(vm, `ifconfig ${name}`))?.[1] ?? '';
}

async function address(vm: Vm, name: string): Promise<string> {
  return /inet (\S+) /.exec(await sh(vm, `ifconfig ${name}`))?.[1] ?? '';
}

/** NIC-PING: the ping has to go by hn1. @param ip static; else by DHCP */
async function pingBySecond(vm: Vm, target: string, ip?: string, count = 1): Promise<void> {
  await sh(vm, ip === undefined ? 'dhclient hn1' : `ifconfig hn1 inet ${ip}/24 up`);
  await sh(vm, 'ifconfig hn0 down');
  expect(await sh(vm, `ping -c ${count} ${target}`)).toContain('0.0% packet loss');
  await sh(vm, 'ifconfig hn0 up', 'ifconfig hn1 down');
  expect(await flags(vm, 'hn1')).not.toContain('UP');
}

for (const name of ['ExternalSynthNetAdapter', 'SwitchNIC1']) {
  bis(name, { vm: TWO_ADAPTERS }, async ({ vm }) => {
    await login(vm);
    await pingBySecond(vm, EXTERNAL_PEER);
  });
}

interface Pair {
  readonly vm: VmConfig;
  readonly peer: VmConfig;
  readonly switches: readonly string[];
}

/** A case with a second machine on switches that have no DHCP server. */
function between(
  name: string,
  pair: Pair,
  body: (test: TopologyTest<'vm' | 'peer'> & { readonly generation: Generation }) => Promise<void>,
): void {
  for (const generation of BOTH) {
    scenario(
      caseName(name, generation),
      {
        hosts: 'all',
        wallLimit: '120s',
        switches: pair.switches,
        machines: {
          vm: { host: HOST, generation, ...pair.vm },
          peer: { host: HOST, generation, ...pair.peer },
        },
      },
      (test) => body({ ...test, generation }),
    );
  }
}

function peerOn(on: string, ip: string, more: VmConfig = {}): VmConfig {
  return { nics: [{ on }], rcConf: { ifconfig_hn0: `inet ${ip}/24` }, ...more };
}

const ADAPTERS = [
  { name: 'InternalSynthNetAdapter', on: 'Internal', ip: '192.168.1.101', peer: '192.168.1.100' },
  { name: 'PrivateSynthNetAdapter', on: 'Private', ip: '192.168.3.165', peer: '192.168.3.100' },
] as const;

for (const { name, on, ip, peer } of ADAPTERS) {
  const pair = {
    vm: { nics: [{}, { on }], rcConf: FIRST_BY_DHCP },
    peer: peerOn(on, peer),
    switches: [on],
  };
  between(name, pair, async ({ vms }) => {
    await login(vms.peer);
    await login(vms.vm);
    await pingBySecond(vms.vm, peer, ip);
  });
}

between(
  'SwitchNIC2',
  {
    vm: { nics: [{}, { on: 'External' }], rcConf: FIRST_BY_DHCP },
    peer: peerOn('Internal', '192.168.1.100'),
    switches: ['External', 'Internal'],
  },
  async ({ vms: { vm, peer }, step }) => {
    await login(peer);
    await login(vm);
    await step('nobody answers on the old switch', async () => {
      await sh(vm, 'ifconfig hn1 inet 192.168.1.153/24 up');
      const ping = await run(vm, 'ping -c 1 -t 2 192.168.1.100');
      expect(ping.output).toContain('100.0% packet loss');
    });
    vm.nics[1]!.connect('Internal');
    await pingBySecond(vm, '192.168.1.100', '192.168.1.153');
  },
);

bis('UpDownNIC', {}, async ({ vm }) => {
  await login(vm);
  for (let round = 0; round < 5; round += 1) {
    await sh(vm, 'ifconfig hn0 down', 'sleep 2');
    expect(await flags(vm, 'hn0')).not.toContain('UP');
    await sh(vm, 'ifconfig hn0 up', 'sleep 2', 'dhclient hn0', 'sleep 2');
    expect(await address(vm, 'hn0')).toBe('192.168.100.10');
  }
  await sh(vm, `ping -c 1 ${EXTERNAL_PEER}`);
});

const PAYLOADS = [0, 1, 48, 64, 512, 1440, 1500, 1505, 4096, 4192];
/** FreeBSD sends no larger one, however it is cut up. */
const LARGEST_PAYLOAD = 25_152;

bis('PingSizeInterval', { vm: TWO_ADAPTERS }, async ({ vm, step }) => {
  await login(vm);
  for (const bytes of [...PAYLOADS, LARGEST_PAYLOAD]) {
    await step(`${bytes} bytes`, async () => {
      for (const interval of ['0.1', '0.01', '0.005']) {
        let isAnswered = false;
        for (let attempt = 0; attempt < 5 && !isAnswered; attempt += 1) {
          const ping = await run(vm, `ping -c 1 -i ${interval} -s ${bytes} ${EXTERNAL_PEER}`);
          isAnswered = ping.output.includes(' 0.0% packet loss');
        }
        expect(isAnswered, `every ${interval} s`).toBe(true);
      }
    });
  }
  await step('no byte more', async () => {
    const { status } = await run(vm, `ping -c 5 -s ${LARGEST_PAYLOAD + 1} ${EXTERNAL_PEER}`);
    expect(status).not.toBe(0);
  });
});

const WEB = { httpd_enable: 'YES' } as const;
const WEB_PEER: Pair = {
  vm: { nics: [{ on: 'External' }], rcConf: { ifconfig_hn0: 'inet 192.168.1.10/24' } },
  peer: {
    nics: [{ on: 'External' }],
    rcConf: { ifconfig_hn0: 'inet 192.168.1.100/24', ...WEB },
  },
  switches: ['External'],
};
const FROM_PEER = 'http://192.168.1.100';

/** A file of the suite's peer and its digest. */
async function offerFile(peer: Vm, megabytes: number): Promise<string> {
  return await sh(
    peer,
    `dd if=/dev/random of=/testdata bs=1m count=${megabytes}`,
    'md5 -q /testdata',
  );
}

between('CopyLargeFile', WEB_PEER, async ({ vms: { vm, peer } }) => {
  await login(peer);
  await login(vm);
  const digest = await offerFile(peer, 16);
  await sh(vm, `fetch -o /testdata ${FROM_PEER}/testdata`);
  expect(await sh(vm, 'md5 -q /testdata')).toBe(digest);
  await sh(vm, 'rm /testdata');
});

const SMALL_FILES = 500;

between('CopyMultipleSmallFiles', WEB_PEER, async ({ vms: { vm, peer } }) => {
  await login(peer);
  await login(vm);
  await sh(
    peer,
    'mkdir /manyfiles',
    `dd if=/dev/random of=/testdata bs=1k count=${SMALL_FILES}`,
    'split -b 1k /testdata /manyfiles/file-',
  );
  await sh(vm, `fetch -r -o /manyfiles ${FROM_PEER}/manyfiles/`);
  const names = await sh(vm, 'ls /manyfiles');
  expect(names.split('\n')).toHaveLength(SMALL_FILES);
  expect(names).toBe(await sh(peer, 'ls /manyfiles'));
  expect(await sh(vm, 'du -sk /manyfiles')).toBe(await sh(peer, 'du -sk /manyfiles'));
  const parts = names.split('\n').filter((_, index) => index % 25 === 0);
  for (const part of parts) {
    const digest = `md5 -q /manyfiles/${part}`;
    expect(await sh(vm, digest)).toBe(await sh(peer, digest));
  }
});

between('CopyWithDifferentMTU', WEB_PEER, async ({ vms: { vm, peer } }) => {
  await login(peer);
  await login(vm);
  const digest = await offerFile(peer, 8);
  for (const mtu of [1152, 9216]) {
    await sh(vm, `ifconfig hn0 mtu ${mtu}`, 'sleep 1');
    await sh(vm, `fetch -o /testdata ${FROM_PEER}/testdata`);
    expect(await sh(vm, 'md5 -q /testdata')).toBe(digest);
    await sh(vm, 'rm /testdata');
  }
  await sh(vm, 'ifconfig hn0 mtu 1500');
});

bis('PromiscSynthNetAdapter', { vm: TWO_ADAPTERS }, async ({ vm }) => {
  await login(vm);
  await sh(vm, 'ifconfig hn1 promisc');
  expect(await flags(vm, 'hn1')).toContain('PROMISC');
  await sh(vm, 'ifconfig hn1 -promisc');
  expect(await sh(vm, 'ifconfig -a')).not.toContain('PROMISC');
});

bis(
  'ExternalMultipleSynthNetAdapter',
  { vm: { nics: 3, rcConf: FIRST_BY_DHCP } },
  async ({ vm }) => {
    await login(vm);
    const addresses = [await address(vm, 'hn0')];
    for (const name of ['hn1', 'hn2']) {
      await sh(vm, `ifconfig ${name} down`, `ifconfig ${name} up`, `dhclient ${name}`);
      addresses.push(await address(vm, name));
    }
    expect(addresses).toEqual(['192.168.100.10', '192.168.100.11', '192.168.100.12']);
  },
);

bis('TwiceExternalSynthNetAdapter', { vm: TWO_ADAPTERS }, async ({ vm }) => {
  await login(vm);
  for (const name of ['hn0', 'hn1']) {
    const leases: string[] = [];
    for (let round = 0; round < 2; round += 1) {
      await sh(vm, `ifconfig ${name} down`, `ifconfig ${name} up`);
      await run(vm, 'pkill dhclient');
      await sh(vm, `dhclient ${name}`);
      leases.push(await address(vm, name));
    }
    expect(leases[0]).toMatch(/^192\.168\.100\.\d+$/);
    expect(leases[1]).toBe(leases[0]);
  }
});

const LEGACY_MAC = '00:15:5d:dc:4f:68';
const WITH_LEGACY: VmConfig = {
  nics: [{}, { kind: 'legacy', mac: LEGACY_MAC }],
  rcConf: FIRST_BY_DHCP,
  // de(4) is in the kernels that the suite was written for.
  set: { deDriver: true },
};

/** The legacy adapter is there, and reaches the peer; what takes its place has its address. */
bis('SynthNetAdapterOnly', { generations: GENERATION_1, vm: WITH_LEGACY }, async ({ vm }) => {
  const pingByLegacy = async (): Promise<void> => {
    await login(vm);
    expect(await sh(vm, 'ifconfig de0')).toContain(`ether ${LEGACY_MAC}`);
    await sh(vm, 'dhclient de0', 'ifconfig hn0 down');
    expect(await sh(vm, `ping -c 1 ${EXTERNAL_PEER}`)).toContain('0.0% packet loss');
    await shutDown(vm);
  };
  await pingByLegacy();
  await vm.configure({ nics: [{}, { mac: LEGACY_MAC }] });
  await startAgain(vm);
  expect((await run(vm, 'ifconfig de0')).status).not.toBe(0);
  expect(await sh(vm, 'ifconfig hn1')).toContain(`ether ${LEGACY_MAC}`);
  await pingBySecond(vm, EXTERNAL_PEER);
  await shutDown(vm);
  await vm.configure({ nics: WITH_LEGACY.nics! });
  await vm.powerOn();
  await pingByLegacy();
});

bis('Setmtu', { vm: TWO_ADAPTERS }, async ({ vm }) => {
  await login(vm);
  for (const mtu of [1152, 2304, 4608, 9216]) {
    await sh(vm, `ifconfig hn0 mtu ${mtu}`, 'sleep 1');
    expect(numberIn(await sh(vm, 'ifconfig hn0'), /mtu (\d+)/)).toBe(mtu);
  }
  for (const bytes of PAYLOADS) {
    const ping = await sh(vm, `ping -c 5 -i 0.1 -s ${bytes} ${EXTERNAL_PEER}`);
    expect(ping).toContain(' 0.0% packet loss');
  }
  await sh(vm, 'ifconfig hn0 mtu 1500');
  expect(numberIn(await sh(vm, 'ifconfig hn0'), /mtu (\d+)/)).toBe(1500);
});

bis(
  'StaticMac',
  { vm: { nics: [{}, { mac: '00:15:5d:33:d0:fc' }], rcConf: FIRST_BY_DHCP } },
  async ({ vm }) => {
    await login(vm);
    expect(vm.nics[1]!.mac).toBe('00:15:5d:33:d0:fc');
    expect(await sh(vm, 'ifconfig hn1')).toContain('ether 00:15:5d:33:d0:fc');
    await pingBySecond(vm, EXTERNAL_PEER, undefined, 5);
  },
);

const BRIDGED: readonly AdapterSpec[] = [{ on: 'PrivateNet1' }, { on: 'PrivateNet' }];

for (const generation of BOTH) {
  scenario(
    caseName('BridgeNic', generation),
    {
      hosts: 'all',
      wallLimit: '120s',
      switches: ['PrivateNet1', 'PrivateNet'],
      machines: {
        vm: { host: HOST, generation, nics: BRIDGED, rcConf: {} },
        left: { host: HOST, generation, ...peerOn('PrivateNet1', '192.168.7.1') },
        right: { host: HOST, generation, ...peerOn('PrivateNet', '192.168.7.2') },
      },
    },
    async ({ vms: { vm, left, right }, step, note }) => {
      await login(left);
      await login(right);
      await login(vm);
      await sh(
        vm,
        'ifconfig hn0 up',
        'ifconfig hn1 up',
        'ifconfig bridge0 create',
        'ifconfig bridge0 addm hn0 addm hn1 up',
      );
      const ping = 'ping -c 3 -i 0.1 -t 5 192.168.7.2';
      await step('frames with foreign addresses pass', async () => {
        for (const nic of vm.nics) nic.macSpoofing(true);
        expect(await sh(left, ping)).toContain(' 0.0% packet loss');
      });
      await step('and are dropped without the setting', async () => {
        for (const nic of vm.nics) nic.macSpoofing(false);
        const lost = await run(left, ping);
        expect(lost.output).toContain('100.0% packet loss');
        const spoofed = vm.nics.reduce((sum, nic) => sum + nic.spoofed, 0);
        note('dropped frames', spoofed);
        expect(spoofed).toBeGreaterThan(0);
      });
    },
  );
}
