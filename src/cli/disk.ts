import { existsSync, rmSync } from 'node:fs';
import { basename, dirname, isAbsolute, relative, resolve } from 'node:path';
import { ExitCode, InputError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { Random } from '../core/random.ts';
import { createHostFile } from '../machine/host-files.ts';
import { openHostImage } from '../machine/images.ts';
import type { ByteStore } from '../storage/block.ts';
import { convertImage } from '../storage/convert.ts';
import { createImage, type CreateImageOptions } from '../storage/create-image.ts';
import type { ImageFormat } from '../storage/image.ts';
import { diskInfo } from './disk-info.ts';
import { diskList } from './disk-list.ts';
import { warnTo, type Output } from './output.ts';
import type { Invocation } from './parse.ts';
import { formatSize, parseChoice, parseSeed, parseSize } from '../core/values.ts';

const FORMATS: Readonly<Record<string, ImageFormat>> = {
  raw: 'raw',
  'vhd-fixed': 'vhd-fixed',
  vhd: 'vhd-dynamic',
  'vhdx-fixed': 'vhdx-fixed',
  vhdx: 'vhdx-dynamic',
};
const VERBS = ['create', 'info', 'convert', 'ls'] as const;

/** `synthvm disk create|info|convert|ls`. */
export function diskCommand(invocation: Invocation, output: Output): ExitCode {
  const [verb, ...operands] = invocation.operands;
  const wanted = VERBS.find((name) => name === verb);
  switch (wanted) {
    case 'create':
      return createDisk(operands, invocation, output);
    case 'convert':
      return convertDisk(operands, invocation, output);
    case 'info':
      return diskInfo(only(operands, 'disk info FILE'), invocation.values.has('json'), output);
    case 'ls':
      return diskList(invocation, output);
    case undefined: {
      const near = verb === undefined ? undefined : nearest(verb, VERBS);
      const tip = near === undefined ? '' : `; did you mean ${near}?`;
      const found = verb === undefined ? 'needs one of' : `"${verb}" is not one of`;
      throw new InputError('disk', `${found} ${VERBS.join(', ')}${tip}`, ExitCode.usage);
    }
  }
}

function usage(message: string): InputError {
  return new InputError('disk', message, ExitCode.usage);
}

function only(operands: readonly string[], form: string): string {
  const [first] = operands;
  if (first === undefined || operands.length > 1) throw usage(`expected: synthvm ${form}`);
  return first;
}

/** The format by `--format`, else by the name's extension. */
function formatOf(path: string, { values }: Invocation): ImageFormat {
  const flag = values.get('format')?.[0];
  const names = Object.keys(FORMATS);
  if (flag !== undefined) return FORMATS[parseChoice('--format', flag, names)]!;
  const extension = /\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase() ?? '';
  const byName: Readonly<Record<string, ImageFormat>> = {
    raw: 'raw',
    img: 'raw',
    bin: 'raw',
    vhd: 'vhd-dynamic',
    vhdx: 'vhdx-dynamic',
  };
  const format = byName[extension];
  if (format !== undefined) return format;
  throw new InputError(
    path,
    `the name says no format; give --format (${names.join(', ')})`,
    ExitCode.usage,
  );
}

/** Makes the file, has it filled, and leaves no half-made file behind. */
function writeNewFile(
  path: string,
  invocation: Invocation,
  fill: (store: ByteStore) => void,
): void {
  const replace = invocation.values.has('force');
  if (!replace && existsSync(path)) {
    throw new InputError(path, 'exists already; --force overwrites it');
  }
  const store = createHostFile(path, { replace });
  try {
    fill(store);
    store.close();
  } catch (error) {
    store.close();
    rmSync(path, { force: true });
    throw error;
  }
}

function commonOptions(
  invocation: Invocation,
): Pick<CreateImageOptions, 'random' | 'blockBytes' | 'sectorBytes'> {
  const one = (name: string): string | undefined => invocation.values.get(name)?.[0];
  const block = one('block');
  const sector = one('sector');
  return {
    random: new Random(parseSeed('--seed', one('seed') ?? '1'), 'disk-image'),
    ...(block === undefined ? {} : { blockBytes: parseSize('--block', block) }),
    ...(sector === undefined
      ? {}
      : { sectorBytes: Number(parseChoice('--sector', sector, ['512', '4096'])) }),
  };
}

function createDisk(operands: readonly string[], invocation: Invocation, output: Output): ExitCode {
  const path = only(operands, 'disk create FILE --size SIZE, or --parent FILE');
  const size = invocation.values.get('size')?.[0];
  const parentPath = invocation.values.get('parent')?.[0];
  if (size === undefined && parentPath === undefined) {
    throw usage('create needs --size SIZE, or --parent FILE for a differencing disk');
  }
  const sizeBytes = size === undefined ? {} : { sizeBytes: parseSize('--size', size) };
  const format = formatOf(path, invocation);
  if (parentPath === undefined) {
    writeNewFile(path, invocation, (store) =>
      createImage(store, { format, ...sizeBytes, ...commonOptions(invocation) }),
    );
  } else {
    createDifferencing(path, parentPath, format, sizeBytes, invocation, output);
  }
  if (!invocation.values.has('quiet')) {
    output.error(`synthvm: made ${path}\n`);
  }
  return ExitCode.ok;
}

function createDifferencing(
  path: string,
  parentPath: string,
  format: ImageFormat,
  sizeBytes: { readonly sizeBytes?: number },
  invocation: Invocation,
  output: Output,
): void {
  const differencing: Partial<Record<ImageFormat, ImageFormat>> = {
    'vhd-dynamic': 'vhd-differencing',
    'vhdx-dynamic': 'vhdx-differencing',
  };
  const childFormat = differencing[format];
  if (childFormat === undefined) {
    throw usage(`a ${format} image cannot have a parent; use vhd or vhdx`);
  }
  const parent = openHostImage(parentPath, { readOnly: true, warn: warnTo(output) });
  try {
    const from = relative(dirname(resolve(path)), resolve(parentPath));
    // Another drive has no relative path.
    const relativePath = isAbsolute(from) ? undefined : windowsPath(from);
    writeNewFile(path, invocation, (store) =>
      createImage(store, {
        format: childFormat,
        ...sizeBytes,
        ...commonOptions(invocation),
        parent: {
          image: parent,
          absolutePath: resolve(parentPath),
          ...(relativePath === undefined ? {} : { relativePath }),
        },
      }),
    );
  } finally {
    parent.close();
  }
}

/** Parent locators hold backslashes, and a relative path begins with a dot. */
function windowsPath(path: string): string {
  const turned = path.replaceAll('/', '\\');
  return turned.startsWith('.') ? turned : `.\\${turned}`;
}

function convertDisk(
  operands: readonly string[],
  invocation: Invocation,
  output: Output,
): ExitCode {
  const [from, to, ...rest] = operands;
  if (from === undefined || to === undefined || rest.length > 0) {
    throw usage('expected: synthvm disk convert FROM TO');
  }
  if (resolve(from) === resolve(to)) throw usage('convert cannot write a file over itself');
  const format = formatOf(to, invocation);
  const source = openHostImage(from, { readOnly: true, warn: warnTo(output) });
  const quiet = invocation.values.has('quiet') || !process.stderr.isTTY;
  try {
    writeNewFile(to, invocation, (store) =>
      convertImage(source, store, {
        format,
        ...commonOptions(invocation),
        progress: (doneBytes) => {
          if (quiet) return;
          const percent = Math.floor((doneBytes / source.sizeBytes) * 100);
          output.error(`\rsynthvm: ${basename(from)} -> ${basename(to)}  ${percent} %`);
        },
      }),
    );
  } finally {
    source.close();
  }
  if (!quiet) output.error('\n');
  if (!invocation.values.has('quiet')) {
    output.error(`synthvm: made ${to} (${format}, ${formatSize(source.sizeBytes)})\n`);
  }
  return ExitCode.ok;
}
