import { latin1 } from '../../core/text.ts';
import { viewOf } from '../../core/wire.ts';
import { InputError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import type { ByteStore } from '../block.ts';
import { newGuid } from '../guid.ts';
import type { Image } from '../image.ts';
import { FixedVhd } from './fixed.ts';
import { buildFooter, checksum } from './footer.ts';
import { putLocators } from './parent.ts';
import type { ParentPaths } from './parent.ts';
import { SparseVhd } from './sparse.ts';
import {
  DiskType,
  DynamicHeader,
  formatVersion,
  headerCookie,
  maximumDiskBytes,
  sectorBytes,
} from './spec.ts';

export interface NewVhd {
  readonly sizeBytes: number;
  readonly type: 'fixed' | 'dynamic' | 'differencing';
  readonly blockBytes: number;
  readonly parent?: { readonly image: Image } & ParentPaths;
  readonly random: Random;
}

/** Writes an empty VHD into an empty store. */
export function createVhd(store: ByteStore, disk: NewVhd): void {
  const { sizeBytes } = disk;
  if (!(sizeBytes > 0) || sizeBytes % sectorBytes !== 0 || sizeBytes > maximumDiskBytes) {
    throw new InputError(
      store.name,
      `a VHD has a multiple of ${sectorBytes} bytes up to 2040 GiB; ${sizeBytes} were asked for`,
    );
  }
  const footer = buildFooter({
    type: DiskType.is[disk.type],
    sizeBytes,
    uniqueId: newGuid(disk.random),
    timeStamp: 0,
  });
  if (disk.type === 'fixed') {
    store.resize(sizeBytes);
    store.write(sizeBytes, footer, 0, footer.length);
  } else {
    createSparse(store, disk, footer);
  }
  store.flush();
}

function createSparse(store: ByteStore, disk: NewVhd, footer: Uint8Array): void {
  const { blockBytes } = disk;
  const powerOfTwo = blockBytes > 0 && (blockBytes & (blockBytes - 1)) === 0;
  // Hyper-V knows 512 KiB and 2 MiB; a bitmap of less than one sector would be of no use.
  if (!powerOfTwo || blockBytes < 524_288 || blockBytes > 256 * 1024 * 1024) {
    throw new InputError(
      store.name,
      `a VHD has blocks of a power of two from 512 KiB to 256 MiB; ${blockBytes} bytes were asked for`,
    );
  }
  const entries = Math.ceil(disk.sizeBytes / blockBytes);
  const raw = new Uint8Array(DynamicHeader.size);
  const header = DynamicHeader.cursor(viewOf(raw)).at(0);
  header.cookie = latin1(headerCookie);
  header.dataOffsetHi = 0xffff_ffff;
  header.dataOffsetLo = 0xffff_ffff;
  header.headerVersion = formatVersion;
  header.maxTableEntries = entries;
  header.blockSize = blockBytes;
  let position = sectorBytes + DynamicHeader.size;
  if (disk.parent !== undefined) {
    const { image } = disk.parent;
    if (!(image instanceof FixedVhd || image instanceof SparseVhd)) {
      throw new InputError(
        store.name,
        `a differencing VHD needs a VHD as its parent; ${image.name} is ${image.format}`,
      );
    }
    header.parentUniqueId = image.info().ids['uniqueId']!;
    header.parentTimeStamp = image.timeStamps[0]!;
    for (const { position: place, data, spaceBytes } of putLocators(raw, disk.parent, position)) {
      store.write(place, data, 0, data.length);
      position = place + spaceBytes;
    }
  }
  header.tableOffset = BigInt(position);
  header.checksum = checksum(raw, DynamicHeader.offset.checksum);
  const tableBytes = Math.ceil((entries * 4) / sectorBytes) * sectorBytes;
  const unused = new Uint8Array(Math.min(tableBytes, 65_536)).fill(0xff);
  for (let done = 0; done < tableBytes; done += unused.length) {
    store.write(position + done, unused, 0, Math.min(unused.length, tableBytes - done));
  }
  store.write(0, footer, 0, footer.length);
  store.write(sectorBytes, raw, 0, raw.length);
  store.write(position + tableBytes, footer, 0, footer.length);
}
