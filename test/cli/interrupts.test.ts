import { spawn } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { Interrupts } from '../../src/cli/interrupts.ts';
import { EscapeFilter } from '../../src/cli/terminal.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { binaryPath } from '../support/cli.ts';
import { machineForTest } from '../support/run.ts';

const CONTROL_C = 0x03;
const ESCAPE = 0x1d;

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Boots, sends a signal once the console shows the prompt, and waits for the end. */
async function signalled(signal: 'SIGINT' | 'SIGTERM', ...argv: string[]): Promise<Ended> {
  const child = spawn(binaryPath(), ['boot', ...argv], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  let stdout = '';
  let stderr = '';
  let isSent = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (isSent || !stdout.includes('login: ')) return;
    isSent = true;
    child.kill(signal);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const status = await new Promise<number | null>((done) => {
    child.on('close', done);
  });
  return { status, stdout, stderr };
}

/** A virtual time that no test waits for. */
const FOR_EVER = ['--until', 'nothing says this', '--timeout', '90000s', '--wall-limit', '30s'];

describe('Ctrl-C', () => {
  it('shuts the guest down, and the exit code is 0', async () => {
    const { status, stdout, stderr } = await signalled('SIGINT', ...FOR_EVER);
    expect(stderr).toContain('the guest is asked to shut down; Ctrl-C again switches it off');
    expect(stdout).toContain('acpi0: Powering system off');
    expect(stderr).toContain('the guest powered off');
    expect(status).toBe(0);
  });

  it('is not what SIGTERM is: that ends the run at once, with exit code 130', async () => {
    const { status, stdout } = await signalled('SIGTERM', ...FOR_EVER);
    expect(stdout).not.toContain('Powering system off');
    expect(status).toBe(130);
  });
});

function booting(): Machine {
  const machine = machineForTest({
    generation: 2,
    host: 'ws2022',
    memoryBytes: 64 << 20,
    processors: 1,
    seed: 1n,
    disks: [],
    preset: 'bis:modern',
  });
  machine.powerOn();
  return machine;
}

describe('what an interrupt does', () => {
  it('asks a guest that has only begun to boot when it is there', () => {
    const machine = booting();
    const said: string[] = [];
    const interrupts = new Interrupts(machine, (text) => said.push(text));
    interrupts.interrupt();
    expect(interrupts.isShuttingDown).toBe(true);
    expect(interrupts.isOff).toBe(false);
    expect(machine.run(10e9)).toEqual({ kind: 'power-off' });
    expect(said).toHaveLength(1);
  });

  it('says when the guest does not answer, and a second one switches it off', () => {
    const machine = booting();
    machine.run(2e9);
    const { shutdown } = machine.board.integration;
    const said: string[] = [];
    const interrupts = new Interrupts(machine, (text) => said.push(text));
    // Another request is on its way, so that this one finds the component busy.
    shutdown.ask({ type: 'powerOff' }, () => undefined);
    interrupts.interrupt();
    machine.run(2.0001e9);
    expect(said).toEqual([
      'the guest is asked to shut down; Ctrl-C again switches it off',
      'the guest does not answer; Ctrl-C switches it off',
    ]);
    interrupts.interrupt();
    expect(interrupts.isOff).toBe(true);
  });

  it('asks after a reset what no driver could be asked before it', () => {
    const machine = booting();
    const said: string[] = [];
    const interrupts = new Interrupts(machine, (text) => said.push(text));
    machine.run(0.6e9);
    interrupts.interrupt();
    expect(said).toEqual([
      'the guest has no driver yet that could shut it down; Ctrl-C again switches it off',
    ]);
    machine.run(0.65e9);
    machine.reset();
    expect(machine.run(60e9)).toEqual({ kind: 'power-off' });
  });

  it('switches off at once when the process is told to end', () => {
    const interrupts = new Interrupts(booting(), () => undefined);
    interrupts.end();
    expect(interrupts.isOff).toBe(true);
    expect(interrupts.isShuttingDown).toBe(false);
  });
});

describe('a guest that halts', () => {
  it('ends the run although the host goes on with its heartbeat', () => {
    const machine = booting();
    machine.run(2e9);
    machine.console.type(new TextEncoder().encode('root\r'));
    machine.run(3e9);
    machine.console.type(new TextEncoder().encode('halt\r'));
    expect(machine.run(60e9)).toEqual({ kind: 'halted' });
    expect(machine.console.recentText).toContain('The operating system has halted.');
    expect(machine.clock.nowNs).toBeLessThan(4e9);
  });
});

describe('the keys of a live console', () => {
  function keys(controlC: 'guest' | 'host', bytes: readonly number[]): string[] {
    const log: string[] = [];
    const filter = new EscapeFilter({
      controlC,
      input: (input) => log.push(`input ${[...input].join(' ')}`),
      interrupt: () => log.push('interrupt'),
      quit: () => log.push('quit'),
      help: () => log.push('help'),
    });
    filter.feed(Uint8Array.from(bytes));
    return log;
  }
  const typed = (...bytes: number[]): string[] => keys('host', bytes);

  it('have Ctrl-C for us, and for the guest after Ctrl-]', () => {
    expect(typed(CONTROL_C)).toEqual(['interrupt']);
    expect(typed(0x61, ESCAPE, CONTROL_C, 0x62)).toEqual(['input 97 3 98']);
    expect(typed(ESCAPE, ESCAPE, 0x61)).toEqual(['input 29 97']);
    expect(typed(ESCAPE, 0x2e, 0x61)).toEqual(['quit']);
  });

  it('give Ctrl-C to an unmodified system, and to us after Ctrl-]', () => {
    expect(keys('guest', [CONTROL_C, 0x61])).toEqual(['input 3 97']);
    expect(keys('guest', [ESCAPE, CONTROL_C])).toEqual(['interrupt']);
    expect(keys('guest', [ESCAPE, ESCAPE, ESCAPE, 0x2e])).toEqual(['quit']);
  });
});
