import { describe, expect, it } from 'vitest';
import {
  bytes,
  flags,
  guid,
  openEnum,
  struct,
  u8,
  u16,
  u16be,
  u32,
  u64,
  u64be,
} from '../../src/core/wire.ts';

const MessageType = openEnum(u32, { OfferChannel: 1, InitiateContact: 14 });
const InitiateContact = struct('InitiateContact', 40, {
  type: MessageType,
  padding: u32,
  version: u32,
  targetVp: u32,
  targetInfo: u64,
  parentToChild: u64,
  childToParent: u64,
});

describe('a wire structure', () => {
  it('reads and writes through a typed cursor', () => {
    const view = new DataView(new ArrayBuffer(64));
    const message = InitiateContact.cursor(view).at(8);
    message.type = MessageType.is.InitiateContact;
    message.version = 0x5_0003;
    message.targetInfo = 2n;
    message.childToParentHi = 1;
    expect(message.childToParent).toBe(0x1_0000_0000n);
    expect(view.getUint32(8, true)).toBe(14);
    expect(InitiateContact.offset.version).toBe(8);
    expect(InitiateContact.show(view, 8)).toBe(
      'InitiateContact { type=InitiateContact padding=0x00000000 version=0x00050003 targetVp=0x00000000 ' +
        'targetInfo=0x0000000000000002 parentToChild=0x0000000000000000 childToParent=0x0000000100000000 }',
    );
  });

  it('shows unknown enum values and unnamed flag bits', () => {
    const Flags = struct('Flags', 8, {
      kind: openEnum(u16, { A: 1 }),
      bits: flags(u16, { READ: 1, WRITE: 2 }),
      padding: u8,
      x: u8,
      y: u16,
    });
    const view = new DataView(new ArrayBuffer(8));
    const cursor = Flags.cursor(view);
    cursor.kind = 9;
    cursor.bits = 0x13;
    expect(Flags.show(view, 0)).toBe(
      'Flags { kind=?0x0009 bits=READ|WRITE|0x0010 padding=0x00 x=0x00 y=0x0000 }',
    );
  });

  it('keeps GUIDs in the mixed-endian form of Microsoft and UEFI', () => {
    const Guid = struct('Guid', 16, { id: guid });
    const view = new DataView(new ArrayBuffer(16));
    Guid.cursor(view).id = 'ba6163d9-04a1-4d29-b605-72e2ffb1dc7f';
    expect([...new Uint8Array(view.buffer)].map((byte) => byte.toString(16)).join(' ')).toBe(
      'd9 63 61 ba a1 4 29 4d b6 5 72 e2 ff b1 dc 7f',
    );
    expect(Guid.cursor(view).id).toBe('ba6163d9-04a1-4d29-b605-72e2ffb1dc7f');
    expect(() => {
      Guid.cursor(view).id = 'ba6163d9';
    }).toThrow('not a GUID');
  });

  it('has big-endian integers and byte runs', () => {
    const Footer = struct('Footer', 18, { cookie: bytes(8), size: u64be, port: u16be });
    const view = new DataView(new ArrayBuffer(18));
    const footer = Footer.cursor(view);
    footer.cookie = new TextEncoder().encode('conectix');
    footer.sizeHi = 1;
    footer.sizeLo = 0x0203_0405;
    footer.port = 0x1234;
    expect(footer.size).toBe(0x1_0203_0405n);
    expect([...new Uint8Array(view.buffer, 8)]).toEqual([0, 0, 0, 1, 2, 3, 4, 5, 0x12, 0x34]);
    expect(new TextDecoder().decode(footer.cookie)).toBe('conectix');
  });

  it('refuses hidden padding and a wrong size', () => {
    expect(() => struct('Bad', 8, { a: u16, b: u32 })).toThrow('declare the padding');
    expect(() => struct('Bad', 8, { a: u32 })).toThrow('specification says 8');
    expect(struct('Packed', 6, { a: u16, b: u32 }, { packed: true }).offset.b).toBe(2);
  });

  it('keeps field names apart from its own', () => {
    const Own = struct('Own', 4, { v: u8, b: u8, view: u8, base: u8 });
    const cursor = Own.cursor(new DataView(new ArrayBuffer(8))).at(4);
    cursor.v = 1;
    cursor.view = 3;
    cursor.base = 4;
    expect([cursor.v, cursor.b, cursor.view, cursor.base]).toEqual([1, 0, 3, 4]);
    expect(() => struct('Bad', 1, { at: u8 })).toThrow('bad field name');
  });

  it('is typed', () => {
    const message = InitiateContact.cursor(new DataView(new ArrayBuffer(64)));
    // @ts-expect-error a u64 field is a bigint
    const wrong: number = message.targetInfo;
    expect(typeof wrong).toBe('bigint');
    // @ts-expect-error no such field
    expect(message.nope).toBeUndefined();
  });
});
