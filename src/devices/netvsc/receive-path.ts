import { traceType, type Trace } from '../../core/trace.ts';
import { openEnum, u32 } from '../../core/wire.ts';
import { WordViews } from '../../core/words.ts';
import { FrameFact, inspectFrame } from '../../net/inspect.ts';
import { ETHERNET_BYTES, EtherType, TYPE_AT, VLAN_TAG_BYTES } from '../../net/spec/ethernet.ts';
import type { AdapterState } from './adapter-state.ts';
import type { NetvscChannel } from './channel.ts';
import type { NvspProtocol } from './protocol.ts';
import { PacketFilter, RxChecksum } from './spec/rndis.ts';
import { isPadded, isPlainSegment, ReceiveUnit } from './receive-unit.ts';
import type { ReceiveSections } from './receive.ts';
import { isBroadcast } from './statistics.ts';

const Drop = openEnum(u32, { filter: 1, length: 2, noSection: 3, ringFull: 4 });

const receiveEvent = traceType('netvsc', 'receive', {
  channel: u32,
  section: u32,
  frames: u32,
  bytes: u32,
});
const coalesceEvent = traceType('netvsc', 'coalesce', {
  section: u32,
  segments: u32,
  bytes: u32,
});
const dropEvent = traceType('netvsc', 'receive-drop', { reason: Drop, length: u32 });

/** What the host must have found of a frame that is coalesced with others. */
const SUCCEEDED = RxChecksum.bit.ipSucceeded | RxChecksum.bit.tcpSucceeded;

/** From the network to the guest: filter, steering, per-packet information, receive buffer. */
export class ReceivePath {
  readonly #state: AdapterState;
  readonly #protocol: NvspProtocol;
  readonly #channels: readonly (NetvscChannel | undefined)[];
  readonly #trace: Trace;
  readonly #views = new WordViews();
  readonly #unit = new ReceiveUnit();

  constructor(
    state: AdapterState,
    protocol: NvspProtocol,
    channels: readonly (NetvscChannel | undefined)[],
    trace: Trace,
  ) {
    this.#state = state;
    this.#protocol = protocol;
    this.#channels = channels;
    this.#trace = trace;
  }

  /** Puts a frame into the receive buffer; the guest is told by `flush`. */
  frame(bytes: Uint8Array, start: number, length: number, known: number): void {
    const state = this.#state;
    const sections = this.#protocol.receive;
    const primary = this.#channels[0];
    if (sections === undefined || primary === undefined || !this.#isWanted(bytes, start)) {
      state.statistics.receiveFiltered += 1;
      this.#trace.emit(dropEvent, Drop.is.filter, length);
      return;
    }
    const control = state.stripsVlan ? tagOf(bytes, start, length) : -1;
    const skip = control < 0 ? 0 : VLAN_TAG_BYTES;
    if (length < ETHERNET_BYTES || length - skip > sections.maxFrameBytes) {
      state.statistics.receiveErrors += 1;
      this.#trace.emit(dropEvent, Drop.is.length, length);
      return;
    }
    const words = this.#views.of(bytes);
    const facts = known === 0 ? inspectFrame(bytes, words, start, length) : known;
    const { scaling } = state;
    let channel = primary;
    let hash = 0;
    let hashType = 0;
    if (scaling !== undefined) {
      hash = scaling.hash(bytes, start, facts);
      ({ hashType } = scaling);
      if (hashType !== 0) channel = this.#channels[scaling.channelOf(hash)] ?? primary;
    }
    if (channel.batch.isFull && !this.#send(channel)) {
      this.#lose(Drop.is.ringFull, length);
      return;
    }
    const section = sections.take();
    if (section < 0) {
      this.#lose(Drop.is.noSection, length);
      return;
    }
    state.statistics.countReceived(bytes, start, length);
    const isPlain =
      state.offload.coalescingIpv4 && skip === 0 && isPlainSegment(bytes, start, facts);
    if (this.#unit.channel !== undefined) {
      if (isPlain && this.#unit.channel === channel && this.#unit.isContinuedBy(bytes, start)) {
        const partBytes = this.#unit.add(sections, section, bytes, words, start);
        channel.batch.add(sections, section, partBytes);
        return;
      }
      this.#closeUnit(sections);
    }
    const checksum = this.#checksumInfo(facts);
    const messageBytes = sections.writeFrame(
      section,
      bytes,
      words,
      start,
      length,
      skip,
      checksum,
      control < 0 ? -1 : (control >>> 13) | ((control >>> 9) & 8) | ((control & 0xfff) << 4),
      hash,
      state.profile.rxHashPpi ? hashType : 0,
    );
    channel.batch.add(sections, section, messageBytes);
    if (!isPlain || checksum === -1 || (checksum & SUCCEEDED) !== SUCCEEDED) return;
    // The padding of a short frame would stand between its data and the next one's.
    if (isPadded(bytes, start, length)) return;
    const infoCount = state.profile.rxHashPpi && hashType !== 0 ? 3 : 1;
    this.#unit.begin(channel, section, bytes, start, checksum, infoCount);
  }

  #closeUnit(sections: ReceiveSections | undefined): void {
    const unit = this.#unit;
    if (unit.channel === undefined) return;
    if (sections === undefined) {
      unit.channel = undefined;
      return;
    }
    unit.close(sections);
    const { first, segments, totalBytes } = unit;
    if (segments < 2) return;
    this.#state.statistics.coalescedUnits += 1;
    this.#state.statistics.coalescedSegments += segments;
    this.#trace.emit(coalesceEvent, first, segments, totalBytes);
  }

  #lose(reason: number, length: number): void {
    this.#state.statistics.receiveNoBuffer += 1;
    this.#trace.emit(dropEvent, reason, length);
  }

  #isWanted(bytes: Uint8Array, start: number): boolean {
    const { filter, isOperational, currentMac } = this.#state;
    if (filter === 0 || !isOperational) return false;
    const { bit } = PacketFilter;
    if ((filter & bit.promiscuous) !== 0) return true;
    if ((bytes[start]! & 1) !== 0) {
      const asked = isBroadcast(bytes, start) ? bit.broadcast : bit.multicast | bit.allMulticast;
      return (filter & asked) !== 0;
    }
    if ((filter & bit.directed) === 0) return false;
    for (let index = 0; index < currentMac.length; index += 1) {
      if (bytes[start + index] !== currentMac[index]) return false;
    }
    return true;
  }

  /** The checksum word of a frame, or -1 for none. */
  #checksumInfo(facts: number): number {
    const { profile, offload } = this.#state;
    const isIp = (facts & (FrameFact.ipv4 | FrameFact.ipv6)) !== 0;
    if (profile.rxCsumPpi === 'off' || !isIp || (facts & FrameFact.malformed) !== 0) return -1;
    const { bit } = RxChecksum;
    const { receive } = offload;
    let info = 0;
    if (receive.ipv4) {
      if ((facts & FrameFact.ipGood) !== 0) info |= bit.ipSucceeded;
      if ((facts & FrameFact.ipBad) !== 0) info |= bit.ipFailed;
    }
    const isIpv6 = (facts & FrameFact.ipv6) !== 0;
    const isUdp = (facts & FrameFact.udp) !== 0;
    if (isUdp) {
      if (!(isIpv6 ? receive.udpIpv6 : receive.udpIpv4)) return info;
    } else if ((facts & FrameFact.tcp) === 0 || !(isIpv6 ? receive.tcpIpv6 : receive.tcpIpv4)) {
      return info;
    }
    const showsUdp = isUdp && profile.rxCsumPpi === 'exact';
    if ((facts & FrameFact.transportGood) !== 0) {
      info |= showsUdp ? bit.udpSucceeded : bit.tcpSucceeded;
    }
    if ((facts & FrameFact.transportBad) !== 0) info |= isUdp ? bit.udpFailed : bit.tcpFailed;
    return info;
  }

  /** Tells the guest of all frames since the last call. */
  flush(): void {
    this.#closeUnit(this.#protocol.receive);
    for (const channel of this.#channels) {
      if (channel !== undefined && channel.batch.count > 0 && !channel.isParked) {
        this.#send(channel);
      }
    }
  }

  /** The ring has room again. */
  resume(channel: NetvscChannel): void {
    channel.isParked = false;
    if (channel.batch.count > 0) this.#send(channel);
  }

  #send(channel: NetvscChannel): boolean {
    const sections = this.#protocol.receive;
    if (this.#unit.channel === channel) this.#closeUnit(sections);
    if (sections === undefined || channel.isParked) return false;
    const { first, count, bytes } = channel.batch;
    if (!channel.sendBatch(sections)) return false;
    this.#trace.emit(receiveEvent, channel.channel.channelId, first, count, bytes);
    return true;
  }
}

/** @returns the control word of a frame's tag, or -1 without a tag */
function tagOf(bytes: Uint8Array, start: number, length: number): number {
  const at = start + TYPE_AT;
  if (bytes[at]! !== EtherType.vlan >>> 8 || bytes[at + 1]! !== (EtherType.vlan & 0xff)) return -1;
  if (length < ETHERNET_BYTES + VLAN_TAG_BYTES) return -1;
  return (bytes[at + 2]! << 8) | bytes[at + 3]!;
}
