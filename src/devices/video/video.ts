import type { ChannelLookup } from '../../vmbus/device.ts';
import type { StateStream } from '../../core/state.ts';
import type { GuestMemory } from '../../core/memory.ts';
import { traceType } from '../../core/trace.ts';
import { type Cursor, type Field, type Struct, u32, u64, u8 } from '../../core/wire.ts';
import type { Display, PixelBits } from '../../fb/display.ts';
import { DeviceClass, DeviceInstance } from '../../vmbus/spec/guids.ts';
import { buildBytes } from '../pipe/build.ts';
import {
  Malformed,
  MessageDevice,
  type GuestMessage,
  type MessageDeviceOptions,
} from '../pipe/message-device.ts';
import { buildEdid } from './edid.ts';
import { PointerAssembly } from './pointer.ts';
import {
  BiosInfoResponse,
  CapabilityResponse,
  DEFAULT_RESOLUTION,
  Dirt,
  DirtRectangle,
  FeatureChange,
  FeatureChangeV2,
  MAX_HEIGHT,
  MAX_RESOLUTIONS,
  MAX_WIDTH,
  OLD_MAX_HEIGHT,
  OLD_MAX_WIDTH,
  PointerPosition,
  PointerShapeHeader,
  ResolutionsRequest,
  ResolutionsResponse,
  SituationUpdate,
  STANDARD_RESOLUTIONS,
  VideoAccepted,
  VideoAck,
  VideoHeader,
  VideoMessage,
  VideoResolution,
  VideoVersion,
  VideoVersionRequest,
  VideoVersionResponse,
  VramLocation,
} from './spec.ts';

const MIB = 1024 * 1024;
const BITS_32_BYTES = 4;
/** Enough for 1920 by 1080, and what Hyper-V gives a new machine. */
export const DEFAULT_VIDEO_MEGABYTES = 8;

const versionEvent = traceType('video', 'version', {
  channel: u32,
  version: u32,
  accepted: VideoAccepted,
});
const vramEvent = traceType('video', 'vram', { channel: u32, gpa: u64, isBacked: u8 });
const situationEvent = traceType('video', 'situation', {
  channel: u32,
  isActive: u8,
  width: u32,
  height: u32,
  pitchBytes: u32,
  offset: u32,
});
const pointerEvent = traceType('video', 'pointerShape', { channel: u32, width: u32, height: u32 });

export interface VideoOptions extends MessageDeviceOptions {
  readonly memory: GuestMemory;
  /** What the guest draws, for whoever shows it. Before the guest speaks it is the firmware's. */
  readonly display: Display;
  /** Generation 2 machines say that a stopped device is fine with them. */
  readonly generation: 1 | 2;
  /** Video memory; the guest takes that much of its MMIO space. */
  readonly mmioMegabytes?: number;
  /** Protocol versions that this host has. */
  readonly versions?: readonly number[];
  /** The largest picture that is proposed; default: all that the memory holds. */
  readonly maxWidth?: number;
  readonly maxHeight?: number;
  /** The picture that is proposed first. */
  readonly preferred?: { readonly width: number; readonly height: number };
}

/** The video VSP: the guest says where its picture is and how it lies there, and what it changes. */
export class SyntheticVideo extends MessageDevice {
  readonly display: Display;
  readonly #memory: GuestMemory;
  readonly #generation: 1 | 2;
  readonly #vramBytes: number;
  readonly #versions: readonly number[];
  readonly #maxWidth: number;
  readonly #maxHeight: number;
  readonly #preferred: { readonly width: number; readonly height: number };
  readonly #pointer = new PointerAssembly();
  #version = 0;
  #isFeatureChangeSent = false;

  constructor(options: VideoOptions) {
    const mmioMegabytes = options.mmioMegabytes ?? DEFAULT_VIDEO_MEGABYTES;
    super(
      {
        name: 'video',
        interfaceId: DeviceClass.video,
        instanceId: DeviceInstance.video,
        framing: 'pipe',
        mmioMegabytes,
      },
      options,
    );
    this.display = options.display;
    this.#memory = options.memory;
    this.#generation = options.generation;
    this.#vramBytes = mmioMegabytes * MIB;
    this.#versions = options.versions ?? Object.values(VideoVersion);
    this.#maxWidth = options.maxWidth ?? MAX_WIDTH;
    this.#maxHeight = options.maxHeight ?? MAX_HEIGHT;
    this.#preferred = options.preferred ?? DEFAULT_RESOLUTION;
  }

  override exchange(state: StateStream, channelAt: ChannelLookup): void {
    super.exchange(state, channelAt);
    this.#version = state.number('version', this.#version);
    this.#isFeatureChangeSent = state.flag('isFeatureChangeSent', this.#isFeatureChangeSent);
    state.part('pointer', () => this.#pointer.exchange(state));
    state.part('display', () => this.display.exchange(state));
  }

  /** The agreed version, minor << 16 | major; 0 before there is one. */
  get version(): number {
    return this.#version;
  }

  protected override opened(): void {
    this.#restart();
  }

  /** The picture stays as it is, but nobody tells any more what changes. */
  protected override closed(): void {
    this.#restart();
  }

  #restart(): void {
    this.#version = 0;
    this.#isFeatureChangeSent = false;
    this.#pointer.reset();
    this.display.isTracked = false;
  }

  protected override received(message: GuestMessage): void {
    if (message.length < VideoHeader.size) {
      this.refuse(Malformed.shortMessage, message.length);
      return;
    }
    const { type } = VideoHeader.cursor(message.view).at(message.start);
    if (type === VideoMessage.is.versionRequest) {
      const request = this.#body(VideoVersionRequest, message);
      if (request !== undefined) this.#negotiate(request.version);
    } else if (this.#version === 0) {
      this.refuse(Malformed.unexpected, type);
    } else {
      this.#handle(type, message);
    }
  }

  #handle(type: number, message: GuestMessage): void {
    const { is } = VideoMessage;
    const minor = this.#version >>> 16;
    if (type === is.vramLocation) this.#setVram(message);
    else if (type === is.situationUpdate) this.#setSituation(message);
    else if (type === is.pointerPosition) this.#setPointerPosition(message);
    else if (type === is.pointerShape) this.#setPointerShape(message);
    else if (type === is.dirt) this.#takeDirt(message);
    else if (type === is.biosInfoRequest && minor >= 3) this.#sendBiosInfo();
    else if (type === is.resolutionsRequest && minor >= 2) this.#sendResolutions(message);
    else if (type === is.capabilityRequest && minor >= 5) {
      this.#reply(is.capabilityResponse, CapabilityResponse, () => undefined);
    } else this.refuse(Malformed.unknownMessage, type);
  }

  /** The payload behind the header, or undefined, with a trace event, when it is too short. */
  #body<F extends Record<string, Field>>(
    struct: Struct<F>,
    { view, start, length }: GuestMessage,
  ): Cursor<F> | undefined {
    if (length >= VideoHeader.size + struct.size) {
      return struct.cursor(view).at(start + VideoHeader.size);
    }
    this.refuse(Malformed.shortMessage, length);
    return undefined;
  }

  #reply<F extends Record<string, Field>>(
    type: number,
    struct: Struct<F>,
    fill: (body: Cursor<F>) => void,
    extra: Uint8Array = new Uint8Array(0),
  ): void {
    const size = struct.size + extra.length;
    const message = buildBytes(
      VideoHeader,
      (header) => {
        header.type = type;
        header.size = size;
      },
      VideoHeader.size + size,
    );
    fill(struct.cursor(new DataView(message.buffer)).at(VideoHeader.size));
    message.set(extra, VideoHeader.size + struct.size);
    this.send(message);
  }

  #negotiate(version: number): void {
    const isAccepted = this.#versions.includes(version);
    this.#restart();
    if (isAccepted) this.#version = version;
    const { acceptedWithExchange, refused } = VideoAccepted.is;
    const accepted = isAccepted ? acceptedWithExchange : refused;
    this.trace.emit(versionEvent, this.channelId, version, accepted);
    this.#reply(VideoMessage.is.versionResponse, VideoVersionResponse, (response) => {
      response.version = version;
      response.accepted = accepted;
      response.maxOutputs = 1;
    });
  }

  /** A place that is no memory is acknowledged too, as OpenVMM does; the screen stays black. */
  #setVram(message: GuestMessage): void {
    const location = this.#body(VramLocation, message);
    if (location === undefined) return;
    const { contextLo, contextHi, isGpaSpecified, gpaLo, gpaHi } = location;
    const gpa = isGpaSpecified === 0 ? -1 : gpaHi * 0x1_0000_0000 + gpaLo;
    const isBacked = gpa >= 0 && this.#memory.resolve(gpa, this.#vramBytes) >= 0;
    this.display.setVram(gpa, this.#vramBytes);
    this.trace.emit(vramEvent, this.channelId, Math.max(gpa, 0), Number(isBacked));
    this.#acknowledge(VideoMessage.is.vramLocationAck, contextLo, contextHi);
  }

  #acknowledge(type: number, contextLo: number, contextHi: number): void {
    this.#reply(type, VideoAck, (ack) => {
      ack.contextLo = contextLo;
      ack.contextHi = contextHi;
    });
  }

  #setSituation(message: GuestMessage): void {
    const situation = this.#body(SituationUpdate, message);
    if (situation === undefined) return;
    const { contextLo, contextHi, outputCount, isActive, depthBits } = situation;
    const { width, height, pitchBytes, vramOffset: offset } = situation;
    this.trace.emit(situationEvent, this.channelId, isActive, width, height, pitchBytes, offset);
    if (outputCount === 0 || isActive === 0) {
      this.display.setMode(undefined);
    } else if (this.#isPossible(width, height, depthBits, pitchBytes, offset)) {
      const bitsPerPixel = depthBits as PixelBits;
      this.display.setMode({ width, height, bitsPerPixel, pitchBytes, offset });
    } else {
      this.refuse(Malformed.badValue, width * 0x1_0000 + (height & 0xffff));
    }
    this.#acknowledge(VideoMessage.is.situationUpdateAck, contextLo, contextHi);
    this.#sendFeatureChange();
  }

  #isPossible(
    width: number,
    height: number,
    depthBits: number,
    pitchBytes: number,
    offset: number,
  ): boolean {
    const isHigh = this.#version !== VideoVersion.win7;
    const mostPixels = isHigh ? [MAX_WIDTH, MAX_HEIGHT] : [OLD_MAX_WIDTH, OLD_MAX_HEIGHT];
    if (depthBits !== 32 && depthBits !== 24 && depthBits !== 16) return false;
    if (width === 0 || height === 0) return false;
    if (width > mostPixels[0]! || height > mostPixels[1]!) return false;
    const rowBytes = width * (depthBits / 8);
    return (
      pitchBytes >= rowBytes && offset + pitchBytes * (height - 1) + rowBytes <= this.#vramBytes
    );
  }

  /**
   * Asks for everything, once after each negotiation: Linux starts without reports of changes, and
   * answers by sending its situation again.
   */
  #sendFeatureChange(): void {
    if (this.#isFeatureChangeSent) return;
    this.#isFeatureChangeSent = true;
    const type = VideoMessage.is.featureChange;
    const fill = (change: {
      isDirtNeeded: number;
      isPointerPositionNeeded: number;
      isPointerShapeNeeded: number;
      isSituationNeeded: number;
    }): void => {
      change.isDirtNeeded = 1;
      change.isPointerPositionNeeded = 1;
      change.isPointerShapeNeeded = 1;
      change.isSituationNeeded = 1;
    };
    if (this.#version >>> 16 < 4) {
      this.#reply(type, FeatureChange, fill);
      return;
    }
    this.#reply(type, FeatureChangeV2, (change) => {
      fill(change);
      change.edid = this.#edid();
    });
  }

  #setPointerPosition(message: GuestMessage): void {
    const position = this.#body(PointerPosition, message);
    if (position === undefined) return;
    this.display.isPointerVisible = position.isVisible !== 0;
    this.display.pointerX = position.x | 0;
    this.display.pointerY = position.y | 0;
  }

  #setPointerShape(message: GuestMessage): void {
    if (this.#body(PointerShapeHeader, message) === undefined) return;
    const start = message.start + VideoHeader.size;
    const length = message.length - VideoHeader.size;
    const shape = this.#pointer.take(message.bytes, message.view, start, length);
    if (shape === 'more') return;
    if (shape === 'bad') {
      this.refuse(Malformed.badValue, length);
      return;
    }
    this.display.pointer = shape;
    this.trace.emit(pointerEvent, this.channelId, shape.width, shape.height);
  }

  #takeDirt(message: GuestMessage): void {
    const dirt = this.#body(Dirt, message);
    if (dirt === undefined) return;
    const { output, count } = dirt;
    const first = VideoHeader.size + Dirt.size;
    if (output !== 0 || message.length < first + count * DirtRectangle.size) {
      this.refuse(Malformed.badValue, count);
      return;
    }
    const { view, start } = message;
    const { display } = this;
    // From the first report on the guest has promised to report everything.
    if (!display.isTracked && display.mode !== undefined) {
      display.isTracked = true;
      display.touch(0, 0, display.mode.width, display.mode.height);
    }
    for (let index = 0; index < count; index += 1) {
      const at = start + first + index * DirtRectangle.size;
      display.touch(
        view.getInt32(at, true),
        view.getInt32(at + 4, true),
        view.getInt32(at + 8, true),
        view.getInt32(at + 12, true),
      );
    }
  }

  #sendBiosInfo(): void {
    this.#reply(VideoMessage.is.biosInfoResponse, BiosInfoResponse, (info) => {
      info.stopDeviceSupported = this.#generation - 1;
    });
  }

  #sendResolutions(message: GuestMessage): void {
    const request = this.#body(ResolutionsRequest, message);
    if (request === undefined) return;
    const all = this.#resolutions();
    const most = Math.min(request.maxCount, MAX_RESOLUTIONS);
    // The largest ones are dropped last: guests take the most they are offered as their limit.
    const list = all.slice(Math.max(all.length - most, 0));
    const { width, height } = this.#preferred;
    const preferred = list.findIndex(([x, y]) => x === width && y === height);
    const table = new Uint8Array(list.length * VideoResolution.size);
    const entry = VideoResolution.cursor(new DataView(table.buffer));
    for (const [index, [x, y]] of list.entries()) {
      entry.at(index * VideoResolution.size);
      entry.width = x;
      entry.height = y;
    }
    this.#reply(
      VideoMessage.is.resolutionsResponse,
      ResolutionsResponse,
      (response) => {
        response.edid = this.#edid();
        response.count = list.length;
        response.defaultIndex = Math.max(preferred, 0);
      },
      table,
    );
  }

  /** Those that fit the limits and, at 32 bits a pixel, the video memory; at the least one. */
  #resolutions(): readonly (readonly [number, number])[] {
    const fitting = STANDARD_RESOLUTIONS.filter(([width, height]) => {
      const isWithin = width <= this.#maxWidth && height <= this.#maxHeight;
      return isWithin && width * height * BITS_32_BYTES <= this.#vramBytes;
    });
    return fitting.length > 0 ? fitting : STANDARD_RESOLUTIONS.slice(0, 1);
  }

  #edid(): Uint8Array {
    return buildEdid(this.#preferred.width, this.#preferred.height);
  }
}
