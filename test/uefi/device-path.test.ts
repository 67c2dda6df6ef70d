import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  devicePathText,
  encodeDevicePath,
  parseDevicePath,
  type PathNode,
} from '../../src/uefi/device-path.ts';
import {
  readBootOption,
  readBootOrder,
  takeBootNext,
  VariableStore,
  writeBootOption,
  writeBootOrder,
} from '../../src/uefi/variables.ts';

const PATH: readonly PathNode[] = [
  {
    kind: 'vmbus',
    interfaceId: 'ba6163d9-04a1-4d29-b605-72e2ffb1dc7f',
    instanceId: 'd9631af6-2a8e-4c5b-8dd2-1c0d1b2f3a4e',
  },
  { kind: 'scsi', target: 1, lun: 2 },
  {
    kind: 'partition',
    table: 'gpt',
    number: 1,
    startLba: 2048,
    sizeLba: 409_600,
    signature: '0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0',
  },
  { kind: 'file', path: '\\EFI\\debian\\shimx64.efi' },
];

describe('a device path', () => {
  it('comes back as it was written, and reads as the specification writes it', () => {
    const bytes = encodeDevicePath(PATH);
    expect(parseDevicePath(bytes)).toEqual(PATH);
    expect(devicePathText(PATH)).toBe(
      'VMBus(ba6163d9-04a1-4d29-b605-72e2ffb1dc7f,d9631af6-2a8e-4c5b-8dd2-1c0d1b2f3a4e)/Scsi(0x1,0x2)/' +
        'HD(1,GPT,0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0,0x800,0x64000)/\\EFI\\debian\\shimx64.efi',
    );
  });

  it('has the bytes of the specification: UEFI 2.10, tables 10.49 and 10.51', () => {
    const [drive, file] = [encodeDevicePath([PATH[2]!]), encodeDevicePath([PATH[3]!])];
    expect([...drive.subarray(0, 16)]).toEqual([4, 1, 42, 0, 1, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0]);
    expect([...drive.subarray(24, 28)]).toEqual([0x3c, 0x2d, 0x1e, 0x0f]);
    expect([...drive.subarray(40)]).toEqual([2, 2, 0x7f, 0xff, 4, 0]);
    expect([...file.subarray(0, 8)]).toEqual([4, 4, 4 + 24 * 2, 0, 0x5c, 0, 0x45, 0]);
  });

  it('reads an efibootmgr-style MBR path and a CD', () => {
    const nodes: PathNode[] = [
      {
        kind: 'partition',
        table: 'mbr',
        number: 2,
        startLba: 63,
        sizeLba: 9,
        signature: '8badf00d',
      },
      { kind: 'cdrom', bootEntry: 1, startLba: 100, sizeLba: 1440 },
    ];
    expect(parseDevicePath(encodeDevicePath(nodes))).toEqual(nodes);
  });

  it('keeps nodes that it does not know, and says what is broken', () => {
    expect(
      parseDevicePath(Uint8Array.of(2, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 4, 0)),
    ).toEqual([{ kind: 'other', type: 2, subType: 1 }]);
    expect(parseDevicePath(Uint8Array.of(4, 4, 200, 0, 0, 0))).toBe(
      'the device path node at byte 0 has 200 bytes, 6 are left',
    );
    expect(parseDevicePath(Uint8Array.of(4, 4, 2, 0))).toContain('has 2 bytes');
    expect(parseDevicePath(new Uint8Array(0))).toBe('the device path has no end node');
  });

  it('never throws, whatever a guest put into a variable', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const variables = new VariableStore();
        variables.set('Boot0000', bytes);
        const option = readBootOption(variables, 0);
        expect(['object', 'string', 'undefined']).toContain(typeof option);
        parseDevicePath(bytes);
      }),
      { numRuns: 500 },
    );
  });
});

describe('boot variables', () => {
  it('keep an option with its path and data', () => {
    const variables = new VariableStore();
    const option = {
      number: 0xbeef,
      description: 'Debian',
      isActive: true,
      path: PATH,
      optionalData: Uint8Array.of(9, 8, 7),
    };
    writeBootOption(variables, option);
    expect(variables.get('BootBEEF')?.attributes).toBe(7);
    expect(readBootOption(variables, 0xbeef)).toEqual(option);
    expect(readBootOption(variables, 1)).toBeUndefined();
  });

  it('keep the order, and give BootNext once', () => {
    const variables = new VariableStore();
    expect(readBootOrder(variables)).toEqual([]);
    writeBootOrder(variables, [3, 0x102, 1]);
    expect(readBootOrder(variables)).toEqual([3, 0x102, 1]);
    variables.set('BootNext', Uint8Array.of(5, 0));
    expect(takeBootNext(variables)).toBe(5);
    expect(takeBootNext(variables)).toBeUndefined();
  });

  it('live in their vendor’s namespace, and no data deletes them', () => {
    const variables = new VariableStore();
    variables.set('X', Uint8Array.of(1), '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f', 6);
    expect(variables.get('X')).toBeUndefined();
    expect(variables.list()).toHaveLength(1);
    variables.set('X', new Uint8Array(0), '4a67b082-0a4c-41cf-b6c7-440b29bb8c4f');
    expect(variables.list()).toHaveLength(0);
  });
});
