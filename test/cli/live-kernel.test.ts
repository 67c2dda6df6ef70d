/** `synthvm boot --kernel` with someone at a terminal: raw from the start, and restored on every way out. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Code, multibootElf } from '../boot/kernels.ts';
import { binaryPath } from '../support/cli.ts';
import { hasTool } from '../support/tools.ts';

const ESCAPE = '\x1d';
const CONTROL_C = '\x03';

/** Echoes what is typed, and powers off at a `q`: polls LSR, reads RBR, writes THR, compares. */
const ECHO = [
  Code.print('ready\n'),
  [0x66, 0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74, 0xf7],
  [0x66, 0xba, 0xf8, 0x03, 0xec, 0xee, 0x3c, 0x71, 0x75, 0xed],
  Code.powerOff,
  Code.spin,
].flat();

interface Session {
  readonly output: string;
  readonly code: number;
  /** The terminal after it: lines and their echo are the terminal's again. */
  readonly isRestored: boolean;
}

/** Types at the kernel's console, on a terminal of its own. */
async function typed(keys: string): Promise<Session> {
  const folder = mkdtempSync(join(tmpdir(), 'synthvm-'));
  try {
    const kernel = join(folder, 'echo');
    writeFileSync(kernel, multibootElf({ code: Uint8Array.from(ECHO) }));
    const command = `${binaryPath()} boot --kernel ${kernel} --wall-limit 40s`;
    const shell = `stty sane; ${command}; echo "code $?"; stty -a`;
    const child = spawn('script', ['-qec', shell, '/dev/null'], { stdio: 'pipe' });
    let output = '';
    let isTyped = false;
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('latin1');
      if (isTyped || !output.includes('ready')) return;
      isTyped = true;
      child.stdin.write(keys);
    });
    await new Promise((done) => {
      child.on('close', done);
    });
    const code = Number(/code (\d+)/.exec(output)?.[1]);
    return { output, code, isRestored: / icanon/.test(output) && / echo /.test(output) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

describe.skipIf(!hasTool('script'))('the live console of a kernel', () => {
  it('gives every key to the guest, Ctrl-C too, and ends with it', async () => {
    const { output, code, isRestored } = await typed(`ab${CONTROL_C}cq`);
    expect(output).toContain(`ab${CONTROL_C}cq`);
    expect([code, isRestored]).toEqual([0, true]);
  });

  it('is left by the escape key and a full stop', async () => {
    const { output, code, isRestored } = await typed(`ab${ESCAPE}.`);
    expect(output).toContain('reached the end of the session');
    expect([code, isRestored]).toEqual([0, true]);
  });

  it('is switched off by two interrupts behind the escape key', async () => {
    const interrupt = ESCAPE + CONTROL_C;
    const { output, code, isRestored } = await typed(interrupt + interrupt);
    expect(output).toContain('no driver yet that could shut it down');
    expect([code, isRestored]).toEqual([130, true]);
  });
});
