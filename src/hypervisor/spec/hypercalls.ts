/**
 * The hypercall interface: TLFS "Hypercall Interface", HV_STATUS, and the reference pages of the
 * calls that a child partition may make.
 */
import { bytes, openEnum, struct, u16, u32, u64, u8 } from '../../core/wire.ts';
import { Privileges } from './msrs.ts';
import type { Privilege } from './msrs.ts';

/** HV_STATUS, bits 15:0 of the result. */
export const HvStatus = openEnum(u16, {
  success: 0x0,
  invalidHypercallCode: 0x2,
  invalidHypercallInput: 0x3,
  invalidAlignment: 0x4,
  invalidParameter: 0x5,
  accessDenied: 0x6,
  operationDenied: 0x8,
  insufficientMemory: 0xb,
  invalidPartitionId: 0xd,
  invalidVpIndex: 0xe,
  invalidPortId: 0x11,
  invalidConnectionId: 0x12,
  insufficientBuffers: 0x13,
  invalidVpState: 0x15,
  invalidSynicState: 0x18,
});

/** Control word, low half: code in 15:0, fast bit, variable header in 26:17 (8-byte units). */
export const CONTROL_FAST = 0x1_0000;
export const CONTROL_VARIABLE_SHIFT = 17;
export const CONTROL_VARIABLE_MASK = 0x3ff;
/** Bits 31:27; bit 31 asks for the hypervisor below a nested one, which a child has not. */
export const CONTROL_LOW_RESERVED = 0xf800_0000;
/** High half: rep count in 43:32, rep start in 59:48. */
export const CONTROL_REP_MASK = 0xfff;
export const CONTROL_REP_START_SHIFT = 16;
export const CONTROL_HIGH_RESERVED = 0xf000_f000;

/** Two registers hold the input of a fast call; more needs XMM registers. */
export const FAST_INPUT_BYTES = 16;

export interface HypercallRow {
  readonly code: number;
  readonly name: string;
  /** Fixed input, bytes; a variable header and rep elements follow it. */
  readonly inputBytes: number;
  /** Output of a simple call, bytes. */
  readonly outputBytes: number;
  /** One rep element in and out; both 0 for a simple call. */
  readonly repInputBytes: number;
  readonly repOutputBytes: number;
  readonly isRep: boolean;
  readonly hasVariableHeader: boolean;
  readonly privilege: Privilege | undefined;
}

interface RowOptions {
  readonly output?: number;
  readonly rep?: readonly [input: number, output: number];
  readonly variable?: boolean;
  readonly privilege?: Privilege;
}

function row(
  code: number,
  name: string,
  inputBytes: number,
  options: RowOptions = {},
): HypercallRow {
  const { output = 0, rep, variable = false, privilege } = options;
  return {
    code,
    name,
    inputBytes,
    outputBytes: output,
    repInputBytes: rep?.[0] ?? 0,
    repOutputBytes: rep?.[1] ?? 0,
    isRep: rep !== undefined,
    hasVariableHeader: variable,
    privilege,
  };
}

export const HypercallCode = {
  FlushVirtualAddressSpace: 0x0002,
  FlushVirtualAddressList: 0x0003,
  NotifyLongSpinWait: 0x0008,
  SendSyntheticClusterIpi: 0x000b,
  FlushVirtualAddressSpaceEx: 0x0013,
  FlushVirtualAddressListEx: 0x0014,
  SendSyntheticClusterIpiEx: 0x0015,
  GetVpRegisters: 0x0050,
  SetVpRegisters: 0x0051,
  PostMessage: 0x005c,
  SignalEvent: 0x005d,
  StartVirtualProcessor: 0x0099,
  GetVpIndexFromApicId: 0x009a,
  ExtQueryCapabilities: 0x8001,
} as const;

/** HvCallPostMessage. */
export const PostMessageInput = struct('PostMessageInput', 256, {
  connectionId: u32,
  reserved: u32,
  messageType: u32,
  payloadBytes: u32,
  payload: bytes(240),
});

/** HvCallSignalEvent; the fast form has the same 8 bytes in its first register. */
export const SignalEventInput = struct('SignalEventInput', 8, {
  connectionId: u32,
  flagNumber: u16,
  reserved: u16,
});

/** HvCallSendSyntheticClusterIpi. */
export const ClusterIpiInput = struct('ClusterIpiInput', 16, {
  vector: u32,
  targetVtl: u8,
  flags: u8,
  reserved: u16,
  processorMask: u64,
});

/** HvCallSendSyntheticClusterIpiEx: banks of the VP set follow as the variable header. */
export const ClusterIpiExInput = struct('ClusterIpiExInput', 24, {
  vector: u32,
  targetVtl: u8,
  flags: u8,
  reserved: u16,
  setFormat: u64,
  validBanks: u64,
});

/** HvCallFlushVirtualAddressSpace and ...List (each element of the list is a u64). */
export const FlushInput = struct('FlushInput', 24, {
  addressSpace: u64,
  flags: u64,
  processorMask: u64,
});

/** HvCallFlushVirtualAddressSpaceEx and ...ListEx. */
export const FlushExInput = struct('FlushExInput', 32, {
  addressSpace: u64,
  flags: u64,
  setFormat: u64,
  validBanks: u64,
});

export const FLUSH_ALL_PROCESSORS = 1;

/** HV_GENERIC_SET_FORMAT. */
export const SET_FORMAT_SPARSE = 0;
export const SET_FORMAT_ALL = 1;

/** Header of HvCallGetVpRegisters and HvCallSetVpRegisters. */
export const VpRegistersInput = struct('VpRegistersInput', 16, {
  partitionId: u64,
  vpIndex: u32,
  targetVtl: u8,
  reserved0: u8,
  reserved1: u16,
});

/** HV_REGISTER_ASSOC, one element of HvCallSetVpRegisters. */
export const RegisterAssociation = struct('RegisterAssociation', 32, {
  name: u32,
  reserved0: u32,
  reserved1: u64,
  valueLow: u64,
  valueHigh: u64,
});

/** HvCallStartVirtualProcessor: an HV_INITIAL_VP_CONTEXT of 224 bytes follows the header. */
export const StartVpInput = struct('StartVpInput', 240, {
  partitionId: u64,
  vpIndex: u32,
  targetVtl: u8,
  reserved0: u8,
  reserved1: u16,
  context: bytes(224),
});

/** Header of HvCallGetVpIndexFromApicId; elements are u32 APIC ids, results u32 VP indices. */
export const VpIndexFromApicIdInput = struct('VpIndexFromApicIdInput', 16, {
  partitionId: u64,
  targetVtl: u8,
  reserved: bytes(7),
});

/** Both halves of HV_PARTITION_ID_SELF. */
export const PARTITION_ID_SELF_HALF = 0xffff_ffff;
export const VP_INDEX_SELF = 0xffff_fffe;

/** Calls that this host knows; every other code gets INVALID_HYPERCALL_CODE. */
export const hypercalls: readonly HypercallRow[] = [
  row(HypercallCode.FlushVirtualAddressSpace, 'FlushVirtualAddressSpace', FlushInput.size),
  row(HypercallCode.FlushVirtualAddressList, 'FlushVirtualAddressList', FlushInput.size, {
    rep: [8, 0],
  }),
  row(HypercallCode.NotifyLongSpinWait, 'NotifyLongSpinWait', 8),
  row(HypercallCode.SendSyntheticClusterIpi, 'SendSyntheticClusterIpi', ClusterIpiInput.size),
  row(HypercallCode.FlushVirtualAddressSpaceEx, 'FlushVirtualAddressSpaceEx', FlushExInput.size, {
    variable: true,
  }),
  row(HypercallCode.FlushVirtualAddressListEx, 'FlushVirtualAddressListEx', FlushExInput.size, {
    rep: [8, 0],
    variable: true,
  }),
  row(
    HypercallCode.SendSyntheticClusterIpiEx,
    'SendSyntheticClusterIpiEx',
    ClusterIpiExInput.size,
    {
      variable: true,
    },
  ),
  row(HypercallCode.GetVpRegisters, 'GetVpRegisters', VpRegistersInput.size, {
    rep: [4, 16],
    privilege: Privileges.accessVpRegisters,
  }),
  row(HypercallCode.SetVpRegisters, 'SetVpRegisters', VpRegistersInput.size, {
    rep: [RegisterAssociation.size, 0],
    privilege: Privileges.accessVpRegisters,
  }),
  row(HypercallCode.PostMessage, 'PostMessage', PostMessageInput.size, {
    privilege: Privileges.postMessages,
  }),
  row(HypercallCode.SignalEvent, 'SignalEvent', SignalEventInput.size, {
    privilege: Privileges.signalEvents,
  }),
  row(HypercallCode.StartVirtualProcessor, 'StartVirtualProcessor', StartVpInput.size, {
    privilege: Privileges.startVirtualProcessor,
  }),
  row(HypercallCode.GetVpIndexFromApicId, 'GetVpIndexFromApicId', VpIndexFromApicIdInput.size, {
    rep: [4, 4],
    privilege: Privileges.startVirtualProcessor,
  }),
  row(HypercallCode.ExtQueryCapabilities, 'ExtQueryCapabilities', 0, {
    output: 8,
    privilege: Privileges.extendedHypercalls,
  }),
];

/** HV_CONNECTION_ID: an id of 24 bits; the top byte is reserved. */
export const CONNECTION_ID_MASK = 0xff_ffff;

/** The page that a guest calls: VMCALL; RET. The rest is INT3, to catch a jump astray. */
export const hypercallPageCode: readonly number[] = [0x0f, 0x01, 0xc1, 0xc3];
export const HYPERCALL_PAGE_FILL = 0xcc;
