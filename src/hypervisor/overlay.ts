import { PAGE_BYTES } from '../core/memory.ts';
import { StateError, type StateStream } from '../core/state.ts';
import type { GuestMemory } from '../core/memory.ts';

/**
 * A page that the hypervisor lays over the guest physical address space: TLFS "GPA Overlay Pages".
 * Its content is its own: it moves with the page, and is kept while the page is disabled. Whoever
 * reads or writes it does so at `base` of `u8`/`view`, which are guest memory while the guest sees
 * the page there and a buffer of its own otherwise.
 */
export class OverlayPage {
  readonly name: string;
  /** The content while the guest does not see it. */
  readonly own = new Uint8Array(PAGE_BYTES);
  readonly #ownView = new DataView(this.own.buffer);
  u8: Uint8Array = this.own;
  view: DataView = this.#ownView;
  base = 0;
  /** Where the guest put it, or -1 while it is disabled. */
  pageNumber = -1;

  constructor(name: string) {
    this.name = name;
  }

  clear(): void {
    this.u8.fill(0, this.base, this.base + PAGE_BYTES);
  }

  /** The content goes to guest memory and lives there. */
  show(memory: GuestMemory, offset: number): void {
    memory.written(offset, PAGE_BYTES);
    memory.u8.set(this.own, offset);
    this.u8 = memory.u8;
    this.view = memory.view;
    this.base = offset;
  }

  exchange(state: StateStream): void {
    state.part(this.name, () => {
      this.pageNumber = state.number('pageNumber', this.pageNumber);
      state.array('own', this.own);
    });
  }

  /** The content comes back from guest memory. */
  hide(): void {
    if (this.u8 !== this.own) this.own.set(this.u8.subarray(this.base, this.base + PAGE_BYTES));
    this.u8 = this.own;
    this.view = this.#ownView;
    this.base = 0;
  }
}

export interface CoveredPage {
  /** Position in the linear memory, or -1 where there is no RAM. */
  readonly offset: number;
  /** What RAM held before the first overlay came. */
  readonly ram: Uint8Array;
  /** Overlays at this page, the visible one last. */
  readonly stack: OverlayPage[];
}

function overlayAt(pages: readonly OverlayPage[], index: number): OverlayPage {
  const page = pages[index];
  if (page === undefined) throw new StateError(`overlay ${index} does not exist`);
  return page;
}

/**
 * All overlays of a partition. Two at one page are "undefined behaviour" in the TLFS; here the last
 * one enabled is seen, and the RAM below survives in any order of removal.
 */
export class OverlaySpace {
  readonly #memory: GuestMemory;
  /** By page number. */
  readonly covered = new Map<number, CoveredPage>();

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  /** Enables an overlay, or moves it. Any page number is legal; one without RAM is kept aside. */
  map(page: OverlayPage, pageNumber: number): void {
    if (page.pageNumber === pageNumber) return;
    this.unmap(page);
    let covered = this.covered.get(pageNumber);
    if (covered === undefined) {
      const offset = this.#memory.resolve(pageNumber * PAGE_BYTES, PAGE_BYTES);
      const ram =
        offset < 0 ? new Uint8Array(0) : this.#memory.u8.slice(offset, offset + PAGE_BYTES);
      covered = { offset, ram, stack: [] };
      this.covered.set(pageNumber, covered);
    }
    covered.stack.at(-1)?.hide();
    covered.stack.push(page);
    page.pageNumber = pageNumber;
    if (covered.offset >= 0) page.show(this.#memory, covered.offset);
  }

  /** Disables an overlay: the guest sees again what was there. */
  unmap(page: OverlayPage): void {
    const covered = this.covered.get(page.pageNumber);
    if (covered === undefined) return;
    const { stack, offset } = covered;
    const wasVisible = stack.at(-1) === page;
    stack.splice(stack.indexOf(page), 1);
    this.#forget(page, stack);
    if (!wasVisible || offset < 0) return;
    const next = stack.at(-1);
    if (next === undefined) {
      this.#memory.written(offset, PAGE_BYTES);
      this.#memory.u8.set(covered.ram, offset);
    } else next.show(this.#memory, offset);
  }

  #forget(page: OverlayPage, stack: OverlayPage[]): void {
    if (stack.length === 0) this.covered.delete(page.pageNumber);
    page.hide();
    page.pageNumber = -1;
  }

  /**
   * Where every overlay is. The content of those that the guest sees is in its memory, which is
   * restored by itself.
   * @param pages all of the partition, in a fixed order
   */
  exchange(state: StateStream, pages: readonly OverlayPage[]): void {
    for (const page of pages) page.exchange(state);
    const known = [...this.covered].map(([pageNumber, covered]) => ({ pageNumber, covered }));
    const all = state.list('covered', known, (item) => {
      const pageNumber = state.number('pageNumber', item?.pageNumber ?? 0);
      const ram = state.bytes('ram', item?.covered.ram ?? new Uint8Array(0));
      const stack = state.list('stack', item?.covered.stack ?? [], (page) => {
        const index = state.number('overlay', page === undefined ? 0 : pages.indexOf(page));
        return page ?? overlayAt(pages, index);
      });
      const offset = this.#memory.resolve(pageNumber * PAGE_BYTES, PAGE_BYTES);
      return { pageNumber, covered: { offset, ram, stack } };
    });
    if (!state.isRestoring) return;
    this.covered.clear();
    for (const { pageNumber, covered } of all) {
      this.covered.set(pageNumber, covered);
      if (covered.offset >= 0) covered.stack.at(-1)?.show(this.#memory, covered.offset);
    }
  }

  /** The overlay that a guest sees at an address without RAM, for accesses that miss `memory`. */
  findOutsideRam(gpa: number): OverlayPage | undefined {
    if (this.covered.size === 0) return undefined;
    const covered = this.covered.get(Math.floor(gpa / PAGE_BYTES));
    return covered === undefined || covered.offset >= 0 ? undefined : covered.stack.at(-1);
  }
}
