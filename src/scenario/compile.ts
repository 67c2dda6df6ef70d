/**
 * Makes one executable of a script, the images it names and this program. Bun is in this program,
 * bundles the script and links all of it; nothing else has to be installed.
 */
import { existsSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { InputError } from '../core/errors.ts';
import * as api from './index.ts';
import { API_SYMBOL, EMBEDDED_SYMBOL } from './embedded.ts';

/** What the bundler made of this program; its text is there for others to carry. */
const BUNDLED = /^(?:#!.*\n)?(?:\/\/ @bun.*\n)+(?=\(function\()/;

export interface CompileRequest {
  readonly script: string;
  /** As the script names them, so relative to its folder. */
  readonly images: readonly string[];
  readonly output: string;
}

/** @returns source that runs this program where it is imported */
async function programModule(folder: string): Promise<string> {
  const source = await Bun.file(Bun.main).text();
  const isBundled = BUNDLED.test(source);
  if (!isBundled) return `import ${JSON.stringify(Bun.main)};\n`;
  const path = join(folder, 'program.txt');
  writeFileSync(path, source.replace(BUNDLED, ''));
  return (
    `import program from ${JSON.stringify(path)} with { type: 'text' };\n` +
    // Texts that came with this program are for type checks, which were made before.
    `const load = (name) => (name.includes('$bunfs') || name.includes('~BUN') ? '' : require(name));\n` +
    '(0, eval)(program)({}, load, { exports: {} }, "", "");\n'
  );
}

/** What a script imports as "synthvm": the API of the program that it is in. */
function apiModule(): string {
  const names = Object.keys(api).map((name) => `export const ${name} = api.${name};\n`);
  return `const api = globalThis[Symbol.for('${API_SYMBOL}')];\n${names.join('')}`;
}

function entryModule(script: string, images: readonly string[], program: string): string {
  const imports = images.map((path, index) => {
    const at = isAbsolute(path) ? path : join(dirname(script), path);
    return `import image${index} from ${JSON.stringify(at)} with { type: 'file' };\n`;
  });
  const entries = images.map((path, index) => `${JSON.stringify(path)}: image${index}`);
  return (
    `${imports.join('')}globalThis[Symbol.for('${EMBEDDED_SYMBOL}')] = {\n` +
    `  name: ${JSON.stringify(basename(script))},\n` +
    `  load: () => import(${JSON.stringify(script)}),\n` +
    `  images: { ${entries.join(', ')} },\n};\n` +
    // Evaluated after the assignment, as an import of it would not be.
    `void import(${JSON.stringify(program)});\n`
  );
}

/** @throws InputError for a script or an image that is not there, and with what the bundler says */
export async function compileScript(request: CompileRequest): Promise<number> {
  const script = resolve(request.script);
  for (const path of [script, ...request.images.map((image) => resolve(dirname(script), image))]) {
    if (!existsSync(path) || !statSync(path).isFile()) throw new InputError(path, 'no such file');
  }
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'synthvm-compile-')));
  try {
    const program = join(folder, 'program.js');
    const entry = join(folder, 'entry.js');
    const apiPath = join(folder, 'api.js');
    writeFileSync(program, await programModule(folder));
    writeFileSync(apiPath, apiModule());
    writeFileSync(entry, entryModule(script, request.images, program));
    await link(entry, apiPath, resolve(request.output));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  return statSync(request.output).size;
}

async function link(entry: string, apiPath: string, outfile: string): Promise<void> {
  const build = async (): Promise<
    readonly { readonly message: string; readonly position?: object | null }[]
  > => {
    const result = await Bun.build({
      entrypoints: [entry],
      target: 'bun',
      sourcemap: 'inline',
      compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
      plugins: [
        {
          name: 'synthvm',
          setup(builder) {
            builder.onResolve({ filter: /^synthvm$/ }, () => ({ path: apiPath }));
          },
        },
      ],
      throw: false,
    });
    return result.success ? [] : result.logs;
  };
  const [first] = await build();
  if (first === undefined) return;
  const { file, line, column } = (first.position ?? {}) as Partial<
    Record<'file' | 'line' | 'column', string | number>
  >;
  const where = file === undefined ? basename(entry) : `${file}:${line}:${column}`;
  throw new InputError(where, first.message);
}
