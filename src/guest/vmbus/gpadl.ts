/** The messages that share a range of guest memory with the host. */
import { GPADL_BODY_PFNS, GPADL_HEADER_PFNS, GpaRange } from '../../vmbus/spec/gpadl.ts';
import * as wire from '../../vmbus/spec/messages.ts';
import { MessageType } from '../../vmbus/spec/messages.ts';
import type { PageRange } from './api.ts';

/** The first message: the range and as many pages as it has room for. */
export function gpadlHeader(
  channelId: number,
  id: number,
  range: PageRange,
  count: number,
): Uint8Array {
  const inline = Math.min(count, GPADL_HEADER_PFNS);
  const bytes = new Uint8Array(wire.GpadlHeader.size + GpaRange.size + inline * 8);
  const view = new DataView(bytes.buffer);
  const header = wire.GpadlHeader.cursor(view);
  header.messageType = MessageType.gpadlHeader;
  header.channelId = channelId;
  header.gpadlId = id;
  header.rangeBytes = GpaRange.size + count * 8;
  header.rangeCount = 1;
  const head = GpaRange.cursor(view).at(wire.GpadlHeader.size);
  head.byteCount = range.length;
  head.byteOffset = range.offset;
  writePfns(view, wire.GpadlHeader.size + GpaRange.size, range.pfns, 0, inline);
  return bytes;
}

/** One of the messages that carry the pages that were left. */
export function gpadlBody(
  id: number,
  number: number,
  pfns: ArrayLike<number>,
  from: number,
  count: number,
): Uint8Array {
  const here = Math.min(count - from, GPADL_BODY_PFNS);
  const bytes = new Uint8Array(wire.GpadlBody.size + here * 8);
  const view = new DataView(bytes.buffer);
  const body = wire.GpadlBody.cursor(view);
  body.messageType = MessageType.gpadlBody;
  body.messageNumber = number;
  body.gpadlId = id;
  writePfns(view, wire.GpadlBody.size, pfns, from, here);
  return bytes;
}

function writePfns(
  view: DataView,
  at: number,
  pfns: ArrayLike<number>,
  from: number,
  count: number,
): void {
  for (let index = 0; index < count; index += 1) {
    const pfn = pfns[from + index] ?? 0;
    view.setUint32(at + index * 8, pfn >>> 0, true);
    view.setUint32(at + index * 8 + 4, Math.floor(pfn / 0x1_0000_0000), true);
  }
}
