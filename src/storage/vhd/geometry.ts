export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

/**
 * CHS geometry of a disk, as the appendix "CHS Calculation" of the VHD specification computes it.
 * It is rounded down: `cylinders * heads * sectorsPerTrack` may be less than `totalSectors`.
 */
export function chsGeometry(totalSectors: number): Geometry {
  const sectors = Math.min(totalSectors, 65_535 * 16 * 255);
  let sectorsPerTrack: number;
  let heads: number;
  let tracks: number;
  if (sectors >= 65_535 * 16 * 63) {
    sectorsPerTrack = 255;
    heads = 16;
    tracks = Math.floor(sectors / sectorsPerTrack);
  } else {
    sectorsPerTrack = 17;
    tracks = Math.floor(sectors / sectorsPerTrack);
    heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
    if (tracks >= heads * 1024 || heads > 16) {
      sectorsPerTrack = 31;
      heads = 16;
      tracks = Math.floor(sectors / sectorsPerTrack);
    }
    if (tracks >= heads * 1024) {
      sectorsPerTrack = 63;
      heads = 16;
      tracks = Math.floor(sectors / sectorsPerTrack);
    }
  }
  return { cylinders: Math.floor(tracks / heads), heads, sectorsPerTrack };
}
