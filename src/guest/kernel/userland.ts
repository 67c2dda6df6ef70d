import type { AddressBook, FileSpace, Task, ThreadOptions, UserlandApi } from './api.ts';
import { Priority } from './thread.ts';

interface Daemon {
  readonly name: string;
  readonly body: () => Task;
}

type EndAction = Parameters<UserlandApi['requestEnd']>[0];
type StartPlace = Parameters<UserlandApi['addStartScript']>[0];
type Spawn = (name: string, body: () => Task, options: ThreadOptions) => unknown;

/** What init, devd and the console's terminal do for the kernel once they run. */
export class Userland implements UserlandApi {
  readonly #spawn: Spawn;
  readonly #print: (text: string) => void;
  readonly #waiting: Daemon[] = [];
  readonly #programs = new Map<string, () => boolean>();
  readonly #scripts: { readonly place: StartPlace; readonly run: () => Task }[] = [];
  addressBook: AddressBook | undefined;
  files: FileSpace | undefined;
  #hasDevd = false;
  #end: ((action: EndAction) => void) | undefined;
  #pendingEnd: EndAction | undefined;
  /** The terminal replaces it. */
  onInput: (byte: number) => void = () => {};

  constructor(spawn: Spawn, print: (text: string) => void) {
    this.#spawn = spawn;
    this.#print = print;
  }

  print(text: string): void {
    this.#print(text);
  }

  addStartScript(place: StartPlace, run: () => Task): void {
    this.#scripts.push({ place, run });
  }

  /** rc has come to that place. */
  *runStartScripts(place: StartPlace): Task {
    for (const script of this.#scripts) if (script.place === place) yield* script.run();
  }

  addProgram(name: string, kill: () => boolean): void {
    this.#programs.set(name, kill);
  }

  /** pkill(1). @returns whether a program of that name ran */
  kill(name: string): boolean {
    return this.#programs.get(name)?.() ?? false;
  }

  startDaemon(name: string, body: () => Task): void {
    if (this.#hasDevd) this.#spawn(name, body, { priority: Priority.user });
    else this.#waiting.push({ name, body });
  }

  /** rc has started devd: it hears of every device that is there already. */
  startDevd(): void {
    this.#hasDevd = true;
    for (const { name, body } of this.#waiting.splice(0)) this.startDaemon(name, body);
  }

  requestEnd(action: EndAction): void {
    // A signal that init does not take yet stays pending.
    if (this.#end === undefined) this.#pendingEnd = action;
    else this.#end(action);
  }

  /** init runs, and takes the signals that ask for a shutdown or a reboot. */
  startInit(end: (action: EndAction) => void): void {
    this.#end = end;
    if (this.#pendingEnd !== undefined) end(this.#pendingEnd);
    this.#pendingEnd = undefined;
  }

  typed(byte: number): void {
    this.onInput(byte);
  }
}
