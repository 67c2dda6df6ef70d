/**
 * Synthetic video over a message pipe (hyperv-host.md 2.9; OpenVMM uidevices/video/protocol.rs, MIT).
 * Nothing is aligned. A version is minor << 16 | major.
 */
import { bytes, openEnum, struct, u16, u32, u64, u8 } from '../../core/wire.ts';

const packed = { packed: true } as const;

export const VideoVersion = {
  win7: 0x0000_0003,
  /** Resolutions above 1600 by 1200, and a second negotiation. */
  win8: 0x0002_0003,
  threshold2: 0x0005_0003,
} as const;

export const VideoMessage = openEnum(u32, {
  versionRequest: 1,
  versionResponse: 2,
  vramLocation: 3,
  vramLocationAck: 4,
  situationUpdate: 5,
  situationUpdateAck: 6,
  pointerPosition: 7,
  pointerShape: 8,
  featureChange: 9,
  dirt: 10,
  biosInfoRequest: 11,
  biosInfoResponse: 12,
  resolutionsRequest: 13,
  resolutionsResponse: 14,
  capabilityRequest: 15,
  capabilityResponse: 16,
});

/** `size` counts the payload for hosts and, in Linux' requests, this header too: nobody reads it. */
export const VideoHeader = struct('VideoHeader', 8, { type: VideoMessage, size: u32 });

export const VideoVersionRequest = struct('VideoVersionRequest', 4, { version: u32 });

export const VideoAccepted = openEnum(u8, { refused: 0, accepted: 1, acceptedWithExchange: 2 });

export const VideoVersionResponse = struct(
  'VideoVersionResponse',
  6,
  { version: u32, accepted: VideoAccepted, maxOutputs: u8 },
  packed,
);

export const VramLocation = struct(
  'VramLocation',
  17,
  { context: u64, isGpaSpecified: u8, gpa: u64 },
  packed,
);

/** Acknowledges a location and a situation. */
export const VideoAck = struct('VideoAck', 8, { context: u64 });

export const SituationUpdate = struct(
  'SituationUpdate',
  27,
  {
    context: u64,
    outputCount: u8,
    isActive: u8,
    vramOffset: u32,
    depthBits: u8,
    width: u32,
    height: u32,
    pitchBytes: u32,
  },
  packed,
);

/** Coordinates are signed. */
export const PointerPosition = struct(
  'PointerPosition',
  10,
  { isVisible: u8, output: u8, x: u32, y: u32 },
  packed,
);

/** Followed by pixels: ARGB, or an AND and an XOR mask whose rows are whole bytes. */
export const PointerShapeHeader = struct(
  'PointerShapeHeader',
  18,
  { part: u8, isColor: u8, width: u32, height: u32, hotX: u32, hotY: u32 },
  packed,
);

export const LAST_POINTER_PART = 0xff;
export const MAX_POINTER_PIXELS = 96;
export const MAX_POINTER_PART_BYTES = 8192;

export const FeatureChange = struct('FeatureChange', 4, {
  isDirtNeeded: u8,
  isPointerPositionNeeded: u8,
  isPointerShapeNeeded: u8,
  isSituationNeeded: u8,
});

export const EDID_BYTES = 128;

/** Since 3.4. */
export const FeatureChangeV2 = struct('FeatureChangeV2', 132, {
  isDirtNeeded: u8,
  isPointerPositionNeeded: u8,
  isPointerShapeNeeded: u8,
  isSituationNeeded: u8,
  edid: bytes(EDID_BYTES),
});

/** Followed by `count` rectangles. */
export const Dirt = struct('Dirt', 2, { output: u8, count: u8 });

/** Signed; right and bottom are excluded. */
export const DirtRectangle = struct('DirtRectangle', 16, {
  left: u32,
  top: u32,
  right: u32,
  bottom: u32,
});

/** `stopDeviceSupported` began as the generation of the machine, counted from 0. */
export const BiosInfoResponse = struct('BiosInfoResponse', 16, {
  stopDeviceSupported: u32,
  reserved: bytes(12),
});

export const ResolutionsRequest = struct('ResolutionsRequest', 1, { maxCount: u8 });

/** Followed by `count` times width and height. */
export const ResolutionsResponse = struct('ResolutionsResponse', 131, {
  edid: bytes(EDID_BYTES),
  count: u8,
  defaultIndex: u8,
  isStandard: u8,
});

export const VideoResolution = struct('VideoResolution', 4, { width: u16, height: u16 });

export const MAX_RESOLUTIONS = 64;

export const CapabilityResponse = struct('CapabilityResponse', 64, {
  lockOnDisconnect: u32,
  reserved: bytes(60),
});

/** Versions below 3.2 stop at this. */
export const OLD_MAX_WIDTH = 1600;
export const OLD_MAX_HEIGHT = 1200;
export const MAX_WIDTH = 7680;
export const MAX_HEIGHT = 4320;

/** Widths and heights that a host proposes, smallest first (VESA DMT 1.13 and CTA-861). */
export const STANDARD_RESOLUTIONS: readonly (readonly [width: number, height: number])[] = [
  [640, 480],
  [800, 600],
  [1024, 768],
  [1152, 864],
  [1280, 720],
  [1280, 768],
  [1280, 800],
  [1280, 960],
  [1280, 1024],
  [1360, 768],
  [1366, 768],
  [1400, 1050],
  [1440, 900],
  [1600, 900],
  [1600, 1200],
  [1680, 1050],
  [1920, 1080],
  [1920, 1200],
  [2048, 1152],
  [2048, 1536],
  [2560, 1440],
  [2560, 1600],
  [2880, 1800],
  [3200, 1800],
  [3440, 1440],
  [3840, 2160],
  [4096, 2160],
  [5120, 2880],
  [7680, 4320],
];
export const DEFAULT_RESOLUTION = { width: 1024, height: 768 } as const;
