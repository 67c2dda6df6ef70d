import { describe, expect, it } from 'vitest';
import { Key } from '../../../src/devices/keyboard/keys.ts';
import { KeyboardLed } from '../../../src/devices/keyboard/spec.ts';
import { MOUSE_REPORT_DESCRIPTOR, MouseButton } from '../../../src/devices/mouse/spec.ts';
import {
  type HidInput,
  HidUsage,
  parseReportDescriptor,
  readInput,
} from '../../../src/guest/input/hid-report.ts';
import { rig, type Rig } from '../ic/rig.ts';

function atPrompt(): Rig {
  const rigged = rig();
  rigged.machine.boot().login();
  return rigged;
}

/** What the console prints while the guest takes the keys in. */
function printed({ machine }: Rig, press: () => void, seconds = 2): string {
  const from = machine.console.length;
  press();
  machine.run(seconds);
  return machine.console.slice(from).replaceAll('\r', '');
}

describe('the synthetic keyboard', () => {
  it('logs in, and its keys are echoed at the prompt', () => {
    const rigged = rig();
    rigged.machine.boot();
    const text = printed(rigged, () => rigged.keyboard.type('root\necho Hello\n'));
    expect(text).toBe('root\nType help for the commands of this shell.\n# echo Hello\nHello\n# ');
  });

  it('types every character of a US keyboard', () => {
    const rigged = atPrompt();
    const all = Array.from({ length: 94 }, (_, index) => String.fromCharCode(index + 0x21)).join(
      '',
    );
    const text = printed(rigged, () => rigged.keyboard.type(`echo ${all}\n`));
    // What the shell makes of quotes and redirections among them is not looked at.
    expect(text.split('\n')[0]).toBe(`echo ${all}`);
  });

  it('erases, and interrupts with control and C', () => {
    const rigged = atPrompt();
    const text = printed(rigged, () => {
      rigged.keyboard.type('ab\b');
      rigged.keyboard.press([Key.leftControl, 0x2e]);
      rigged.keyboard.press([Key.rightControl, 0x2e]);
    });
    expect(text).toBe('ab\b \b^C\n# ^C\n# ');
  });

  it('has a caps lock, with its light', () => {
    const rigged = atPrompt();
    const text = printed(rigged, () => {
      rigged.keyboard.press([Key.capsLock]);
      rigged.keyboard.type('echo aB1!');
    });
    expect(text).toBe('ECHO Ab1!');
    expect(rigged.keyboard.leds).toBe(KeyboardLed.bit.capsLock);
    printed(rigged, () => rigged.keyboard.press([Key.capsLock]));
    expect(rigged.keyboard.leds).toBe(0);
  });

  it('leaves keys alone that type nothing, and characters that only Windows takes', () => {
    const rigged = atPrompt();
    const text = printed(rigged, () => {
      rigged.keyboard.press([Key.f1]);
      rigged.keyboard.press([Key.up]);
      rigged.keyboard.press([Key.leftAlt, Key.tab]);
      rigged.keyboard.typeUnicode('x');
      rigged.keyboard.type('ok');
    });
    expect(text).toBe('ok');
  });

  it('is not there without its driver, and the boot says so', () => {
    const { machine, keyboard } = rig({ switches: { hvKbd: false } });
    machine.run(5);
    expect(machine.said.at(-2)).toMatch(/^stage-stopped no-input/);
    expect(keyboard.isReady).toBe(false);
  });
});

describe('the synthetic mouse', () => {
  it('moves, clicks and turns its wheel, as sysctl shows', () => {
    const rigged = atPrompt();
    const { mouse, machine } = rigged;
    mouse.moveTo(1023, 0, 1024, 768);
    mouse.button(MouseButton.left, true);
    mouse.button(MouseButton.middle, true);
    machine.run(0.1);
    expect(machine.type('sysctl dev.hms.0')).toContain(
      'dev.hms.0.buttons: 5\ndev.hms.0.reports: 3\ndev.hms.0.wheel: 0\n' +
        'dev.hms.0.x: 32767\ndev.hms.0.y: 0\n',
    );
    mouse.button(MouseButton.left, false);
    mouse.scroll(-3);
    mouse.moveTo(0, 767, 1024, 768);
    machine.run(0.1);
    const text = machine.type('sysctl dev.hms.0');
    expect(text).toContain('dev.hms.0.buttons: 4\n');
    expect(text).toContain('dev.hms.0.wheel: -3\ndev.hms.0.x: 0\ndev.hms.0.y: 32767\n');
  });

  it('is not attached without its driver', () => {
    const { machine, mouse } = rig({ switches: { hvHid: false } });
    machine.boot().run(1);
    expect(machine.console).not.toContain('hvhid');
    expect(mouse.isReady).toBe(false);
  });
});

describe('report descriptors', () => {
  it('place the inputs of the mouse as its structure has them', () => {
    const report = parseReportDescriptor(Uint8Array.from(MOUSE_REPORT_DESCRIPTOR))!;
    expect(report.bytes).toBe(7);
    const at = (usage: number): HidInput => report.inputs.find((input) => input.usage === usage)!;
    expect(report.inputs).toHaveLength(8);
    expect(at(HidUsage.firstButton + 4)).toMatchObject({ bitOffset: 4, bits: 1 });
    expect(at(HidUsage.x)).toMatchObject({ bitOffset: 8, bits: 16, isSigned: false });
    expect(at(HidUsage.y)).toMatchObject({ bitOffset: 24, bits: 16, isRelative: false });
    expect(at(HidUsage.wheel)).toMatchObject({ bitOffset: 40, isSigned: true, isRelative: true });
    const bytes = Uint8Array.of(0, 5, 0xff, 0x7f, 1, 0, 0xfd, 0xff);
    expect(readInput(bytes, 1, at(HidUsage.x))).toBe(32_767);
    expect(readInput(bytes, 1, at(HidUsage.wheel))).toBe(-3);
  });

  it.each([
    ['an item that is cut off', [0x26, 0xff]],
    ['a long item', [0xfe, 1, 0, 0]],
    ['more bits than a report has', [0x75, 0xff, 0x95, 0xff, 0x81, 2]],
    ['a range that is too wide', [0x19, 1, 0x2a, 0xff, 0xff]],
  ])('%s: no report', (_, bytes) => {
    expect(parseReportDescriptor(Uint8Array.from(bytes))).toBeUndefined();
  });
});
