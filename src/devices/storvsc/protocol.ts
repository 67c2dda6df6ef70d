import type { StateStream } from '../../core/state.ts';
import type { StorvscProfile } from './profile.ts';
import {
  PACKET_BYTES_V1,
  PACKET_BYTES_V2,
  VstorOperation,
  VstorStatus,
  VstorVersion,
} from './spec.ts';

const Phase = { begin: 0, version: 1, properties: 2, end: 3, ready: 4 } as const;

/**
 * How far a guest has come on the primary channel: BEGIN, QUERY_VERSION until one is accepted,
 * QUERY_PROPERTIES, END; CREATE_SUB_CHANNELS once, before or after END. Anything else in between is
 * an invalid device state.
 */
export class VstorProtocol {
  readonly #profile: StorvscProfile;
  readonly #versions: readonly number[];
  readonly #canHaveSubChannels: boolean;
  #phase: number = Phase.begin;
  #version = 0;
  #subChannels = 0;

  /** @param canHaveSubChannels false for an IDE accelerator */
  constructor(profile: StorvscProfile, canHaveSubChannels: boolean) {
    this.#profile = profile;
    this.#canHaveSubChannels = canHaveSubChannels;
    this.#versions = Object.values(VstorVersion).filter((it) => it <= profile.maxVersion);
  }

  exchange(state: StateStream): void {
    this.#phase = state.number('phase', this.#phase);
    this.#version = state.number('version', this.#version);
    this.#subChannels = state.number('subChannels', this.#subChannels);
  }

  /** Every opening of the primary channel starts over. */
  reset(): void {
    this.#phase = Phase.begin;
    this.#version = 0;
    this.#subChannels = 0;
  }

  get isReady(): boolean {
    return this.#phase === Phase.ready;
  }

  /** The accepted version, 0 before there is one. */
  get version(): number {
    return this.#version;
  }

  /** Bytes of every packet that the host sends on this connection. */
  get packetBytes(): number {
    return this.#version >= VstorVersion.win8 ? PACKET_BYTES_V2 : PACKET_BYTES_V1;
  }

  /** What QUERY_PROPERTIES reports; 0 also means no multi-channel flag. */
  get maxSubChannels(): number {
    if (!this.#canHaveSubChannels || this.#version < VstorVersion.win8) return 0;
    return this.#profile.maxSubChannels;
  }

  /**
   * Takes one step of the initialisation.
   * @param operand the version asked for, or the number of sub-channels
   * @returns the NTSTATUS of the completion
   */
  step(operation: number, operand: number): number {
    const { is } = VstorOperation;
    switch (operation) {
      case is.beginInitialization:
        return this.#advance(Phase.begin, Phase.version);
      case is.queryProtocolVersion:
        if (this.#phase !== Phase.version) return VstorStatus.is.invalidDeviceState;
        if (!this.#versions.includes(operand)) return VstorStatus.is.revisionMismatch;
        this.#version = operand;
        return this.#advance(Phase.version, Phase.properties);
      case is.queryProperties:
        return this.#advance(Phase.properties, Phase.end);
      case is.endInitialization:
        return this.#advance(Phase.end, Phase.ready);
      case is.createSubChannels:
        return this.#createSubChannels(operand);
      default:
        return VstorStatus.is.invalidDeviceRequest;
    }
  }

  #advance(from: number, to: number): number {
    if (this.#phase !== from) return VstorStatus.is.invalidDeviceState;
    this.#phase = to;
    return VstorStatus.is.success;
  }

  #createSubChannels(count: number): number {
    if (this.#phase < Phase.end || this.#subChannels > 0) return VstorStatus.is.invalidDeviceState;
    if (count > this.maxSubChannels) return VstorStatus.is.invalidParameter;
    this.#subChannels = count;
    return VstorStatus.is.success;
  }
}
