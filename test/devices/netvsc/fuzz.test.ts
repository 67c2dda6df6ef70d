import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Oid } from '../../../src/devices/netvsc/spec/oids.ts';
import { NvspType } from '../../../src/devices/netvsc/spec/nvsp.ts';
import { GUEST_MAC, join, NetvscGuest, nvsp, rndisPacket, u32s } from '../support/netvsc-guest.ts';
import { ipFrame } from '../../net/frames.ts';
import { cases, shown } from '../../support/cases.ts';

/** Guest memory that no packet names: it must stay as it is. */
const QUIET_START = 0x1000;
const QUIET_END = 0x10_0000;
const CASES_PER_MACHINE = 1000;
const WAIT_NS = 10_000_000;

const types = Object.values(NvspType.is);
const oids = Object.values(Oid.is);
const extreme = fc.oneof(
  fc.nat(300),
  fc.constantFrom(0, 4, 8, 20, 36, 44, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xffff_fff8),
);

/** Words of an NVSP message that is nearly right. */
const nvspWords = fc.tuple(
  fc.oneof(
    { arbitrary: fc.constantFrom<number>(...types), weight: 5 },
    { arbitrary: extreme, weight: 1 },
  ),
  extreme,
  extreme,
  extreme,
  extreme,
);

/** An RNDIS message that is nearly right. */
const rndisMessage = fc.oneof(
  fc
    .tuple(
      fc.constantFrom(2, 3, 4, 5, 6, 7, 8, 9, 0x8000_0004),
      extreme,
      fc.constantFrom(...oids),
      extreme,
      extreme,
      fc.uint8Array({ maxLength: 80, size: 'max' }),
    )
    .map(([type, length, oid, infoLength, infoOffset, rest]) =>
      join(u32s(type, length, 7, oid, infoLength, infoOffset, 0), rest),
    ),
  fc
    .tuple(
      fc.array(
        fc.tuple(fc.constantFrom(0, 2, 6, 8, 99), fc.integer({ min: 0, max: 0xffff_ffff })),
        { maxLength: 3 },
      ),
      fc.nat(13),
      extreme,
      fc.nat(1500),
    )
    .map(([info, word, value, size]) => {
      const frame = ipFrame({
        payload: new Array<number>(size).fill(size & 255),
        checksum: 'seed',
      });
      const message = rndisPacket(frame, info);
      // One word in three is left alone.
      if (word < 10) new DataView(message.buffer).setUint32(word * 4, value, true);
      return message;
    }),
  fc.uint8Array({ maxLength: 120, size: 'max' }),
);

const packet = fc.record({
  kind: fc.constantFrom('nvsp', 'nvsp', 'rndis', 'rndis', 'rndis', 'direct', 'bytes'),
  words: nvspWords,
  message: rndisMessage,
  section: fc.constantFrom(0, 1, 5, 41, 42, 43, 0xffff_ffff),
  claimed: fc.oneof(fc.constant(-1), fc.constant(-1), extreme),
  cut: fc.nat(60),
  gap: fc.constantFrom(0, 100, 4096),
  type: fc.constantFrom(6, 6, 0xb),
  length: fc.constantFrom(40, 40, 40, 28, 16, 8, 4, 3, 0),
  wants: fc.boolean(),
});

type Packet = typeof packet extends fc.Arbitrary<infer T> ? T : never;

function write(net: NetvscGuest, it: Packet, transaction: number): boolean {
  const { guest, channel } = net;
  if (it.kind === 'direct') {
    const gpa = net.sendGpa + 0x8000;
    const cut = Math.min(it.cut, it.message.length);
    guest.memory.writeBytes(gpa, it.message.slice(0, cut));
    guest.memory.writeBytes(gpa + cut + it.gap, it.message.slice(cut));
    const ranges = [
      { gpa, bytes: cut },
      { gpa: gpa + cut + it.gap, bytes: it.message.length - cut },
    ].filter((range) => range.bytes > 0);
    if (ranges.length === 0) return false;
    channel.sendGpaDirect(nvsp(107, 0, 0xffff_ffff, 0), ranges, { transaction });
    return true;
  }
  let payload = nvsp(...it.words);
  if (it.kind === 'rndis') {
    const at = (it.section % 42) * 6144;
    guest.memory.writeBytes(net.sendGpa + at, it.message);
    payload = nvsp(107, it.words[1], it.section, it.claimed < 0 ? it.message.length : it.claimed);
  } else if (it.kind === 'bytes') {
    payload = it.message.slice(0, 40);
  }
  const options = {
    transaction,
    wantsCompletion: it.wants,
    type: it.kind === 'bytes' ? it.type : 6,
  };
  channel.send(it.kind === 'bytes' ? payload : payload.slice(0, it.length), options);
  return it.wants && options.type === 6;
}

const CASES = cases(10_000, 500);

describe('a hostile guest', () => {
  it(`${shown(CASES)} malformed NVSP and RNDIS messages: answered once or ignored, nothing throws or stalls`, () => {
    let net = new NetvscGuest();
    let count = 0;
    fc.assert(
      fc.property(packet, (it) => {
        if (count % CASES_PER_MACHINE === 0) {
          net = new NetvscGuest();
          // Every other machine is attacked before it is up.
          if (count % (2 * CASES_PER_MACHINE) === 0) net.start();
          net.guest.memory.u8.fill(0x11, QUIET_START, QUIET_END);
        }
        count += 1;
        const transaction = 0x1_0000 + count;
        const startNs = net.guest.clock.nowNs;
        net.sectionBytes = 0x1_0000;
        net.completions.length = 0;
        net.control.length = 0;
        net.frames.length = 0;
        net.link.sent.length = 0;
        const isAnswered = write(net, it, transaction);
        net.link.deliver(ipFrame({ destination: [...GUEST_MAC] }));
        net.guest.run(2000);
        drain(net);
        const answers = net.completions.filter((answer) => answer.transactionLo === transaction);
        expect(answers.length).toBe(isAnswered ? 1 : 0);
        expect(net.guest.clock.nowNs - startNs).toBeLessThan(WAIT_NS);
        let touched = 0;
        for (let at = QUIET_START; at < QUIET_END; at += 4093) {
          if (net.guest.memory.u8[at] !== 0x11) touched += 1;
        }
        expect(touched).toBe(0);
      }),
      { numRuns: CASES },
    );
  });

  it('after all that an adapter that was up still works', () => {
    const net = new NetvscGuest().start();
    const seen = fc.sample(packet, { numRuns: 500, seed: 7 });
    for (const [index, it] of seen.entries()) {
      // A revoke or a halt would be obeyed.
      if (it.kind === 'nvsp' && (it.words[0] === 103 || it.words[0] === 106)) continue;
      write(net, it, 0x1_0000 + index);
      net.guest.run(1000);
      drain(net);
    }
    net.initialize();
    net.set(0x0001_010e, u32s(0x0d));
    net.link.sent.length = 0;
    const frame = ipFrame();
    expect(net.sendSection(rndisPacket(frame))).toBe(1);
    expect(net.link.sent).toEqual([frame]);
  });

  it('any order of opening, closing, signalling and frames comes to rest', () => {
    const action = fc.constantFrom('open', 'close', 'send', 'frame', 'run', 'link', 'sub');
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40, size: 'max' }), (actions) => {
        const net = new NetvscGuest().start();
        const frame = ipFrame({ destination: [...GUEST_MAC] });
        const message = rndisPacket(ipFrame());
        net.guest.memory.writeBytes(net.sendGpa, message);
        let isOpen = true;
        for (const it of actions) {
          if (it === 'close' && isOpen) {
            net.channel.close();
            net.channels.length = 0;
            isOpen = false;
          } else if (it === 'open' && !isOpen) {
            net.channel = net.guest.open(net.offer, { sendPages: 5, receivePages: 5 });
            net.channels.push(net.channel);
            net.start();
            isOpen = true;
          } else if (it === 'send' && isOpen) {
            net.channel.send(nvsp(107, 0, 0, message.length), {
              transaction: 9,
              wantsCompletion: true,
            });
          } else if (it === 'frame') net.link.deliver(frame, frame);
          else if (it === 'run') net.guest.events.runNext();
          else if (it === 'link') net.link.setLink(!net.link.isUp);
          else if (it === 'sub' && isOpen && net.channels.length === 1) net.addChannels(1);
        }
        net.run();
        expect(net.guest.events.pendingCount).toBe(0);
      }),
      { numRuns: 40 },
    );
  });
});

/** Takes what came, whatever it is: after a hostile message the driver's own view may not hold. */
function drain(net: NetvscGuest): void {
  for (let packets = 0; packets < 5000; packets += 1) {
    const packet = net.channel.receive();
    if (packet === undefined) {
      net.guest.run(2000);
      if (net.channel.reader.availableBytes === 0) return;
      continue;
    }
    if (packet.type === 0xb) net.completions.push(packet);
    if (packet.type === 7) net.release(net.channel, packet.transactionLo);
  }
  throw new Error('the host never stops sending');
}
