import { readKernel } from '../boot/direct.ts';
import { InputError } from '../core/errors.ts';
import { readHostFile } from './host-files.ts';
import type { CpuMode, X86Config } from './x86-guest.ts';

/** A kernel that is loaded without a boot loader, by its files. */
export interface KernelRequest {
  readonly path: string;
  readonly initrds: readonly string[];
  /** Undefined: the kernel's usual one. */
  readonly commandLine: string | undefined;
  readonly mode: CpuMode;
  readonly debugExitPort: number | undefined;
}

/** The console that the serial port is, so that a boot shows something without `--append`. */
const LINUX_COMMAND_LINE = 'console=ttyS0';

/**
 * Reads the files of a directly loaded kernel, and looks at the kernel before anything is built.
 * @throws InputError naming the file
 */
export function readKernelFiles(request: KernelRequest): X86Config {
  const image = { name: request.path, bytes: readHostFile(request.path, 'a kernel') };
  const { kind } = readKernel(image);
  const initrds = request.initrds.map((name) => ({
    name,
    bytes: readHostFile(name, 'an initial RAM disk'),
  }));
  const commandLine = request.commandLine ?? (kind === 'linux' ? LINUX_COMMAND_LINE : '');
  if (commandLine.includes('\0')) throw new InputError('--append', 'contains a zero byte');
  const { mode, debugExitPort } = request;
  return {
    mode,
    kernel: { image, initrds, commandLine },
    ...(debugExitPort === undefined ? {} : { debugExitPort }),
  };
}
