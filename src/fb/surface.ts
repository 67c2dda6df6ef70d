/** Pixels in RGBA order, eight bits each, rows without gaps. */
export class Surface {
  readonly width: number;
  readonly height: number;
  readonly u8: Uint8Array;
  /** The same pixels as little-endian words: 0xAABBGGRR. */
  readonly u32: Uint32Array;

  /** Opaque black. */
  constructor(width: number, height: number) {
    if (!(width > 0 && height > 0)) throw new Error(`a surface of ${width} by ${height} pixels`);
    this.width = width;
    this.height = height;
    this.u32 = new Uint32Array(width * height).fill(0xff00_0000);
    this.u8 = new Uint8Array(this.u32.buffer);
  }
}
