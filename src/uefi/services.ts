import type { Arena } from './arena.ts';
import type { PointerTable } from './spec/tables.ts';
import { FIRMWARE_CALL_PORT, SERVICE_STUB_BYTES } from './spec/tables.ts';

/**
 * Writes one stub for each service, in order.
 * @param firstService number that the first stub puts in EAX
 * @returns the GPA of each stub
 */
export function writeServiceStubs(
  code: Arena,
  firstService: number,
  count: number,
): readonly number[] {
  const first = code.reserve(count * SERVICE_STUB_BYTES);
  const bytes = code.at(first, count * SERVICE_STUB_BYTES);
  const stubs: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = index * SERVICE_STUB_BYTES;
    const service = firstService + index;
    // MOV EAX, imm32; OUT imm8, EAX; RET
    bytes.set([0xb8, service & 0xff, service >> 8, 0, 0, 0xe7, FIRMWARE_CALL_PORT, 0xc3], at);
    stubs.push(first + at);
  }
  return stubs;
}

/** Points the named fields of a table at their stubs. */
export function pointAtStubs(
  table: { readonly arena: Arena; readonly gpa: number; readonly layout: PointerTable },
  names: readonly string[],
  stubs: readonly number[],
): void {
  for (const [index, name] of names.entries()) {
    if (name === 'Reserved') continue;
    table.arena.point(table.gpa + table.layout.offset[name]!, stubs[index]!);
  }
}
