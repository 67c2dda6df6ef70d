import { PAGE_BYTES } from '../core/memory.ts';
import type { GuestMemory } from '../core/memory.ts';
import { VMBUS_SINT } from './spec/ids.ts';
import {
  ConnectionState,
  InitiateContact,
  InitiateContact2,
  TargetInfo,
  VersionResponse,
  VersionResponse2,
  VersionResponse3,
} from './spec/messages.ts';
import { MessageType } from './spec/messages.ts';
import { FeatureFlag, VMBUS_VERSIONS, VmbusVersion } from './spec/versions.ts';
import { buildMessage } from './outbox.ts';

/** What guest and host agreed on. */
export interface ConnectionInfo {
  state: 'disconnected' | 'connected' | 'disconnecting';
  /** 0 unless connected. */
  version: number;
  features: number;
  /** Processor that takes messages; stays after a disconnect, for UnloadComplete. */
  messageVp: number;
  /** Linear position of the shared interrupt page, or -1. */
  interruptPage: number;
  /** Linear position of the guest's monitor page, or -1. */
  childToParentMonitorPage: number;
  offersSent: boolean;
  /** Zero GUID when the guest gave none. */
  clientId: string;
}

export const NO_CLIENT = '00000000-0000-0000-0000-000000000000';

export function newConnection(): ConnectionInfo {
  return {
    state: 'disconnected',
    version: 0,
    features: 0,
    messageVp: 0,
    interruptPage: -1,
    childToParentMonitorPage: -1,
    offersSent: false,
    clientId: NO_CLIENT,
  };
}

/** InitiateContact, read for the version that it asks for. */
export interface ContactRequest {
  readonly version: number;
  readonly messageVp: number;
  readonly sint: number;
  readonly vtl: number;
  readonly features: number;
  readonly interruptPageGpa: number;
  readonly parentToChildMonitorGpa: number;
  readonly childToParentMonitorGpa: number;
  readonly clientId: string;
}

/** @returns a text when the message cannot be understood; nobody is answered then */
export function readContact(
  view: DataView,
  length: number,
  isMultiClient: boolean,
): ContactRequest | string {
  const message = InitiateContact.cursor(view).at(0);
  const version = message.versionRequested;
  const at = InitiateContact.offset.interruptPageOrTargetInfo;
  const target = TargetInfo.cursor(view).at(at);
  const features = version >= VmbusVersion.copper ? target.featureFlags : 0;
  const hasClientId = (features & FeatureFlag.clientId) !== 0;
  if (hasClientId && length < InitiateContact2.size) return 'InitiateContact lacks its client id';
  return {
    version,
    messageVp: version >= VmbusVersion.win8_1 ? message.targetMessageVp : 0,
    sint: isMultiClient && version >= VmbusVersion.rs3_1 ? target.sint : VMBUS_SINT,
    vtl: isMultiClient && version >= VmbusVersion.rs4 ? target.vtl : 0,
    features,
    // From 2.4 on every channel has event flags of its own, and the page is not used.
    interruptPageGpa: version < VmbusVersion.win8 ? gpa(view, at) : 0,
    parentToChildMonitorGpa: gpa(view, InitiateContact.offset.parentToChildMonitorPageGpa),
    childToParentMonitorGpa: gpa(view, InitiateContact.offset.childToParentMonitorPageGpa),
    clientId: hasClientId ? InitiateContact2.cursor(view).at(0).clientId : NO_CLIENT,
  };
}

function gpa(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
}

export interface HostVersions {
  /** The newest version that this host speaks. */
  readonly maxVersion: number;
  readonly supportedFeatures: number;
}

export function isVersionSupported(version: number, host: HostVersions): boolean {
  return VMBUS_VERSIONS.includes(version) && version <= host.maxVersion;
}

/** @returns the linear position of a page, or -1 when it is not page-aligned RAM */
export function pagePosition(memory: GuestMemory, pageGpa: number): number {
  return pageGpa % PAGE_BYTES === 0 ? memory.resolve(pageGpa, PAGE_BYTES) : -1;
}

/**
 * @returns the position of the child-to-parent page; -1 for neither page; undefined when one is
 * missing or not RAM
 */
export function monitorPosition(
  memory: GuestMemory,
  parentToChildGpa: number,
  childToParentGpa: number,
): number | undefined {
  if (parentToChildGpa === 0 && childToParentGpa === 0) return -1;
  if (parentToChildGpa === 0 || childToParentGpa === 0) return undefined;
  if (pagePosition(memory, parentToChildGpa) < 0) return undefined;
  const position = pagePosition(memory, childToParentGpa);
  return position < 0 ? undefined : position;
}

/** Applies a request whose version is supported. @returns `ConnectionState` */
export function connect(
  info: ConnectionInfo,
  memory: GuestMemory,
  request: ContactRequest,
  features: number,
): number {
  const monitor = monitorPosition(
    memory,
    request.parentToChildMonitorGpa,
    request.childToParentMonitorGpa,
  );
  if (monitor === undefined) return ConnectionState.failedUnknownFailure;
  let interruptPage = -1;
  if (request.interruptPageGpa !== 0) {
    interruptPage = pagePosition(memory, request.interruptPageGpa);
    if (interruptPage < 0) return ConnectionState.failedUnknownFailure;
  }
  info.state = 'connected';
  info.version = request.version;
  info.features = features;
  info.messageVp = request.messageVp;
  info.interruptPage = interruptPage;
  info.childToParentMonitorPage = monitor;
  info.offersSent = false;
  info.clientId = request.clientId;
  return ConnectionState.successful;
}

/** Back to no version; the processor for messages stays. */
export function disconnect(info: ConnectionInfo): void {
  Object.assign(info, { ...newConnection(), messageVp: info.messageVp });
}

export interface MonitorPageAddresses {
  readonly parentToChildGpa: number;
  readonly childToParentGpa: number;
}

/** The answer that a guest waits for before it steps down or goes on. */
export interface ContactAnswer {
  /** 0: not supported. */
  readonly version: number;
  readonly state: number;
  readonly features: number;
  /** From 5.0 on, where the guest sends everything else. */
  readonly messageConnectionId: number;
  /** With server-specified monitor pages. */
  readonly monitorPages?: MonitorPageAddresses;
}

/** VersionResponse in the size that the version has: 16, 20 or 40 bytes. */
export function versionResponse(answer: ContactAnswer): Uint8Array {
  // Guests before 2.4 know no failed connection, only a version that is not supported.
  const isFailure = answer.state !== ConnectionState.successful;
  if (answer.version === 0 || (isFailure && answer.version < VmbusVersion.win8)) {
    return buildMessage(VersionResponse, MessageType.versionResponse);
  }
  const { version, features, monitorPages } = answer;
  const form =
    version < VmbusVersion.copper
      ? VersionResponse
      : monitorPages === undefined
        ? VersionResponse2
        : VersionResponse3;
  const bytes = new Uint8Array(form.size);
  const view = new DataView(bytes.buffer);
  const message = VersionResponse.cursor(view).at(0);
  message.messageType = MessageType.versionResponse;
  message.versionSupported = 1;
  message.connectionState = answer.state;
  message.selectedVersionOrConnectionId =
    version >= VmbusVersion.rs3_1 ? answer.messageConnectionId : version;
  if (version >= VmbusVersion.copper) VersionResponse2.cursor(view).supportedFeatures = features;
  if (form === VersionResponse3 && monitorPages !== undefined) {
    const pages = VersionResponse3.cursor(view);
    pages.parentToChildMonitorPageGpa = BigInt(monitorPages.parentToChildGpa);
    pages.childToParentMonitorPageGpa = BigInt(monitorPages.childToParentGpa);
  }
  return bytes;
}
