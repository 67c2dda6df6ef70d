import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InputError } from '../../core/errors.ts';
import { ndjsonSink, perfettoSink } from '../../core/trace-formats.ts';
import type { PcapngWriter } from '../../net/capture.ts';
import type { Machine } from '../machine.ts';
import { OutputFile, writingTo } from '../output-file.ts';
import { SCREEN_SETTLE_NS } from '../screen.ts';
import { BootWatch, type Phase } from '../watch.ts';
import { CastWriter } from './cast.ts';
import { EVENTS_FILE, MANIFEST_FILE, type Manifest } from './manifest.ts';
import { reportPage, type ReportImage, type ReportText } from './report.ts';
import { Timeline } from './timeline.ts';

const SCREENS = 'screens';

/** Makes the folder of a bundle. @throws InputError when it has files in it, or cannot be made */
function makeFolder(folder: string): void {
  writingTo(folder, () => mkdirSync(join(folder, SCREENS), { recursive: true }));
  const others = readdirSync(folder).filter((name) => name !== SCREENS);
  if (others.length > 0 && !others.includes(MANIFEST_FILE)) {
    throw new InputError(folder, 'is not empty, and holds no run bundle that could be replaced');
  }
}

/** Writes down a machine's run in a folder: events, console, pictures, packets and a report. */
export class BundleRecorder {
  readonly #folder: string;
  readonly #machine: Machine;
  readonly #title: string;
  readonly #events: OutputFile;
  readonly #perfetto: OutputFile;
  readonly #castFile: OutputFile;
  readonly #pcapFile: OutputFile;
  readonly #cast: CastWriter;
  readonly #pcap: PcapngWriter;
  readonly #timeline: Timeline;
  readonly #watch: BootWatch;
  readonly #images: ReportImage[] = [];
  readonly #console: ReportText[] = [];
  #lastPng = new Uint8Array(0);
  #isOver = false;

  /** @param title for people */
  constructor(folder: string, machine: Machine, title: string) {
    makeFolder(folder);
    this.#folder = folder;
    this.#machine = machine;
    this.#title = title;
    const open = (name: string): OutputFile => new OutputFile(join(folder, name));
    this.#events = open(EVENTS_FILE);
    this.#perfetto = open('trace.json');
    this.#castFile = open('console.cast');
    this.#pcapFile = open('net.pcapng');
    const { trace, clock } = machine;
    const events = ndjsonSink(this.#events.writeText);
    const perfetto = perfettoSink(this.#perfetto.writeText, title);
    trace.subscribe((...event) => {
      if (this.#isOver) return;
      events(...event);
      perfetto(...event);
    });
    this.#cast = new CastWriter(this.#castFile.writeText, clock, title);
    machine.console.listen((byte) => {
      if (this.#isOver) return;
      this.#cast.output(byte);
      this.#print(clock.nowNs, byte);
    });
    machine.inputs.listen(({ at, input }) => {
      if (!this.#isOver && input.kind === 'console') this.#cast.input(at.timeNs, input.text);
    });
    this.#pcap = machine.network.capture(this.#pcapFile.writeBytes, clock);
    this.#timeline = new Timeline(trace);
    this.#watch = new BootWatch(trace, { phase: (_, name) => this.#phase(name) });
  }

  #print(timeNs: number, byte: number): void {
    const last = this.#console.at(-1);
    const isSameLine = last !== undefined && !last.text.endsWith('\n');
    const character = String.fromCharCode(byte);
    if (isSameLine) last.text += character;
    else this.#console.push({ timeNs, text: character });
  }

  #phase(name: Phase): void {
    if (!this.#isOver) this.screenshot(name);
  }

  /** Keeps what the screen shows now, if that is another picture than the last. */
  screenshot(name: string): void {
    this.addImage(name, this.#machine.clock.nowNs, this.#machine.screen.png());
  }

  addImage(name: string, timeNs: number, png: Uint8Array): void {
    const isSame = png.length === this.#lastPng.length && Buffer.compare(png, this.#lastPng) === 0;
    if (isSame) return;
    this.#lastPng = new Uint8Array(png);
    const number = String(this.#images.length + 1).padStart(2, '0');
    const file = join(SCREENS, `${number}-${name.replaceAll(/[^\w.-]+/g, '-')}.png`);
    writingTo(this.#folder, () => writeFileSync(join(this.#folder, file), png));
    this.#images.push({ timeNs, name, png: this.#lastPng });
  }

  /**
   * Writes what is known only now, and closes the files.
   * @param goesOn lets a machine that still runs go on for as long as its guest needs to draw its last
   *   words; nothing of that is part of the record
   */
  finish(manifest: Manifest, goesOn = true): void {
    this.#isOver = true;
    const endNs = this.#machine.clock.nowNs;
    if (goesOn && this.#machine.ending === undefined) this.#machine.runFor(SCREEN_SETTLE_NS);
    this.screenshot('end');
    this.#cast.flush();
    this.#pcap.flush();
    const { inputs } = this.#machine;
    this.#close();
    const write = (name: string, text: string): void =>
      writingTo(this.#folder, () => writeFileSync(join(this.#folder, name), text));
    write(MANIFEST_FILE, `${JSON.stringify(manifest, undefined, 2)}\n`);
    write(
      'report.html',
      reportPage({
        title: this.#title,
        manifest,
        endNs,
        phases: [...this.#watch.phases].map(([name, timeNs]) => ({ name, timeNs })),
        lanes: this.#timeline.lanes,
        images: this.#images.toSorted((left, right) => left.timeNs - right.timeNs),
        console: this.#console,
        inputs: inputs.entries,
      }),
    );
  }

  /** Leaves what there is when the run did not come to an end. */
  abandon(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#close();
  }

  #close(): void {
    for (const file of [this.#events, this.#perfetto, this.#castFile, this.#pcapFile]) {
      file.close();
    }
  }
}
