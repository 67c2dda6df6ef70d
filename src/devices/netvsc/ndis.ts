import { NdisObject } from './spec/rndis.ts';

/** Checks the header that NDIS structures begin with, in what a guest sent. */
export function isNdisObject(
  bytes: Uint8Array,
  type: number,
  minRevision: number,
  minBytes: number,
): boolean {
  if (bytes.length < NdisObject.size || bytes.length < minBytes) return false;
  const header = NdisObject.cursor(new DataView(bytes.buffer, bytes.byteOffset)).at(0);
  return (
    header.type === type &&
    header.revision >= minRevision &&
    header.size >= minBytes &&
    header.size <= bytes.length
  );
}
