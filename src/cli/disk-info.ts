import { ExitCode, InputError } from '../core/errors.ts';
import { guessGeneration } from '../boot/guess-generation.ts';
import { openHostImage } from '../machine/images.ts';
import type { ImageInfo } from '../storage/image.ts';
import { readPartitions } from '../storage/partitions/read.ts';
import type { PartitionTable } from '../storage/partitions/spec.ts';
import { warnTo, type Output } from './output.ts';
import { formatSize } from '../core/values.ts';

/** `synthvm disk info FILE`: the image, its parents, its partitions, and what would boot it. */
export function diskInfo(path: string, json: boolean, output: Output): ExitCode {
  const warn = warnTo(output);
  const image = openHostImage(path, { readOnly: true, warn });
  try {
    const info = image.info();
    let table: PartitionTable | undefined;
    let tableError = '';
    try {
      table = readPartitions(image, warn);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      tableError = error.message;
    }
    const guess = guessGeneration(image, info.format);
    if (json) {
      const partitions = table?.partitions.map(({ attributes, ...rest }) => ({
        ...rest,
        attributes: `0x${attributes.toString(16)}`,
      }));
      output.out(
        `${JSON.stringify({
          ...info,
          partitionTable: tableError === '' ? table?.kind : { error: tableError },
          partitions: partitions ?? [],
          generation: guess.generation,
          generationReason: guess.reason,
        })}\n`,
      );
      return ExitCode.ok;
    }
    output.out(imageText(info, output));
    output.out(tableText(table, tableError, output));
    output.out(`generation  ${guess.generation} (${guess.reason})\n`);
    return ExitCode.ok;
  } finally {
    image.close();
  }
}

function imageText(info: ImageInfo, output: Output, indent = ''): string {
  const { bold } = output.outColors;
  const rows: (readonly [string, string])[] = [
    ['format', info.format],
    ['size', `${formatSize(info.sizeBytes)} (${info.sizeBytes} bytes)`],
    ['sectors', `${info.sectorBytes} bytes, ${info.physicalSectorBytes} physical`],
    [
      'file',
      `${formatSize(info.fileBytes)}, ${formatSize(info.allocatedBytes)} of it disk content`,
    ],
  ];
  if (info.blockBytes !== undefined) rows.push(['block', formatSize(info.blockBytes)]);
  if (info.creator !== undefined) rows.push(['creator', info.creator]);
  if (info.log !== undefined) rows.push(['log', info.log]);
  for (const [name, id] of Object.entries(info.ids)) rows.push([name, id]);
  const width = Math.max(10, ...rows.map(([name]) => name.length));
  const text = rows.map(([name, value]) => `${indent}${name.padEnd(width)}  ${value}\n`).join('');
  const parent =
    info.parent === undefined
      ? ''
      : `${indent}parent\n${imageText(info.parent, output, `${indent}  `)}`;
  return `${indent}${bold(info.name)}\n${text}${parent}`;
}

function tableText(table: PartitionTable | undefined, error: string, output: Output): string {
  if (table === undefined) return `partitions  ${output.outColors.red(error)}\n`;
  if (table.kind === 'none') return 'partitions  none\n';
  const rows = table.partitions.map((partition) => {
    const flags = `${partition.active ? ' active' : ''}${partition.problem === '' ? '' : ` (${partition.problem})`}`;
    const name = partition.name === '' ? '' : ` "${partition.name}"`;
    const size = formatSize(partition.sizeBytes).padStart(10);
    return `  ${String(partition.index).padStart(2)}  ${size}  at ${formatSize(partition.startByte)}  ${partition.typeName}${name}${flags}\n`;
  });
  return `partitions  ${table.kind === 'gpt' ? 'GPT' : 'MBR'} ${table.diskId}\n${rows.join('')}`;
}
