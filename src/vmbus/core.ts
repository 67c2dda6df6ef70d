import type { GuestMemory } from '../core/memory.ts';
import type { Trace } from '../core/trace.ts';
import type { Cursor, Field, Struct } from '../core/wire.ts';
import type { ConnectionInfo } from './connection.ts';
import type { DeviceWork } from './host.ts';
import type { ChannelSlot, ReplyTarget } from './slots.ts';

/** What the parts of the bus (channels, GPADLs) share. server.ts implements it. */
export interface BusCore {
  readonly memory: GuestMemory;
  readonly trace: Trace;
  readonly connection: ConnectionInfo;
  /** Processors of the partition; Infinity when the bus was not told. */
  readonly processorCount: number;

  /**
   * Sends a message, unless the connection's version has none of that type.
   * @param target of a reserved channel's reply; without it, the processor of InitiateContact
   */
  send<F extends Record<string, Field>>(
    type: number,
    struct: Struct<F>,
    fill?: (message: Cursor<F>) => void,
    target?: ReplyTarget,
  ): void;

  /** Does device work now, or when the host says. A reset cancels what is still to come. */
  perform(work: DeviceWork, slot: ChannelSlot, run: () => void): void;

  /** To be called when a GPADL or a channel was released: a disconnect may wait for it. */
  checkDisconnected(): void;
}
