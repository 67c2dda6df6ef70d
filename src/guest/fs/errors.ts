/** Why a call on a file failed: errno and what strerror(3) says of it. */
export const FileErrno = {
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  ENXIO: 6,
  EBADF: 9,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  EFBIG: 27,
  ENOSPC: 28,
  EROFS: 30,
  ENAMETOOLONG: 63,
  ENOTEMPTY: 66,
} as const;

const TEXTS: Readonly<Record<number, string>> = {
  1: 'Operation not permitted',
  2: 'No such file or directory',
  5: 'Input/output error',
  6: 'Device not configured',
  9: 'Bad file descriptor',
  13: 'Permission denied',
  16: 'Device busy',
  17: 'File exists',
  19: 'Operation not supported by device',
  20: 'Not a directory',
  21: 'Is a directory',
  22: 'Invalid argument',
  27: 'File too large',
  28: 'No space left on device',
  30: 'Read-only file system',
  63: 'File name too long',
  66: 'Directory not empty',
};

export function errorText(errno: number): string {
  return TEXTS[errno] ?? `Unknown error: ${errno}`;
}

/** Ends a system call of the guest; the program that made it prints the text. */
export class FileError extends Error {
  override readonly name = 'FileError';
  readonly errno: number;

  constructor(errno: number) {
    super(errorText(errno));
    this.errno = errno;
  }
}
