/**
 * Which blocks become one function: those of a page that lead to each other without an indirect jump.
 * Their order and nesting is what WebAssembly's structured control flow asks for: a block's code stands
 * after the last jump forward to it, within its dominator, and what jumps back to a block is in its loop.
 */
import type { BoundInstruction } from '../semantics/bind.ts';
import { meaningFor } from '../semantics/meanings.ts';
import type { Block } from './block.ts';
import { endsBlock } from './ends-block.ts';

const PAGE_BYTES = 4096;

export interface RegionLimits {
  readonly blocks: number;
  readonly instructions: number;
}

interface Member {
  readonly block: Block;
  /** Indices of the members that this one may jump to. */
  readonly successors: number[];
  /** Of those that this one dominates at once, in their order. */
  readonly children: number[];
  dominator: number;
  isLoopHead: boolean;
}

/** Members are in reverse postorder; the first is where the region is entered. */
export class Region {
  readonly members: readonly Member[];
  readonly #byOffset = new Map<number, number>();
  /** Something jumps back. */
  readonly isLoop: boolean;

  constructor(members: readonly Member[]) {
    this.members = members;
    for (const [index, { block }] of members.entries()) {
      this.#byOffset.set(block.position & (PAGE_BYTES - 1), index);
    }
    this.isLoop = members.some(({ isLoopHead }) => isLoopHead);
  }

  /**
   * @param offset in the page
   * @returns the member that a jump from another one reaches within the function, or -1
   */
  target(from: number, offset: number): number {
    const to = this.#byOffset.get(offset) ?? -1;
    if (to < 0 || !this.members[from]!.successors.includes(to)) return -1;
    return to > from || dominates(this.members, to, from) ? to : -1;
  }
}

function dominates(members: readonly Member[], upper: number, lower: number): boolean {
  let at = lower;
  while (at > upper) at = members[at]!.dominator;
  return at === upper;
}

function isInPage(offset: number): boolean {
  return offset >= 0 && offset < PAGE_BYTES;
}

const NOWHERE: readonly number[] = [];

/**
 * Places in its page where a block leads by itself, or after what it calls.
 * @param bound its last instruction
 * @param next place after that one
 */
export function linksOf(bound: BoundInstruction, next: number): readonly number[] {
  const { insn, row } = bound;
  if (!endsBlock(bound)) return isInPage(next) ? [next] : NOWHERE;
  if (insn.operandSize < 4 || meaningFor(bound) === undefined) return NOWHERE;
  // Where the callee returns to.
  if (row.mnemonic === 'call') return isInPage(next) ? [next] : NOWHERE;
  if (row.operands[0]?.letter !== 'J') return NOWHERE;
  const target = next + insn.immediate;
  const isConditional = row.mnemonic !== 'jmp' && isInPage(next);
  if (!isInPage(target)) return isConditional ? [next] : NOWHERE;
  return isConditional ? [target, next] : [target];
}

/**
 * Grows a region from its head over the blocks that `find` knows.
 * @param find the block at a place in the head's page, if it may be part of a region
 */
export function growRegion(
  head: Block,
  find: (offset: number) => Block | undefined,
  limits: RegionLimits,
): Region {
  const found = new Map<Block, readonly Block[]>([[head, []]]);
  let { count: instructions } = head;
  for (const block of found.keys()) {
    const successors: Block[] = [];
    for (const offset of block.links) {
      const next = find(offset);
      if (next === undefined) continue;
      if (!found.has(next)) {
        const more = instructions + next.count;
        if (found.size >= limits.blocks || more > limits.instructions) continue;
        instructions = more;
        found.set(next, []);
      }
      successors.push(next);
    }
    found.set(block, successors);
  }
  return new Region(arrange(head, found));
}

function arrange(head: Block, graph: ReadonlyMap<Block, readonly Block[]>): Member[] {
  const order: Block[] = [];
  const seen = new Set<Block>();
  const visit = (block: Block): void => {
    seen.add(block);
    for (const next of graph.get(block)!) if (!seen.has(next)) visit(next);
    order.push(block);
  };
  visit(head);
  order.reverse();
  const indexOf = new Map(order.map((block, index) => [block, index]));
  const members: Member[] = order.map((block) => ({
    block,
    successors: graph.get(block)!.map((next) => indexOf.get(next)!),
    children: [],
    dominator: -1,
    isLoopHead: false,
  }));
  findDominators(members);
  for (const [index, { successors }] of members.entries()) {
    for (const to of successors) {
      if (dominates(members, to, index)) members[to]!.isLoopHead = true;
    }
    if (index > 0) members[members[index]!.dominator]!.children.push(index);
  }
  return members;
}

/** Cooper, Harvey and Kennedy, "A Simple, Fast Dominance Algorithm". */
function findDominators(members: readonly Member[]): void {
  const predecessors: number[][] = members.map(() => []);
  for (const [index, { successors }] of members.entries()) {
    for (const to of successors) predecessors[to]!.push(index);
  }
  members[0]!.dominator = 0;
  for (let isChanged = true; isChanged;) {
    isChanged = false;
    for (let index = 1; index < members.length; index += 1) {
      let dominator = -1;
      for (const from of predecessors[index]!) {
        if (members[from]!.dominator < 0) continue;
        dominator = dominator < 0 ? from : meet(members, dominator, from);
      }
      if (members[index]!.dominator === dominator) continue;
      members[index]!.dominator = dominator;
      isChanged = true;
    }
  }
}

function meet(members: readonly Member[], one: number, other: number): number {
  let [a, b] = [one, other];
  while (a !== b) {
    while (a > b) a = members[a]!.dominator;
    while (b > a) b = members[b]!.dominator;
  }
  return a;
}
