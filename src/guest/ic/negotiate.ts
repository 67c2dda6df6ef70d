/** How each generation of FreeBSD's drivers picks versions (freebsd-bis.md 2.9). */
import { IcNegotiate, IcVersionEntry } from '../../devices/ic/spec.ts';
import { Errno } from '../vmbus/api.ts';
import type { IcMessage } from './message.ts';

/** What both sides have agreed on, major << 16 | minor; 0 before that. */
export interface IcVersions {
  framework: number;
  message: number;
}

/** 10.2 writes this as the size of its answer, whatever the request held. */
const LEGACY_ANSWER_BYTES = 0x10;

export function showVersion(version: number): string {
  return `${version >>> 16}.${version & 0xffff}`;
}

function versionAt(message: IcMessage, index: number): number {
  const at = message.bodyStart + IcNegotiate.size + index * IcVersionEntry.size;
  const { major, minor } = IcVersionEntry.cursor(message.view).at(at);
  return major * 0x1_0000 + minor;
}

function writeAnswer(message: IcMessage, framework: number, chosen: number): void {
  message.extendBody(IcNegotiate.size + 2 * IcVersionEntry.size);
  const counts = IcNegotiate.cursor(message.view).at(message.bodyStart);
  counts.frameworkCount = 1;
  counts.messageCount = 1;
  for (const [index, version] of [framework, chosen].entries()) {
    const at = message.bodyStart + IcNegotiate.size + index * IcVersionEntry.size;
    const entry = IcVersionEntry.cursor(message.view).at(at);
    entry.major = version >>> 16;
    entry.minor = version & 0xffff;
  }
}

/**
 * Today's rule: the highest of each list that is not above what the driver knows.
 * @param print a line of the driver's, without its name
 * @returns 0, or an errno: then there is no answer, and the host may ask again
 */
export function negotiate(
  message: IcMessage,
  most: IcVersions,
  chosen: IcVersions,
  isVerbose: boolean,
  print: (text: string) => void,
): number {
  const room = Math.floor((message.bodyLength - IcNegotiate.size) / IcVersionEntry.size);
  if (room < 0) {
    print(`truncated ic negotiate, len ${message.bodyLength}`);
    return Errno.EINVAL;
  }
  const { frameworkCount, messageCount } = IcNegotiate.cursor(message.view).at(message.bodyStart);
  if (frameworkCount === 0 || messageCount === 0) {
    const what = frameworkCount === 0 ? 'framework' : 'message';
    print(`ic negotiate does not contain ${what} version 0`);
    return Errno.EINVAL;
  }
  if (frameworkCount + messageCount > room) {
    print(`ic negotiate does not contain versions ${message.bodyLength}`);
    return Errno.EINVAL;
  }
  const list = (from: number, count: number): number[] =>
    Array.from({ length: count }, (_, index) => versionAt(message, from + index));
  const frameworks = list(0, frameworkCount);
  const messages = list(frameworkCount, messageCount);
  const best = (versions: readonly number[], limit: number): number =>
    versions.reduce((high, version) => (version <= limit ? Math.max(high, version) : high), 0);
  const framework = best(frameworks, most.framework);
  const version = best(messages, most.message);
  if (framework === 0) print('failed to select framework version');
  else if (version === 0) print('failed to select message version');
  const isAgreed = framework !== 0 && version !== 0;
  if (isVerbose || !isAgreed) {
    if (framework !== 0) print(`sel framework version: ${showVersion(framework)}`);
    for (const other of frameworks) print(`supp framework version: ${showVersion(other)}`);
    if (version !== 0) print(`sel message version: ${showVersion(version)}`);
    for (const other of messages) print(`supp message version: ${showVersion(other)}`);
  }
  if (!isAgreed) return Errno.EOPNOTSUPP;
  chosen.framework = framework;
  chosen.message = version;
  writeAnswer(message, framework, version);
  message.header.size = IcNegotiate.size + 2 * IcVersionEntry.size;
  return 0;
}

/**
 * 10.2's rule: 3.0 for both when the second framework version is 3, else 1.0 for both. It does not
 * ask whether the host has such a message version. KVP takes 4.0 where many are offered.
 */
export function negotiateLegacy(message: IcMessage, chosen: IcVersions, isKvp: boolean): void {
  const { frameworkCount, messageCount } = IcNegotiate.cursor(message.view).at(message.bodyStart);
  const isThree = frameworkCount >= 2 && versionAt(message, 1) >>> 16 === 3;
  chosen.framework = isThree ? 0x3_0000 : 0x1_0000;
  chosen.message = chosen.framework;
  if (isKvp && isThree && messageCount > 2) chosen.message = 0x4_0000;
  writeAnswer(message, chosen.framework, chosen.message);
  message.header.size = LEGACY_ANSWER_BYTES;
}
