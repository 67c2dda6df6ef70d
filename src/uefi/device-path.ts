import { readUtf16, utf16 } from '../core/text.ts';
import { readGuid } from '../core/wire.ts';
import {
  CdromNode,
  DevicePathHeader,
  EndSubType,
  HardDriveNode,
  HardwareSubType,
  MediaSubType,
  MessagingSubType,
  PartitionFormat,
  PathType,
  ScsiNode,
  SignatureType,
  VendorNode,
} from './spec/device-path.ts';
import { EfiGuid } from './spec/guids.ts';

/** One node of a device path; positions and sizes of media in logical blocks. */
export type PathNode =
  | { readonly kind: 'vmbus'; readonly interfaceId: string; readonly instanceId: string }
  | { readonly kind: 'scsi'; readonly target: number; readonly lun: number }
  | {
      readonly kind: 'partition';
      readonly table: 'gpt' | 'mbr';
      readonly number: number;
      readonly startLba: number;
      readonly sizeLba: number;
      /** GPT: the partition's GUID. MBR: the disk signature as 8 hexadecimal digits. */
      readonly signature: string;
    }
  | {
      readonly kind: 'cdrom';
      readonly bootEntry: number;
      readonly startLba: number;
      readonly sizeLba: number;
    }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'other'; readonly type: number; readonly subType: number };

const GUID_BYTES = 16;
const VMBUS_NODE_BYTES = VendorNode.size + 2 * GUID_BYTES;
const MAX_NODES = 64;

/**
 * Reads a device path up to its end node.
 * @returns its nodes, or what is wrong with it
 */
export function parseDevicePath(bytes: Uint8Array): PathNode[] | string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const header = DevicePathHeader.cursor(view);
  const nodes: PathNode[] = [];
  for (let at = 0; at + DevicePathHeader.size <= bytes.length;) {
    const { type, subType, bytes: length } = header.at(at);
    if (type === PathType.end && subType === EndSubType.entire) return nodes;
    if (length < DevicePathHeader.size || at + length > bytes.length) {
      return `the device path node at byte ${at} has ${length} bytes, ${bytes.length - at} are left`;
    }
    if (nodes.length === MAX_NODES) return `the device path has more than ${MAX_NODES} nodes`;
    nodes.push(readNode(view, at, type, subType, length));
    at += length;
  }
  return 'the device path has no end node';
}

function readNode(
  view: DataView,
  at: number,
  type: number,
  subType: number,
  length: number,
): PathNode {
  if (type === PathType.media && subType === MediaSubType.filePath) {
    return {
      kind: 'file',
      path: readUtf16(view, at + DevicePathHeader.size, length - DevicePathHeader.size),
    };
  }
  if (type === PathType.media && subType === MediaSubType.hardDrive) {
    if (length === HardDriveNode.size) return readHardDrive(view, at);
  } else if (type === PathType.media && subType === MediaSubType.cdrom) {
    if (length === CdromNode.size) {
      const node = CdromNode.cursor(view).at(at);
      return {
        kind: 'cdrom',
        bootEntry: node.bootEntry,
        startLba: Number(node.startLba),
        sizeLba: Number(node.sizeLba),
      };
    }
  } else if (type === PathType.messaging && subType === MessagingSubType.scsi) {
    if (length === ScsiNode.size) {
      const { target, lun } = ScsiNode.cursor(view).at(at);
      return { kind: 'scsi', target, lun };
    }
  } else if (type === PathType.hardware && subType === HardwareSubType.vendor) {
    const isVmbus =
      length === VMBUS_NODE_BYTES &&
      VendorNode.cursor(view).at(at).vendorGuid === EfiGuid.vmbusDevicePath;
    if (isVmbus) {
      const interfaceId = readGuid(view, at + VendorNode.size);
      return {
        kind: 'vmbus',
        interfaceId,
        instanceId: readGuid(view, at + VendorNode.size + GUID_BYTES),
      };
    }
  }
  return { kind: 'other', type, subType };
}

function readHardDrive(view: DataView, at: number): PathNode {
  const node = HardDriveNode.cursor(view).at(at);
  const isGpt = node.signatureType === SignatureType.guid;
  return {
    kind: 'partition',
    table: isGpt ? 'gpt' : 'mbr',
    number: node.partitionNumber,
    startLba: Number(node.startLba),
    sizeLba: Number(node.sizeLba),
    signature: isGpt ? node.signature : node.signature.slice(0, 8),
  };
}

/** Writes nodes and the end node. A node of kind `other` cannot be written and throws. */
export function encodeDevicePath(nodes: readonly PathNode[]): Uint8Array {
  const parts = nodes.map(encodeNode);
  parts.push(Uint8Array.of(PathType.end, EndSubType.entire, DevicePathHeader.size, 0));
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function newNode(
  type: number,
  subType: number,
  length: number,
): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  const header = DevicePathHeader.cursor(view).at(0);
  header.type = type;
  header.subType = subType;
  header.bytes = length;
  return { bytes, view };
}

function encodeNode(node: PathNode): Uint8Array {
  switch (node.kind) {
    case 'vmbus':
      return encodeVmbus(node.interfaceId, node.instanceId);
    case 'scsi': {
      const { bytes, view } = newNode(PathType.messaging, MessagingSubType.scsi, ScsiNode.size);
      const scsi = ScsiNode.cursor(view).at(0);
      scsi.target = node.target;
      scsi.lun = node.lun;
      return bytes;
    }
    case 'partition': {
      const { bytes, view } = newNode(PathType.media, MediaSubType.hardDrive, HardDriveNode.size);
      const drive = HardDriveNode.cursor(view).at(0);
      drive.partitionNumber = node.number;
      drive.startLba = BigInt(node.startLba);
      drive.sizeLba = BigInt(node.sizeLba);
      drive.signature =
        node.table === 'gpt' ? node.signature : `${node.signature}-0000-0000-0000-000000000000`;
      drive.format = node.table === 'gpt' ? PartitionFormat.gpt : PartitionFormat.mbr;
      drive.signatureType = node.table === 'gpt' ? SignatureType.guid : SignatureType.mbr;
      return bytes;
    }
    case 'cdrom': {
      const { bytes, view } = newNode(PathType.media, MediaSubType.cdrom, CdromNode.size);
      const cdrom = CdromNode.cursor(view).at(0);
      cdrom.bootEntry = node.bootEntry;
      cdrom.startLba = BigInt(node.startLba);
      cdrom.sizeLba = BigInt(node.sizeLba);
      return bytes;
    }
    case 'file': {
      const text = utf16(node.path);
      const length = DevicePathHeader.size + text.length;
      const { bytes } = newNode(PathType.media, MediaSubType.filePath, length);
      bytes.set(text, DevicePathHeader.size);
      return bytes;
    }
    case 'other':
    default:
      throw new Error(`no way to write device path node ${node.type}.${node.subType}`);
  }
}

function encodeVmbus(interfaceId: string, instanceId: string): Uint8Array {
  const { bytes, view } = newNode(PathType.hardware, HardwareSubType.vendor, VMBUS_NODE_BYTES);
  const vendor = VendorNode.cursor(view);
  vendor.at(0).vendorGuid = EfiGuid.vmbusDevicePath;
  vendor.at(GUID_BYTES).vendorGuid = interfaceId;
  vendor.at(2 * GUID_BYTES).vendorGuid = instanceId;
  return bytes;
}

/** A path in the text form of UEFI 2.10, section 10.6. */
export function devicePathText(nodes: readonly PathNode[]): string {
  return nodes.map(nodeText).join('/');
}

function nodeText(node: PathNode): string {
  const hex = (value: number): string => `0x${value.toString(16).toUpperCase()}`;
  switch (node.kind) {
    case 'vmbus':
      return `VMBus(${node.interfaceId},${node.instanceId})`;
    case 'scsi':
      return `Scsi(${hex(node.target)},${hex(node.lun)})`;
    case 'partition':
      return `HD(${node.number},${node.table.toUpperCase()},${node.signature},${hex(node.startLba)},${hex(node.sizeLba)})`;
    case 'cdrom':
      return `CDROM(${hex(node.bootEntry)},${hex(node.startLba)},${hex(node.sizeLba)})`;
    case 'file':
      return node.path;
    case 'other':
    default:
      return `Path(${node.type},${node.subType})`;
  }
}
