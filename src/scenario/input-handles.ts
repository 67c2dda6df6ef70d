/** Keyboard, mouse and screen of a machine as scripts use them. */
import { createHash } from 'node:crypto';
import { InputError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import { Key, US_LAYOUT } from '../devices/keyboard/keys.ts';
import { MouseButton } from '../devices/mouse/spec.ts';
import type { Machine } from '../machine/machine.ts';
import type { ScreenCapture } from '../machine/screen.ts';
import type { Duration, Keyboard, Mouse, Pattern, Screen, WaitOptions } from './api.ts';
import type { Pump } from './pump.ts';
import { durationNs, showPattern, toRegExp, withinNs } from './values.ts';

/** How often a wait for the screen looks at it: as a monitor of 60 Hz does. */
const FRAME_NS = 16_666_667;
const STILL: Duration = '500ms';
const LOW_BYTE = 0xff;

/** What handles have in common. */
interface Owner {
  readonly machine: Machine;
  readonly pump: Pump;
  readonly vm: string;
}

/** Waits until a device has called back. */
function delivered(
  { pump, vm }: Owner,
  what: string,
  options: WaitOptions | undefined,
  send: (done: () => void) => void,
): Promise<void> {
  return pump.wait<void>(
    {
      what,
      vm,
      withinNs: withinNs(options),
      start: (settle) => {
        send(() => settle());
        return undefined;
      },
    },
    new Error(what),
  );
}

function scanCode(name: string): number {
  const code = Object.entries(Key).find(([known]) => known === name)?.[1];
  if (code !== undefined) return code;
  const typed = US_LAYOUT.get(name);
  if (typed !== undefined) return typed & LOW_BYTE;
  const near = nearest(name, Object.keys(Key));
  throw new InputError(
    'keyboard',
    `no key is called "${name}"${near === undefined ? '' : `; did you mean "${near}"?`}`,
  );
}

export class KeyboardHandle implements Keyboard {
  readonly keys = Object.keys(Key);
  readonly #owner: Owner;

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  type(text: string, options?: WaitOptions): Promise<void> {
    const what = `the guest to read the keys ${JSON.stringify(text)}`;
    return delivered(this.#owner, what, options, (done) =>
      this.#owner.machine.enter({ kind: 'key-text', text }, done),
    );
  }

  scan(...codes: number[]): Promise<void> {
    const what = `the guest to read ${codes.length} scan codes`;
    const joined = joinPrefixes(codes);
    return delivered(this.#owner, what, undefined, (done) => {
      for (const [index, code] of joined.entries()) {
        const isLast = index === joined.length - 1;
        const key = { kind: 'key', code: code & ~BREAK, isDown: (code & BREAK) === 0 } as const;
        this.#owner.machine.enter(key, isLast ? done : undefined);
      }
    });
  }

  press(...keys: string[]): Promise<void> {
    const what = `the guest to read the keys ${keys.join('+')}`;
    const codes = keys.map((name) => scanCode(name));
    return delivered(this.#owner, what, undefined, (done) =>
      this.#owner.machine.enter({ kind: 'key-press', codes }, done),
    );
  }
}

/** Bit of a scan code of set 1: the key goes up. */
const BREAK = 0x80;

/** Codes as they come over a wire, with each prefix in the high byte. */
function joinPrefixes(codes: readonly number[]): number[] {
  const joined: number[] = [];
  let prefix = 0;
  for (const code of codes) {
    if (code === 0xe0 || code === 0xe1) {
      prefix = code << 8;
      continue;
    }
    joined.push(prefix | code);
    prefix = 0;
  }
  return joined;
}

export class MouseHandle implements Mouse {
  readonly #owner: Owner;

  constructor(owner: Owner) {
    this.#owner = owner;
  }

  move(x: number, y: number): Promise<void> {
    const { width, height } = this.#owner.machine.screen.capture();
    return delivered(this.#owner, 'the guest to read the mouse', undefined, (done) =>
      this.#owner.machine.enter({ kind: 'mouse-move', x, y, width, height }, done),
    );
  }

  click(button: 'left' | 'right' | 'middle' = 'left'): Promise<void> {
    return delivered(this.#owner, 'the guest to read the mouse', undefined, (done) => {
      const { machine } = this.#owner;
      const pressed = { kind: 'mouse-button', button: MouseButton[button] } as const;
      machine.enter({ ...pressed, isDown: true });
      machine.enter({ ...pressed, isDown: false }, done);
    });
  }

  scroll(notches: number): Promise<void> {
    return delivered(this.#owner, 'the guest to read the mouse', undefined, (done) =>
      this.#owner.machine.enter({ kind: 'mouse-scroll', notches }, done),
    );
  }
}

/** A picture that a script asked for. */
export interface Screenshot {
  readonly name: string;
  readonly timeNs: number;
  readonly png: Uint8Array;
}

export class ScreenHandle implements Screen {
  readonly #owner: Owner;
  readonly #keep: (screenshot: Screenshot) => void;

  constructor(owner: Owner, keep: (screenshot: Screenshot) => void) {
    this.#owner = owner;
    this.#keep = keep;
  }

  get text(): string {
    return this.#owner.machine.screen.text().join('\n');
  }

  wait(pattern: Pattern, options?: WaitOptions): Promise<RegExpMatchArray> {
    const expression = toRegExp(pattern);
    const what = `screen text ${showPattern(pattern)}`;
    return this.#poll(what, options, () => expression.exec(this.text) ?? undefined);
  }

  waitStill(options: WaitOptions & { readonly for?: Duration } = {}): Promise<void> {
    const stillNs = durationNs('for', options.for ?? STILL);
    let last = '';
    let sinceNs = this.#owner.pump.nowNs;
    return this.#poll('a screen that stands still', options, () => {
      const { rgba } = this.#owner.machine.screen.capture();
      const now = createHash('sha1').update(rgba).digest('base64');
      const { nowNs } = this.#owner.pump;
      if (now !== last) {
        last = now;
        sinceNs = nowNs;
      }
      return nowNs - sinceNs >= stillNs ? true : undefined;
    }).then(() => undefined);
  }

  screenshot(name: string): Promise<Uint8Array> {
    const png = this.#owner.machine.screen.png();
    this.#keep({ name, timeNs: this.#owner.pump.nowNs, png });
    return Promise.resolve(png);
  }

  capture(): ScreenCapture {
    return this.#owner.machine.screen.capture();
  }

  #poll<T>(what: string, options: WaitOptions | undefined, poll: () => T | undefined): Promise<T> {
    const { pump, vm } = this.#owner;
    return pump.wait<T>(
      { what, vm, withinNs: withinNs(options), poll, pollNs: FRAME_NS },
      new Error(what),
    );
  }
}
