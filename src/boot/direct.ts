import { InputError } from '../core/errors.ts';
import type { ProcessorStart } from '../hypervisor/processor.ts';
import { prepareDirect } from './direct-platform.ts';
import type { DirectKernel, NamedBytes } from './kernel-file.ts';
import { type LinuxImage, isLinuxImage, readLinuxImage } from './linux/image.ts';
import { loadLinux } from './linux/load.ts';
import { type MultibootImage, findMultibootHeader, readMultibootImage } from './multiboot/image.ts';
import { loadMultiboot } from './multiboot/load.ts';
import type { PhaseLog } from './phases.ts';
import type { PowerOnOptions } from './power-on.ts';

/** A kernel file that was looked at and found good. */
export type KernelImage =
  | { readonly kind: 'linux'; readonly linux: LinuxImage }
  | { readonly kind: 'multiboot'; readonly multiboot: MultibootImage };

const GZIP_MAGIC = 0x8b1f;
const ELF_MAGIC = 0x464c_457f;

/** @throws InputError when it is no kernel that can be loaded, with what it is and what is wrong */
export function readKernel(file: NamedBytes): KernelImage {
  if (isLinuxImage(file.bytes)) return { kind: 'linux', linux: readLinuxImage(file) };
  const at = findMultibootHeader(file.bytes);
  if (at >= 0) return { kind: 'multiboot', multiboot: readMultibootImage(file, at) };
  throw new InputError(
    file.name,
    `${describe(file.bytes)}; expected a Linux bzImage ("HdrS" at byte 0x202) or a Multiboot 1 kernel ` +
      '(1BADB002h in its first 8 KiB)',
  );
}

function describe(bytes: Uint8Array): string {
  if (bytes.length < 4) return `${bytes.length} bytes are no kernel`;
  const word = bytes[0]! + bytes[1]! * 0x100 + bytes[2]! * 0x1_0000 + bytes[3]! * 0x100_0000;
  if (word === ELF_MAGIC) return 'an ELF file without a Multiboot header (vmlinux?)';
  return word % 0x1_0000 === GZIP_MAGIC ? 'a gzip file' : 'not a kernel';
}

/** From power-on straight to a kernel's entry point. @throws InputError when something does not fit */
export function bootDirect(
  options: PowerOnOptions,
  kernel: DirectKernel,
  log: PhaseLog,
): { readonly start: ProcessorStart; readonly loader: string } {
  const image = readKernel(kernel.image);
  const platform = prepareDirect(options, log);
  const start =
    image.kind === 'linux'
      ? loadLinux(image.linux, kernel, platform)
      : loadMultiboot(image.multiboot, kernel, platform);
  const bytes = [kernel.image, ...kernel.initrds].reduce((sum, file) => sum + file.bytes.length, 0);
  const name =
    image.kind === 'linux' ? `Linux ${image.linux.release}`.trimEnd() : 'Multiboot kernel';
  const loader = `${name}, ${bytes} bytes`;
  log.enter('loader', loader, bytes);
  return { start, loader };
}
