import type { PowerOnOptions } from '../boot/power-on.ts';
import type { Random } from '../core/random.ts';
import type { Board } from './board.ts';
import { lowGapStart } from './allocate-memory.ts';
import type { MachineConfig } from './config.ts';
import { FRAMEBUFFER, HIGH_MMIO_BYTES, HIGH_MMIO_START, LOW_MMIO_END } from './layout.ts';

const RNG_SEED_BYTES = 64;

/** What there is to boot from. */
export function firmwareDisks({
  disks,
  chipset,
}: Board): Pick<PowerOnOptions, 'disks' | 'dvds' | 'floppy'> {
  const block = chipset.floppy?.drive.block;
  return {
    disks: disks.filter(({ kind }) => kind === 'disk'),
    dvds: disks.filter(({ kind }) => kind === 'dvd'),
    ...(block === undefined
      ? {}
      : { floppy: { block, kind: 'floppy', controllerId: '', target: 0, lun: 0 } }),
  };
}

/** What the firmware of a machine is told of it. @param random the machine's own, from which it splits */
export function firmwareOptions(
  config: MachineConfig,
  random: Random,
): Pick<PowerOnOptions, 'kernel' | 'acpi' | 'framebuffer'> {
  const gapStart = lowGapStart(config);
  const rngSeed = (): Uint8Array => random.split('kernel-rng-seed').bytes(RNG_SEED_BYTES);
  const kernel = config.x86 && { ...config.x86.kernel, rngSeed: rngSeed() };
  return {
    ...(kernel === undefined ? {} : { kernel }),
    acpi: {
      lowMmio: { start: gapStart, bytes: LOW_MMIO_END - gapStart },
      highMmio: { start: HIGH_MMIO_START, bytes: HIGH_MMIO_BYTES },
      comPorts: [1],
      entropy: random.split('acpi-entropy').bytes(64),
      generationId: random.split('generation-id').bytes(16),
    },
    ...(config.generation === 2 ? { framebuffer: FRAMEBUFFER } : {}),
  };
}
