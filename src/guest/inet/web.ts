/** HTTP/1.0 as far as transfers need it: httpd serves files, fetch(1) gets them, ab(1) loads. */
import { latin1 } from '../../core/text.ts';
import { FileErrno, FileError } from '../fs/errors.ts';
import type { FileSpace, KernelApi, ShellCommand, Task } from '../kernel/api.ts';
import { parseIp } from './ip.ts';
import type { NetStack } from './stack.ts';
import type { TcpConnection } from './tcp-connection.ts';

const HTTP_PORT = 80;
const MAX_HEAD_BYTES = 4_096;
const PROGRAM_NS = 400_000;
const CHUNK_BYTES = 32_768;
const END_OF_HEAD = '\r\n\r\n';

/** A request or an answer up to its empty line, and what came behind it. */
function* readHead(
  connection: TcpConnection,
): Task<{ readonly head: string; readonly rest: Uint8Array } | undefined> {
  let text = '';
  while (text.length < MAX_HEAD_BYTES) {
    const bytes = yield* connection.read();
    if (bytes === undefined) return undefined;
    for (const byte of bytes) text += String.fromCharCode(byte);
    const end = text.indexOf(END_OF_HEAD);
    if (end >= 0) return { head: text.slice(0, end), rest: latin1(text.slice(end + 4)) };
  }
  return undefined;
}

/** Serves the files of the system on port 80. */
export function startHttpd(stack: NetStack): void {
  const { kernel } = stack;
  stack.tcp.listen(HTTP_PORT, (connection) => {
    kernel.userland.startDaemon('httpd', () => serve(kernel, connection));
  });
}

function* serve(kernel: KernelApi, connection: TcpConnection): Task {
  const request = yield* readHead(connection);
  const path = /^GET (\/\S*) HTTP\//.exec(request?.head ?? '')?.[1];
  const { files } = kernel.userland;
  if (path === undefined || files === undefined) {
    yield* connection.write(latin1(`HTTP/1.0 400 Bad Request${END_OF_HEAD}`));
  } else {
    yield* answer(files, connection, path);
  }
  connection.close();
}

function* answer(files: FileSpace, connection: TcpConnection, path: string): Task {
  try {
    const names = yield* files.list(path);
    if (names !== undefined) {
      const body = names.map((name) => `${name}\n`).join('');
      const head = `HTTP/1.0 200 OK\r\nContent-Length: ${body.length}${END_OF_HEAD}`;
      yield* connection.write(latin1(head + body));
      return;
    }
    const file = yield* files.openToRead(path);
    const head = `HTTP/1.0 200 OK\r\nContent-Length: ${file.sizeBytes}${END_OF_HEAD}`;
    yield* connection.write(latin1(head));
    for (let at = 0; at < file.sizeBytes; at += CHUNK_BYTES) {
      const bytes = yield* file.read(at, CHUNK_BYTES);
      if (!(yield* connection.write(bytes))) return;
    }
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    yield* connection.write(latin1(`HTTP/1.0 404 Not Found${END_OF_HEAD}`));
  }
}

interface Url {
  readonly address: number;
  readonly path: string;
}

function parseUrl(text: string): Url | undefined {
  const [, host = '', path = ''] = /^http:\/\/([\d.]+)(\/\S*)$/.exec(text) ?? [];
  const address = parseIp(host);
  return address === undefined ? undefined : { address, path };
}

type Take = (bytes: Uint8Array) => Task;

/**
 * Gets a document.
 * @param open is asked for what takes it once the server has it
 * @returns its size, or what went wrong
 */
function* get(
  stack: NetStack,
  { address, path }: Url,
  open: () => Task<Take>,
): Task<number | string> {
  const connection = yield* stack.tcp.connect(address, HTTP_PORT);
  if (!connection.isEstablished) {
    return connection.error === 'refused' ? 'Connection refused' : 'Operation timed out';
  }
  yield* connection.write(latin1(`GET ${path} HTTP/1.0${END_OF_HEAD}`));
  const reply = yield* readHead(connection);
  if (reply === undefined) return 'Connection reset by peer';
  const [, status = ''] = /^HTTP\/1\.\d (\d{3} [^\r]*)/.exec(reply.head) ?? [];
  const length = Number(/content-length: (\d+)/i.exec(reply.head)?.[1] ?? Number.NaN);
  if (!status.startsWith('200')) {
    connection.close();
    return status.slice(4);
  }
  let done = 0;
  try {
    const take = yield* open();
    let bytes: Uint8Array | undefined = reply.rest;
    while (bytes !== undefined) {
      if (bytes.length > 0) yield* take(bytes);
      done += bytes.length;
      bytes = yield* connection.read();
    }
  } finally {
    connection.close();
  }
  return done === length ? done : `transfer ended after ${done} of ${length} bytes`;
}

function* drop(): Task {
  yield 1_000;
}

function* openNothing(): Task<Take> {
  yield 0;
  return drop;
}

export function webCommands(stack: NetStack, print: (text: string) => void): ShellCommand[] {
  const { kernel } = stack;
  return [
    {
      name: 'httpd',
      help: 'serves the files of this system on port 80',
      *run(): Task {
        yield PROGRAM_NS;
        startHttpd(stack);
      },
    },
    {
      name: 'fetch',
      help: '[-o FILE] http://ADDRESS/PATH: gets a document; -r -o DIRECTORY: a tree',
      run: (words) =>
        words[1] === '-r' ? fetchTree(stack, words, print) : fetchFile(stack, words, print),
    },
    {
      name: 'ab',
      help: '-n COUNT http://ADDRESS/PATH: gets a document that often',
      *run(words): Task<number> {
        yield PROGRAM_NS;
        const url = parseUrl(words.at(-1) ?? '');
        const count = words[1] === '-n' ? Number(words[2]) : Number.NaN;
        if (url === undefined || !(count >= 1 && count <= 100_000)) {
          print('usage: ab -n COUNT http://ADDRESS/PATH\n');
          return 1;
        }
        const startNs = kernel.uptimeNs();
        let failed = 0;
        for (let index = 0; index < count; index += 1) {
          if (typeof (yield* get(stack, url, openNothing)) === 'string') failed += 1;
        }
        const seconds = (kernel.uptimeNs() - startNs) / 1e9;
        print(`Complete requests: ${count - failed}\nFailed requests: ${failed}\n`);
        print(`Time taken for tests: ${seconds.toFixed(3)} seconds\n`);
        return failed === 0 ? 0 : 1;
      },
    },
  ];
}

function* fetchFile(
  stack: NetStack,
  words: readonly string[],
  print: (text: string) => void,
): Task<number> {
  yield PROGRAM_NS;
  const text = words.at(-1) ?? '';
  const url = parseUrl(text);
  const output = words[1] === '-o' ? words[2]! : (url?.path.split('/').pop() ?? '');
  const { files } = stack.kernel.userland;
  if (url === undefined || output === '' || files === undefined) {
    print('usage: fetch [-o FILE] http://ADDRESS/PATH\n');
    return 1;
  }
  try {
    const open = output === '/dev/null' ? openNothing : () => files.openToWrite(output);
    const result = yield* get(stack, url, open);
    if (typeof result === 'number') {
      print(`${output} ${result} B\n`);
      return 0;
    }
    print(`fetch: ${text}: ${result}\n`);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    print(`fetch: ${output}: ${error.message}\n`);
  }
  return 1;
}

/** fetch -r -o DIRECTORY http://ADDRESS/PATH/: a directory of the server with all below it. */
function* fetchTree(
  stack: NetStack,
  words: readonly string[],
  print: (text: string) => void,
): Task<number> {
  yield PROGRAM_NS;
  const url = parseUrl(words.at(-1) ?? '');
  const { files } = stack.kernel.userland;
  if (url === undefined || files === undefined || words[2] !== '-o' || words.length !== 5) {
    print('usage: fetch -r -o DIRECTORY http://ADDRESS/PATH/\n');
    return 1;
  }
  try {
    const count = yield* getTree(stack, files, url, words[3]!);
    print(`${count} files\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    print(`fetch: ${error.message}\n`);
    return 1;
  }
}

/** @returns how many files there were */
function* getTree(stack: NetStack, files: FileSpace, url: Url, to: string): Task<number> {
  let listing = '';
  const path = url.path.replace(/\/?$/, '/');
  function* keep(bytes: Uint8Array): Task {
    listing += String.fromCharCode(...bytes);
    yield 1_000;
  }
  const size = yield* get(stack, { ...url, path }, function* (): Task<Take> {
    yield 0;
    return keep;
  });
  if (typeof size === 'string') throw new FileError(FileErrno.EIO);
  yield* files.makeDirectory(to);
  let count = 0;
  for (const name of listing.split('\n').filter(Boolean)) {
    const below = { ...url, path: path + name };
    const target = `${to}/${name.replace(/\/$/, '')}`;
    if (name.endsWith('/')) {
      count += yield* getTree(stack, files, below, target);
      continue;
    }
    const result = yield* get(stack, below, () => files.openToWrite(target));
    if (typeof result === 'string') throw new FileError(FileErrno.EIO);
    count += 1;
  }
  return count;
}
