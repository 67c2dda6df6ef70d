import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type ArchiveEntry, writeCpio } from './cpio.ts';
import { INIT, WORKLOAD } from './scripts.ts';

/** Drivers for Hyper-V's devices, emulated ones too, and what shows that they work. */
const MODULES = [
  'hv_vmbus',
  'hv_utils',
  'hv_balloon',
  'hv_storvsc',
  'hv_netvsc',
  'hyperv-keyboard',
  'hid-hyperv',
  'hyperv_fb',
  'hyperv_drm',
  'sd_mod',
  'sr_mod',
  'ext4',
  'vfat',
  'isofs',
  // Generation 1 has a floppy drive, and the emulated network adapter.
  'floppy',
  'tulip',
];

/**
 * @param busybox bytes of a static busybox
 * @param moduleFolder `lib/modules/RELEASE` of the kernel's package
 * @param release what `uname -r` says
 * @returns an initial RAM disk, not compressed, so that a boot measures the kernel
 */
export function buildInitrd(
  busybox: Uint8Array,
  moduleFolder: string,
  release: string,
): Uint8Array {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
  const entries: ArchiveEntry[] = [
    ...['bin', 'dev', 'etc', 'lib', 'lib/modules', `lib/modules/${release}`].map((path) => ({
      path,
      kind: 'folder' as const,
    })),
    { path: 'dev/console', kind: 'character-device', major: 5, minor: 1 },
    { path: 'bin/busybox', kind: 'file', bytes: busybox, isExecutable: true },
    { path: 'bin/sh', kind: 'link', target: 'busybox' },
    { path: 'init', kind: 'file', bytes: encode(INIT), isExecutable: true },
    { path: 'workload.sh', kind: 'file', bytes: encode(WORKLOAD) },
  ];
  const modules = collectModules(moduleFolder);
  for (const { file, bytes } of modules) {
    entries.push({ path: `lib/modules/${release}/${file}`, kind: 'file', bytes });
  }
  const dependencies = modules.map(({ file, needs }) => `${file}: ${needs.join(' ')}`.trimEnd());
  entries.push({
    path: `lib/modules/${release}/modules.dep`,
    kind: 'file',
    bytes: encode(`${dependencies.join('\n')}\n`),
  });
  return writeCpio(entries);
}

interface KernelModule {
  readonly file: string;
  readonly bytes: Uint8Array;
  /** Files that must be loaded first, in the order of modules.dep: from the last to the first. */
  readonly needs: readonly string[];
}

function collectModules(folder: string): KernelModule[] {
  const paths = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (entry.endsWith('.ko')) paths.set(moduleName(entry), join(folder, entry));
  }
  const found = new Map<string, KernelModule>();
  const add = (name: string): KernelModule | undefined => {
    const known = found.get(name);
    if (known !== undefined) return known;
    const path = paths.get(name);
    // Built into this kernel, or not part of it.
    if (path === undefined) return undefined;
    const bytes = readFileSync(path);
    // In the order of loading: what a module needs before the module.
    const order = new Set<string>();
    for (const dependency of dependenciesOf(bytes)) {
      const module = add(dependency);
      if (module === undefined) continue;
      for (const file of module.needs.toReversed()) order.add(file);
      order.add(module.file);
    }
    const module = { file: basename(path), bytes, needs: [...order].toReversed() };
    found.set(name, module);
    return module;
  };
  for (const name of MODULES) add(moduleName(name));
  return [...found.values()];
}

function moduleName(path: string): string {
  return basename(path, '.ko').replaceAll('-', '_');
}

/** Names in the `depends=` text of the module's `.modinfo` section. */
function dependenciesOf(bytes: Buffer): string[] {
  const at = bytes.indexOf('\0depends=');
  if (at < 0) return [];
  const start = at + '\0depends='.length;
  const text = bytes.toString('latin1', start, bytes.indexOf(0, start));
  return text === '' ? [] : text.split(',').map(moduleName);
}
