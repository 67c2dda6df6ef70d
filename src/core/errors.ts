/** What became of a command; the numbers are documented in `synthvm --help` and docs/cli.md. */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  guestCrashed: 10,
  tripleFault: 11,
  noBootDevice: 12,
  notImplemented: 13,
  virtualTimeSpent: 14,
  wallTimeSpent: 124,
  internal: 70,
  interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/**
 * Something that the user gave is wrong: an image, a flag, a script. Printed as one line,
 * `where: message`, never with a stack.
 */
export class InputError extends Error {
  override readonly name = 'InputError';
  /** The file, flag or script line, as the user wrote it. */
  readonly where: string;
  readonly exitCode: ExitCode;

  /** @param message what was found and what was expected, with the byte offset where there is one */
  constructor(where: string, message: string, exitCode: ExitCode = ExitCode.failed) {
    super(message);
    this.where = where;
    this.exitCode = exitCode;
  }
}
