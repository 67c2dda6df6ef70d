/**
 * The synthetic mouse: HID over a message pipe (hyperv-host.md 2.8; OpenVMM
 * uidevices/mouse/protocol.rs, MIT; USB HID 1.11 for the descriptors).
 */
import { bytes, flags, openEnum, struct, u16, u32, u8 } from '../../core/wire.ts';

export const MOUSE_VERSION = 0x2_0000;

export const MouseMessage = openEnum(u32, {
  protocolRequest: 0,
  protocolResponse: 1,
  deviceInfo: 2,
  deviceInfoAck: 3,
  inputReport: 4,
});

export const MouseHeader = struct('MouseHeader', 8, {
  type: MouseMessage,
  /** Bytes after this header. */
  size: u32,
});

export const MouseProtocolRequest = struct('MouseProtocolRequest', 12, {
  type: MouseMessage,
  size: u32,
  version: u32,
});

/** Linux drops an answer that is longer than these 13 bytes. */
export const MouseProtocolResponse = struct('MouseProtocolResponse', 13, {
  type: MouseMessage,
  size: u32,
  version: u32,
  accepted: u8,
});

/** HID_DEVICE_ATTRIBUTES, then the HID descriptor (HID 1.11, 6.2.1), then the report descriptor. */
export const MouseDeviceInfo = struct(
  'MouseDeviceInfo',
  49,
  {
    type: MouseMessage,
    size: u32,
    attributesSize: u32,
    vendorId: u16,
    productId: u16,
    versionId: u16,
    reserved: bytes(22),
    descriptorLength: u8,
    descriptorType: u8,
    hidVersion: u16,
    countryCode: u8,
    descriptorCount: u8,
    reportDescriptorType: u8,
    reportDescriptorLength: u16,
  },
  { packed: true },
);

export const MouseDeviceInfoAck = struct('MouseDeviceInfoAck', 9, {
  type: MouseMessage,
  size: u32,
  acknowledged: u8,
});

export const MouseButton = { left: 1, right: 2, middle: 4, fourth: 8, fifth: 16 } as const;

export const MouseInputReport = struct(
  'MouseInputReport',
  15,
  {
    type: MouseMessage,
    size: u32,
    buttons: flags(u8, MouseButton),
    /** 0 to 32767 from the left edge of the screen to the right one, and from top to bottom. */
    x: u16,
    y: u16,
    /** Signed: notches of the wheel, up is positive. */
    wheel: u16,
  },
  { packed: true },
);

export const MOUSE_MAX_POSITION = 32_767;
export const MOUSE_VENDOR_ID = 0x045e;
export const MOUSE_PRODUCT_ID = 0x0621;
export const MOUSE_VERSION_ID = 1;
export const HID_DESCRIPTOR_TYPE = 0x21;
export const HID_DESCRIPTOR_BYTES = 9;
export const HID_VERSION = 0x0101;
export const REPORT_DESCRIPTOR_TYPE = 0x22;

/** Items of the report descriptor (HID 1.11, 6.2.2): prefix, then data. */
export const MOUSE_REPORT_DESCRIPTOR: readonly number[] = [
  [0x05, 0x01], // usage page: generic desktop
  [0x09, 0x02], // usage: mouse
  [0xa1, 0x01], // collection: application
  [0x09, 0x01], // usage: pointer
  [0xa1, 0x00], // collection: physical
  [0x05, 0x09], // usage page: buttons
  [0x19, 0x01], // usage minimum: button 1
  [0x29, 0x05], // usage maximum: button 5
  [0x15, 0x00], // logical minimum: 0
  [0x25, 0x01], // logical maximum: 1
  [0x95, 0x05], // report count: 5
  [0x75, 0x01], // report size: 1 bit
  [0x81, 0x02], // input: data, variable, absolute
  [0x95, 0x01], // report count: 1
  [0x75, 0x03], // report size: 3 bits
  [0x81, 0x01], // input: constant
  [0x05, 0x01], // usage page: generic desktop
  [0x09, 0x30], // usage: X
  [0x09, 0x31], // usage: Y
  [0x15, 0x00], // logical minimum: 0
  [0x26, 0xff, 0x7f], // logical maximum: 32767
  [0x75, 0x10], // report size: 16 bits
  [0x95, 0x02], // report count: 2
  [0x81, 0x02], // input: data, variable, absolute
  [0x05, 0x01], // usage page: generic desktop
  [0x09, 0x38], // usage: wheel
  [0x16, 0x01, 0x80], // logical minimum: -32767
  [0x26, 0xff, 0x7f], // logical maximum: 32767
  [0x75, 0x10], // report size: 16 bits
  [0x95, 0x01], // report count: 1
  [0x81, 0x06], // input: data, variable, relative
  [0xc0], // end collection
  [0xc0], // end collection
].flat();
