/** Framing inside the packets of a named-pipe channel (hyperv-host.md 2.3 "Pipe framing"). */
import { openEnum, struct, u32 } from '../../core/wire.ts';

export const PipePacketType = {
  data: 1,
  /** The high 16 bits of `length` say how many bytes were consumed before. */
  partial: 2,
  setUpGpaDirect: 3,
  tearDownGpaDirect: 4,
} as const;

/** Stands before the payload. A data packet of length 0 is the end of the stream. */
export const PipeHeader = struct('PipeHeader', 8, {
  type: openEnum(u32, PipePacketType),
  length: u32,
});

/** Bytes of payload in one message of a message pipe. */
export const MAX_PIPE_MESSAGE_BYTES = 16_384;
/** Bytes of payload in one packet of a byte pipe. */
export const MAX_PIPE_CHUNK_BYTES = 2048;
