/** What shows the cells of a terminal (FreeBSD's struct vt_driver). */
export interface Painter {
  /** As in `VT(efifb)`. */
  readonly name: string;
  readonly isText: boolean;
  /** Pixels, or cells for one of text. */
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly rows: number;
  clear(): void;
  /** Moves everything up by so many rows, fewer than there are, and blanks what comes in. */
  scroll(rows: number): void;
  /** @param cell code page 437 code | attribute << 8 */
  draw(column: number, row: number, cell: number): void;
}
