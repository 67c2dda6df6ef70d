import type { Cursor, Field, Struct } from '../../core/wire.ts';

/**
 * Bytes of a message: zeroed, filled through a cursor.
 * @param bytes at the least the structure's; more for what follows it
 */
export function buildBytes<F extends Record<string, Field>>(
  struct: Struct<F>,
  fill: (message: Cursor<F>, view: DataView) => void,
  bytes = struct.size,
): Uint8Array {
  const message = new Uint8Array(bytes);
  const view = new DataView(message.buffer);
  fill(struct.cursor(view), view);
  return message;
}
