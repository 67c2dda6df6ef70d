import { describe, expect, it } from 'vitest';
import { Uart } from '../../../src/devices/uart/uart.ts';
import { Bench } from '../harness.ts';

const COM1 = 0x3f8;
const DATA = COM1;
const IER = COM1 + 1;
const IIR = COM1 + 2;
const FCR = COM1 + 2;
const LCR = COM1 + 3;
const MCR = COM1 + 4;
const LSR = COM1 + 5;
const MSR = COM1 + 6;

class SerialBench extends Bench {
  readonly sent: number[] = [];
  inputReady = 0;
  readonly uart: Uart;

  constructor(pacing: 'instant' | 'baud' = 'instant') {
    super();
    this.uart = new Uart({
      port: COM1,
      line: this.line,
      events: this.events,
      host: {
        write: (byte) => this.sent.push(byte),
        inputReady: () => {
          this.inputReady += 1;
        },
      },
      pacing,
    });
    this.uart.attach(this.ports);
  }

  get text(): string {
    return String.fromCharCode(...this.sent);
  }

  send(text: string): void {
    for (const character of text) this.out(DATA, character.charCodeAt(0));
  }

  type(text: string): number {
    return this.uart.receive(new TextEncoder().encode(text));
  }

  /** 115200 8N1, FIFOs on with a trigger of 14 bytes, OUT2 set. */
  open(interrupts: number): void {
    this.out(LCR, 0x80);
    this.out(DATA, 1);
    this.out(IER, 0);
    this.out(LCR, 0x03);
    this.out(FCR, 0xc1);
    this.out(MCR, 0x0b);
    this.out(IER, interrupts);
  }
}

const BYTE_NS = Math.ceil((10 * 16 * 1e9) / 1_843_200);

describe('a 16550A', () => {
  it('is recognised: scratch register, FIFO bits of IIR, 16 bytes by loopback', () => {
    const bench = new SerialBench();
    bench.out(COM1 + 7, 0x5a);
    expect(bench.in(COM1 + 7)).toBe(0x5a);
    expect(bench.in(IIR)).toBe(0x01);
    bench.out(FCR, 0x07);
    expect(bench.in(IIR)).toBe(0xc1);
    bench.out(MCR, 0x10);
    for (let byte = 0; byte < 20; byte += 1) bench.out(DATA, byte);
    expect(bench.in(LSR) & 0x02, 'the bytes after the sixteenth overran').toBe(0x02);
    let count = 0;
    for (; (bench.in(LSR) & 1) !== 0; count += 1) expect(bench.in(DATA)).toBe(count);
    expect(count).toBe(16);
    expect(bench.sent).toEqual([]);
  });

  it('shows the divisor latch only under DLAB', () => {
    const bench = new SerialBench();
    bench.out(LCR, 0x83);
    bench.out(DATA, 0x34);
    bench.out(IER, 0x12);
    expect([bench.in(DATA), bench.in(IER)]).toEqual([0x34, 0x12]);
    bench.out(LCR, 0x03);
    expect(bench.in(IER)).toBe(0);
    expect(bench.sent).toEqual([]);
  });

  it('mirrors modem control into modem status in loopback, with deltas that reading clears', () => {
    const bench = new SerialBench();
    expect(bench.in(MSR)).toBe(0xb0);
    bench.out(MCR, 0x1a);
    expect(bench.in(MSR), 'CTS and DCD high, DSR fell').toBe(0x92);
    expect(bench.in(MSR)).toBe(0x90);
    bench.out(MCR, 0x1e);
    expect(bench.in(MSR), 'a rising ring has no delta').toBe(0xd0);
    bench.out(MCR, 0x1a);
    expect(bench.in(MSR), 'its trailing edge has').toBe(0x94);
  });

  it('hands over a boot message at once and is always ready for more', () => {
    const bench = new SerialBench();
    for (const character of 'Copyright') {
      expect(bench.in(LSR) & 0x60).toBe(0x60);
      bench.send(character);
    }
    expect(bench.text).toBe('Copyright');
    expect(bench.events.pendingCount).toBe(0);
  });

  it('raises "transmitter empty" when enabled, after writing, and drops it when IIR is read', () => {
    const bench = new SerialBench();
    bench.open(0x02);
    expect(bench.line.isActive).toBe(true);
    expect(bench.in(IIR) & 0x0f).toBe(0x02);
    expect(bench.line.isActive).toBe(false);
    bench.send('abc');
    expect(bench.line.isActive).toBe(false);
    bench.pass(20_000);
    expect(bench.line.isActive).toBe(true);
    expect(bench.line.rises).toBe(2);
  });

  it('keeps its line quiet without OUT2', () => {
    const bench = new SerialBench();
    bench.open(0x03);
    bench.out(MCR, 0x03);
    bench.type('x');
    expect(bench.line.isActive).toBe(false);
    bench.out(MCR, 0x0b);
    expect(bench.line.isActive).toBe(true);
  });
});

describe('input from the host', () => {
  it('takes what fits and asks for more when the guest has read', () => {
    const bench = new SerialBench();
    expect(bench.type('ab'), 'one holding register without FIFOs').toBe(1);
    bench.open(0);
    expect(bench.uart.inputRoom).toBe(16);
    expect(bench.type('0123456789abcdefghij')).toBe(16);
    expect(bench.type('!')).toBe(0);
    const asked = bench.inputReady;
    expect(bench.in(DATA)).toBe('0'.charCodeAt(0));
    expect(bench.inputReady).toBe(asked + 1);
    expect(bench.uart.inputRoom).toBe(1);
    expect(bench.in(LSR) & 0x02, 'nothing overran').toBe(0);
  });

  it('interrupts at the trigger level, and below it after four character times', () => {
    const bench = new SerialBench();
    bench.open(0x01);
    bench.type('0123456789abc');
    expect(bench.line.isActive).toBe(false);
    bench.type('d');
    expect(bench.in(IIR) & 0x0f).toBe(0x04);
    for (let index = 0; index < 12; index += 1) bench.in(DATA);
    expect(bench.line.isActive).toBe(false);
    bench.pass(4 * BYTE_NS - 1);
    expect(bench.line.isActive).toBe(false);
    bench.pass(1);
    expect(bench.in(IIR) & 0x0f).toBe(0x0c);
    bench.in(DATA);
    expect(bench.line.isActive).toBe(false);
  });

  it('reports interrupts in order of priority', () => {
    const bench = new SerialBench();
    bench.open(0x0f);
    bench.out(FCR, 0x01);
    bench.type('x');
    bench.uart.receiveBreak();
    bench.in(DATA);
    const ids: number[] = [];
    ids.push(bench.in(IIR) & 0x0f);
    expect(bench.in(LSR) & 0x91, 'break, in the FIFO').toBe(0x91);
    ids.push(bench.in(IIR) & 0x0f);
    bench.in(DATA);
    ids.push(bench.in(IIR) & 0x0f, bench.in(IIR) & 0x0f);
    expect(ids).toEqual([0x06, 0x04, 0x02, 0x01]);
  });
});

describe('with transmission at the baud rate', () => {
  it('sends one byte a character time and interrupts when the FIFO is empty', () => {
    const bench = new SerialBench('baud');
    bench.open(0x02);
    bench.in(IIR);
    bench.send('hello');
    expect(bench.in(LSR) & 0x60).toBe(0);
    bench.pass(BYTE_NS);
    expect(bench.text).toBe('h');
    bench.pass(3 * BYTE_NS);
    expect(bench.text).toBe('hell');
    expect(bench.in(LSR) & 0x60, 'the last byte is on the wire').toBe(0x20);
    expect(bench.line.isActive).toBe(true);
    bench.pass(BYTE_NS);
    expect(bench.text).toBe('hello');
    expect(bench.in(LSR) & 0x60).toBe(0x60);
  });
});
