/** Receive side scaling and segmentation offloads (2). */
import { expect, scenario } from 'synthvm';
import type { VmConfig } from 'synthvm';
import {
  BOTH,
  caseName,
  HOST,
  login,
  numberIn,
  sh,
  SINCE_2012_R2,
  sysctl,
} from './support/suite.ts';

const WEB_SERVER: VmConfig = {
  cpus: 2,
  nics: [{}, { on: 'Internal' }],
  rcConf: {
    ifconfig_hn0: 'DHCP',
    ifconfig_hn1: 'inet 192.168.1.200/24',
    httpd_enable: 'YES',
  },
};
const CLIENT: VmConfig = {
  cpus: 2,
  nics: [{}, { on: 'Internal' }],
  rcConf: { ifconfig_hn0: 'DHCP', ifconfig_hn1: 'inet 192.168.1.100/24' },
};

for (const generation of BOTH) {
  const config = {
    wallLimit: '120s',
    hosts: 'all',
    switches: ['Internal'],
    machines: {
      vm: { host: HOST, generation, ...WEB_SERVER },
      peer: { host: HOST, generation, ...CLIENT },
    },
  } as const;

  const scaled = {
    ...config,
    hosts: SINCE_2012_R2,
    hostsReason: 'the host has NVSP 4, without receive side scaling',
  };
  scenario(caseName('VerifyVRSS', generation), scaled, async ({ vms: { vm, peer }, note }) => {
    await login(peer);
    await login(vm);
    await sh(vm, 'echo "It works" > /index.html');
    expect(Number(await sysctl(vm, 'dev.hn.1.nvs_version'))).toBeGreaterThanOrEqual(0x5_0000);
    await sh(peer, 'ab -n 512 -c 8 http://192.168.1.200/index.html');
    const rings = Number(await sysctl(vm, 'dev.hn.1.rx_ring_inuse'));
    // The suite is content with one.
    expect(rings).toBe(2);
    for (let ring = 0; ring < rings; ring += 1) {
      const packets = Number(await sysctl(vm, `dev.hn.1.rx.${ring}.packets`));
      note(`packets of ring ${ring}`, packets);
      expect(packets).toBeGreaterThan(0);
    }
  });

  scenario(caseName('VerifyTSOandLRO', generation), config, async ({ vms: { vm, peer }, note }) => {
    await login(peer);
    await login(vm);
    await sh(vm, 'dd if=/dev/random of=/test.bin bs=1k count=24');
    const digest = await sh(vm, 'md5 -q /test.bin');
    await vm.console.type('tcpdump -c 8 -i hn1 tcp port 80\n');
    await vm.run('1s');
    await sh(peer, 'fetch -o /test.bin http://192.168.1.200/test.bin');
    expect(await sh(peer, 'md5 -q /test.bin')).toBe(digest);
    const captured = await vm.console.wait(/\d+ packets captured/);
    expect(captured[0]).toBe('8 packets captured');
    const lengths = [...vm.console.text.matchAll(/length (\d+)/g)].map(([, bytes]) =>
      Number(bytes),
    );
    note('longest frame', Math.max(...lengths));
    expect(Math.max(...lengths)).toBeGreaterThan(1514);
    for (const name of ['lro_queued', 'lro_flushed']) {
      expect(numberIn(await sysctl(peer, `dev.hn.1.${name}`), /(\d+)/)).toBeGreaterThan(0);
    }
  });
}
