import type { GuestMemory } from '../../core/memory.ts';
import type { StateStream } from '../../core/state.ts';
import { traceType, type Trace } from '../../core/trace.ts';
import { u32 } from '../../core/wire.ts';
import type { OpenChannel } from '../../vmbus/device.ts';
import { VmbusVersion } from '../../vmbus/spec/versions.ts';
import { DEFAULT_MTU, MAX_MTU, type AdapterState } from './adapter-state.ts';
import { SharedBuffer } from './buffers.ts';
import { ReceiveSections, sectionBytesFor } from './receive.ts';
import {
  MAX_MDL_CHAIN,
  NO_VERSION,
  NVSP_MESSAGE_BYTES,
  NvspBuffer,
  NvspComplete,
  NvspInit,
  NvspInitComplete,
  NvspNdisConfig,
  NvspNdisVersion,
  NvspOidQueryExComplete,
  NvspPacketDirect,
  NvspReceiveBufferComplete,
  NvspRevoke,
  NvspSendBufferComplete,
  NvspStatus,
  NvspSubChannelComplete,
  NvspSubChannelRequest,
  NvspSwitchDataPath,
  NvspType,
  NvspVersion,
  SubChannelOperation,
} from './spec/nvsp.ts';
import { NdisStatus } from './spec/rndis.ts';

const { is: status } = NvspStatus;

const controlEvent = traceType('netvsc', 'control', {
  type: NvspType,
  operand: u32,
  status: NvspStatus,
});

/** Since which version a guest may send a message, and what is done with it. */
interface Row {
  readonly type: number;
  readonly since: number;
  readonly bytes: number;
  readonly handle: (protocol: NvspProtocol, message: DataView, channel: OpenChannel) => number;
}

/** Every control message from a guest. Handlers write the answer and return its status. */
export const NVSP_REQUESTS: readonly Row[] = [
  row(NvspType.is.init, 0, NvspInit.size, (it, message) => it.initialize(message)),
  row(NvspType.is.sendNdisVersion, NvspVersion.v1, NvspNdisVersion.size, (it, message) =>
    it.setNdisVersion(message),
  ),
  row(NvspType.is.sendNdisConfig, NvspVersion.v2, NvspNdisConfig.size, (it, message) =>
    it.setNdisConfig(message),
  ),
  row(NvspType.is.sendReceiveBuffer, NvspVersion.v1, NvspBuffer.size, (it, message, channel) =>
    it.takeReceiveBuffer(message, channel),
  ),
  row(NvspType.is.revokeReceiveBuffer, NvspVersion.v1, NvspRevoke.offset.reserved, (it, message) =>
    it.revokeReceiveBuffer(message),
  ),
  row(NvspType.is.sendSendBuffer, NvspVersion.v1, NvspBuffer.size, (it, message, channel) =>
    it.takeSendBuffer(message, channel),
  ),
  row(NvspType.is.revokeSendBuffer, NvspVersion.v1, NvspRevoke.offset.reserved, (it, message) =>
    it.revokeSendBuffer(message),
  ),
  row(NvspType.is.switchDataPath, NvspVersion.v4, NvspSwitchDataPath.size, (it, message) =>
    it.switchDataPath(message),
  ),
  row(NvspType.is.oidQueryEx, NvspVersion.v5, NvspComplete.size, (it) => it.refuseOidQuery()),
  row(NvspType.is.subChannel, NvspVersion.v5, NvspSubChannelRequest.size, (it, message, channel) =>
    it.allocateSubChannels(message, channel),
  ),
  row(NvspType.is.packetDirectApi, NvspVersion.v61, NvspComplete.size, (it, message) =>
    it.refusePacketDirect(message),
  ),
];

function row(type: number, since: number, bytes: number, handle: Row['handle']): Row {
  return { type, since, bytes, handle };
}

const BY_TYPE = new Map(NVSP_REQUESTS.map((it) => [it.type, it]));
const VERSIONS: readonly number[] = Object.values(NvspVersion);

/**
 * The NVSP conversation on the primary channel: INIT until a version is accepted, then NDIS
 * configuration and version and the buffers in any order, then RNDIS messages.
 */
export class NvspProtocol {
  /** The answer to the last `handle`: 40 bytes, zeros where a type has none. */
  readonly answer = new Uint8Array(NVSP_MESSAGE_BYTES);
  /** The accepted version, 0 before there is one. */
  version = 0;
  receive: ReceiveSections | undefined;
  send: SharedBuffer | undefined;
  /** Sub-channels that the guest was granted. */
  subChannels = 0;
  /** GPADLs that were buffers at any time of this opening. */
  readonly gpadls = new Set<number>();
  readonly #answerView = new DataView(this.answer.buffer);
  readonly #state: AdapterState;
  readonly #trace: Trace;
  #hasConfig = false;
  #hasNdisVersion = false;

  constructor(state: AdapterState, trace: Trace) {
    this.#state = state;
    this.#trace = trace;
  }

  /** Every opening of the primary channel starts over. */
  reset(): void {
    this.version = 0;
    this.receive = undefined;
    this.send = undefined;
    this.subChannels = 0;
    this.gpadls.clear();
    this.#hasConfig = false;
    this.#hasNdisVersion = false;
  }

  exchange(state: StateStream, memory: GuestMemory): void {
    this.version = state.number('version', this.version);
    const { receive } = this;
    const mtu = state.number('receiveMtu', receive?.mtu ?? 0);
    const buffer = SharedBuffer.exchange(state, memory, receive?.buffer);
    if (state.isRestoring) {
      this.receive = buffer && new ReceiveSections(memory, buffer, mtu);
    }
    state.part('sections', () => this.receive?.exchange(state));
    this.send = SharedBuffer.exchange(state, memory, this.send);
    this.subChannels = state.number('subChannels', this.subChannels);
    const gpadls = state.list('gpadls', [...this.gpadls], (id) => state.number('id', id ?? 0));
    this.gpadls.clear();
    for (const id of gpadls) this.gpadls.add(id);
    this.#hasConfig = state.flag('hasConfig', this.#hasConfig);
    this.#hasNdisVersion = state.flag('hasNdisVersion', this.#hasNdisVersion);
  }

  /** Whether RNDIS messages are taken. A guest may do without a send buffer, as UEFI's does. */
  get isReady(): boolean {
    return this.receive !== undefined && this.#hasNdisVersion && this.#isConfigured;
  }

  /** Below 3.2 there is no configuration message. */
  get #isConfigured(): boolean {
    return this.#hasConfig || (this.version > 0 && this.version < NvspVersion.v2);
  }

  /**
   * Handles a control message and leaves its answer in `answer`. What has no place at this version
   * or at this moment gets an empty answer, so that the guest does not wait for ever.
   * @param message a copy, as long as the guest's
   */
  handle(type: number, message: DataView, channel: OpenChannel): void {
    this.answer.fill(0);
    const request = BY_TYPE.get(type);
    const isKnown =
      request !== undefined &&
      message.byteLength >= request.bytes &&
      (request.since === 0 || (this.version > 0 && this.version >= request.since));
    const result = isKnown ? request.handle(this, message, channel) : status.failure;
    const operand = message.byteLength >= 8 ? message.getUint32(4, true) : 0;
    this.#trace.emit(controlEvent, type, operand, result);
  }

  initialize(message: DataView): number {
    if (this.version > 0) return status.failure;
    const { version } = NvspInit.cursor(message).at(0);
    const isAccepted = VERSIONS.includes(version) && version <= this.#state.profile.maxVersion;
    const answer = NvspInitComplete.cursor(this.#answerView).at(0);
    answer.type = NvspType.is.initComplete;
    answer.version = version === NvspVersion.v1 ? NvspVersion.v1 : NO_VERSION;
    answer.maxMdlChain = MAX_MDL_CHAIN;
    answer.status = isAccepted ? status.success : status.failure;
    if (isAccepted) this.version = version;
    return answer.status;
  }

  setNdisVersion(message: DataView): number {
    if (this.#hasNdisVersion) return status.failure;
    const { major, minor } = NvspNdisVersion.cursor(message).at(0);
    this.#state.ndisMajor = major;
    this.#state.ndisMinor = minor;
    this.#hasNdisVersion = true;
    return status.success;
  }

  setNdisConfig(message: DataView): number {
    if (this.#hasConfig) return status.failure;
    const config = NvspNdisConfig.cursor(message).at(0);
    // As vmswitch does: an MTU that cannot be is the default one.
    const isSound = config.mtu >= DEFAULT_MTU && config.mtu <= MAX_MTU;
    this.#state.mtu = isSound ? config.mtu : DEFAULT_MTU;
    this.#state.capabilities = config.capabilitiesLo;
    this.#hasConfig = true;
    return status.success;
  }

  takeReceiveBuffer(message: DataView, channel: OpenChannel): number {
    const { gpadlId, id } = NvspBuffer.cursor(message).at(0);
    const answer = NvspReceiveBufferComplete.cursor(this.#answerView).at(0);
    answer.type = NvspType.is.sendReceiveBufferComplete;
    answer.status = status.failure;
    if (this.receive !== undefined || !this.#isConfigured) return status.failure;
    const buffer = SharedBuffer.of(channel.memory, channel.gpadl(gpadlId), gpadlId, id);
    const sectionBytes = sectionBytesFor(this.#state.mtu);
    if (buffer === undefined || buffer.bytes < sectionBytes) return status.failure;
    const sections = new ReceiveSections(channel.memory, buffer, this.#state.mtu);
    this.receive = sections;
    this.gpadls.add(gpadlId);
    answer.status = status.success;
    answer.sectionCount = 1;
    answer.subAllocationBytes = sections.sectionBytes;
    answer.subAllocationCount = sections.count;
    answer.endOffset = sections.sectionBytes * sections.count;
    return status.success;
  }

  takeSendBuffer(message: DataView, channel: OpenChannel): number {
    const { gpadlId, id } = NvspBuffer.cursor(message).at(0);
    const answer = NvspSendBufferComplete.cursor(this.#answerView).at(0);
    answer.type = NvspType.is.sendSendBufferComplete;
    answer.status = status.failure;
    if (this.send !== undefined) return status.failure;
    const buffer = SharedBuffer.of(channel.memory, channel.gpadl(gpadlId), gpadlId, id);
    if (buffer === undefined || buffer.bytes < this.#state.profile.sendSectionBytes) {
      return status.failure;
    }
    this.send = buffer;
    this.gpadls.add(gpadlId);
    answer.status = status.success;
    answer.sectionBytes = this.#state.profile.sendSectionBytes;
    return status.success;
  }

  /** After it the host never touches the buffer again. */
  revokeReceiveBuffer(message: DataView): number {
    if (this.receive?.buffer.id !== message.getUint16(4, true)) return status.failure;
    this.receive = undefined;
    return status.success;
  }

  revokeSendBuffer(message: DataView): number {
    if (this.send?.id !== message.getUint16(4, true)) return status.failure;
    this.send = undefined;
    return status.success;
  }

  /** There is no virtual function here: frames stay on the synthetic path. */
  switchDataPath(message: DataView): number {
    const { dataPath } = NvspSwitchDataPath.cursor(message).at(0);
    const answer = NvspComplete.cursor(this.#answerView).at(0);
    answer.type = NvspType.is.switchDataPath;
    answer.status = dataPath === 0 ? status.success : status.failure;
    return answer.status;
  }

  refuseOidQuery(): number {
    const answer = NvspOidQueryExComplete.cursor(this.#answerView).at(0);
    answer.type = NvspType.is.oidQueryExComplete;
    answer.status = NdisStatus.is.notSupported;
    return status.failure;
  }

  allocateSubChannels(message: DataView, channel: OpenChannel): number {
    const { operation, count } = NvspSubChannelRequest.cursor(message).at(0);
    const answer = NvspSubChannelComplete.cursor(this.#answerView).at(0);
    answer.type = NvspType.is.subChannel;
    const isGranted =
      operation === SubChannelOperation.is.allocate &&
      this.isReady &&
      this.subChannels === 0 &&
      count <= this.#state.profile.maxSubChannels &&
      channel.vmbusVersion >= VmbusVersion.win8;
    answer.status = isGranted ? status.success : status.failure;
    answer.count = isGranted ? count : 0;
    if (isGranted) this.subChannels = count;
    return answer.status;
  }

  refusePacketDirect(message: DataView): number {
    const answer = NvspPacketDirect.cursor(this.#answerView).at(0);
    answer.type = NvspType.is.packetDirectApi;
    answer.operation = message.getUint32(4, true);
    answer.status = NdisStatus.is.notSupported;
    return status.failure;
  }
}
