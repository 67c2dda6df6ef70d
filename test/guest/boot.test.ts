import { describe, expect, it } from 'vitest';
import { DeviceClass } from '../../src/vmbus/spec/guids.ts';
import { sink, Source } from './support/devices.ts';
import { TestMachine } from './support/machine.ts';
import type { TestOptions } from './support/machine.ts';

/** Asserts that lines come in this order, with others between them. */
function expectInOrder(lines: readonly string[], wanted: readonly (string | RegExp)[]): void {
  let at = 0;
  for (const want of wanted) {
    const found = lines.findIndex(
      (line, index) => index >= at && (typeof want === 'string' ? line === want : want.test(line)),
    );
    expect(found, `after line ${at}: ${String(want)}`).toBeGreaterThanOrEqual(at);
    at = found + 1;
  }
}

describe('what a boot prints', () => {
  it('modern on Gen-2, in the order of a real one', () => {
    const storage = sink({ name: 'storvsc' });
    const machine = new TestMachine({
      host: 'ws2019',
      processors: 2,
      devices: [new Source(1)],
      drivers: [storage.driver],
    }).boot();
    expectInOrder(machine.lines, [
      'VT(efifb): resolution 1024x768',
      'Hyper-V Version: 10.0.17763 [SP0]',
      '  Features=0x2e7f<VPRUNTIME,TMREFCNT,SYNIC,SYNTM,APIC,HYPERCALL,VPINDEX,REFTSC,IDLE,TMFREQ>',
      /^ {2}PM Features=0x0 \[C\d\]$/,
      '  Features3=0xbed7b2<DEBUG,XMMHC,IDLE,NUMA,TMFREQ,SYNCMC,CRASH,NPIEP>',
      'Timecounter "Hyper-V" frequency 10000000 Hz quality 2000',
      /^CPU: .* \(3300\.00-MHz K8-class CPU\)$/,
      'Hypervisor: Origin = "Microsoft Hv"',
      'ACPI APIC Table: <VRTUAL MICROSFT>',
      'FreeBSD/SMP: Multiprocessor System Detected: 2 CPUs',
      'Launching APs: 1',
      'Timecounter "Hyper-V-TSC" frequency 10000000 Hz quality 3000',
      'acpi_syscontainer0: <System Container> on acpi0',
      'vmbus0: <Hyper-V Vmbus> on acpi_syscontainer0',
      'vmbus_res0: <Hyper-V Vmbus Resource> irq 5 on acpi0',
      'vmbus0: version 4.0',
      'hvet0: <Hyper-V event timer> on vmbus0',
      'Event timer "Hyper-V" frequency 10000000 Hz quality 1000',
      'storvsc0 on vmbus0',
      /^FreeBSD\/amd64/,
      'login: ',
    ]);
    expect(machine.said).toEqual([
      'phase kernel',
      'phase vmbus-connected',
      'device storvsc0',
      'phase offers-delivered',
      'phase root-mounted',
      'phase login',
    ]);
  });

  it('10.2 on Gen-1', () => {
    const storage = sink({ name: 'storvsc' });
    const machine = new TestMachine({
      preset: 'bis:10.2',
      generation: 1,
      processors: 2,
      switches: { verbose: true },
      devices: [new Source(1)],
      drivers: [storage.driver],
    }).boot();
    expectInOrder(machine.lines, [
      'VT(vga): text 80x25',
      /^Calibrating TSC clock \.\.\. TSC clock: 33\d{8} Hz$/,
      /^CPU: .*-MHz K8-class CPU\)$/,
      'ACPI APIC Table: <VRTUAL MICROSFT>',
      'vmbus0: <Vmbus Devices> on motherboard',
      'SMP: AP CPU #1 Launched!',
      'Timecounter "Hyper-V" frequency 10000000 Hz quality 10000000',
      'VMBUS: Portocal Version: 3.0',
      'storvsc0 on vmbus0',
      'login: ',
    ]);
    expect(machine.console).not.toContain('Hyper-V Version');
  });

  it('modern on Gen-1 finds VMBus beside the PCI bus', () => {
    const machine = new TestMachine({ generation: 1 }).boot();
    expect(machine.lines).toContain('VT(vga): text 80x25');
    expect(machine.lines).toContain('vmbus0: <Hyper-V Vmbus> on pcib0');
  });

  it('only a verbose boot tells of channels', () => {
    const options = { devices: [new Source(1)], drivers: [sink().driver] };
    const quiet = new TestMachine(options).boot();
    expect(quiet.console).not.toContain('subidx0 offer');
    const verbose = new TestMachine({
      devices: [new Source(1)],
      drivers: [sink().driver],
      switches: { verbose: true },
    }).boot();
    expectInOrder(verbose.lines, [
      /^vmbus0: chan\d+ subidx0 offer$/,
      /^vmbus0: chan\d+ assigned to cpu0 \[vcpu0\]$/,
      /^vmbus0: gpadl_conn\(chan\d+\) succeeded$/,
      /^vmbus0: chan\d+ opened$/,
      'vmbus0: device scan, probe and attach done',
    ]);
  });

  it('an offer without a driver stays unattached, silently', () => {
    const machine = new TestMachine({
      devices: [new Source(1, { interfaceId: DeviceClass.video })],
      drivers: [sink().driver],
    }).boot();
    expect(machine.guest.bus!.directory.list).toHaveLength(1);
    expect(machine.guest.bus!.devices).toEqual([]);
    expect(machine.console).not.toContain('sink');
  });
});

describe('a Gen-2 boot of 10.2 stops, flag by flag', () => {
  const gen2: TestOptions = { preset: 'bis:10.2', generation: 2 };
  const loader = { efiLoader: 'fixed' } as const;
  const clock = { ...loader, earlyTimecounter: true } as const;
  const bus = { ...clock, vmbusAcpi: true } as const;
  function* noDisk() {
    yield 1_000;
    return false;
  }

  it.each([
    ['loader-stage', {}, undefined],
    ['delay-hang', loader, undefined],
    ['no-vmbus', clock, undefined],
    ['mountroot', bus, noDisk],
    ['no-input', bus, undefined],
  ] as const)('%s', (stage, switches, mountRoot) => {
    const machine = new TestMachine({
      ...gen2,
      switches,
      ...(mountRoot === undefined ? {} : { mountRoot }),
    });
    machine.run(10);
    const stops = machine.said.filter((said) => said.startsWith('stage-stopped'));
    expect(stops).toHaveLength(1);
    expect(stops[0]).toMatch(new RegExp(`^stage-stopped ${stage}: .+`));
    expect(machine.said).not.toContain('phase login');
  });

  it('with all of them on it reaches the login', () => {
    new TestMachine({ ...gen2, switches: { ...bus, hvKbd: true } }).boot();
  });
});

describe('the shell', () => {
  const shell = (options: TestOptions = {}): TestMachine => new TestMachine(options).boot().login();

  it('edits lines: erase, kill, interrupt', () => {
    const machine = shell();
    expect(machine.type('echo onn\b\x7fk')).toContain('\nok\n');
    expect(machine.type('rubbish\x15echo fine')).toContain('\nfine\n');
    expect(machine.type('rubbish\x03echo after')).toContain('^C\n# echo after\nafter\n');
  });

  it('refuses other users, and shows help', () => {
    const machine = new TestMachine().boot();
    expect(machine.type('guest', 'login: ')).toContain('Login incorrect');
    machine.login();
    for (const name of ['dmesg', 'sysctl', 'vmstat', 'uname', 'shutdown', 'panic']) {
      expect(machine.type('help')).toMatch(new RegExp(`^${name} +\\S`, 'm'));
    }
    expect(machine.type('frobnicate')).toContain('frobnicate: not found');
  });

  it('shows the kernel messages and state', () => {
    const machine = shell({ processors: 2 });
    expect(machine.type('dmesg')).toContain('hvet0: <Hyper-V event timer> on vmbus0\n');
    expect(machine.type('sysctl hw.ncpu')).toContain('hw.ncpu: 2\n');
    expect(machine.type('sysctl dev.vmbus.0.version')).toContain('dev.vmbus.0.version: 4.0\n');
    expect(machine.type('sysctl no.such')).toContain("unknown oid 'no.such'");
    expect(machine.type('uname -r')).toContain('14.1-RELEASE');
    expect(machine.type('ps')).toContain('[kernel/hvevent1]');
  });

  it.each([
    ['poweroff', 'power-off'],
    ['shutdown -p now', 'power-off'],
    ['reboot', 'reset'],
  ])('%s ends in %s', (command, ended) => {
    const machine = shell();
    machine.type(command, 'never');
    expect(machine.ended).toBe(ended);
    expect(machine.said).toContain('phase halt');
    expect(machine.server.connection.state).not.toBe('connected');
  });

  it('halt stands still', () => {
    const machine = shell();
    machine.type('halt', 'press any key');
    expect(machine.lines).toContain('The operating system has halted.');
    expect(machine.kernel.isHalted).toBe(true);
  });

  it('panic leaves its message with the hypervisor', () => {
    const machine = shell();
    machine.type('panic', 'never');
    expect(machine.ended).toBe('crash');
    expect(machine.said).toContain('panic kdb_sysctl_panic');
    const { crash } = machine.partition;
    const text = machine.memory.readBytes(crash[6]!, crash[8]!);
    expect(new TextDecoder().decode(text)).toBe('kdb_sysctl_panic');
  });
});

describe('determinism', () => {
  it('equal seeds give equal digests', () => {
    const digest = (seed: number): string => {
      const machine = new TestMachine({
        preset: 'bis:10.2',
        generation: 1,
        processors: 4,
        seed,
        devices: [new Source(1), new Source(2)],
        drivers: [sink().driver],
      }).boot();
      return machine.trace.digest;
    };
    expect(digest(7)).toBe(digest(7));
    expect(digest(7)).not.toBe(digest(8));
  });
});
