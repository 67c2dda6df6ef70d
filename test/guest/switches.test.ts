import { describe, expect, it } from 'vitest';
import { ExitCode, InputError } from '../../src/core/errors.ts';
import {
  parsePreset,
  parseSwitches,
  presetNames,
  presetSwitches,
  showValue,
  switchNames,
  switchTable,
  valuesOf,
} from '../../src/guest/switches.ts';

function refusal(run: () => unknown): InputError {
  try {
    run();
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('presets', () => {
  it('bis:10.2 has every bug, bis:2015q4 the fixes of that report, bis:modern none', () => {
    expect(presetSwitches('bis:10.2')).toMatchObject({
      intrMpsafe: false,
      chanLookup: 'list',
      ringWritableSignal: false,
      hvEventTimer: false,
      earlyTimecounter: false,
      offerQueue: 'perChannel',
      irqCounters: false,
      storvscMode: 'legacy',
      vmbusAcpi: false,
      efiLoader: 'legacy',
      hvKbd: false,
    });
    expect(presetSwitches('bis:2015q4')).toMatchObject({
      release: 'legacy',
      intrMpsafe: true,
      chanLookup: 'table',
      ringWritableSignal: true,
      hvEventTimer: true,
      earlyTimecounter: true,
      offerQueue: 'global',
      irqCounters: true,
      storvscMode: 'workaround',
      vmbusAcpi: false,
      efiLoader: 'legacy',
    });
    expect(presetSwitches('bis:modern')).toMatchObject({
      release: 'modern',
      storvscMode: 'modern',
      vmbusAcpi: true,
      efiLoader: 'fixed',
      hvKbd: true,
    });
  });

  it('an unknown guest is named with those that there are', () => {
    const error = refusal(() => parsePreset('bis:9'));
    expect(error.message).toContain(presetNames.join(', '));
    expect(error.exitCode).toBe(ExitCode.usage);
  });
});

describe('--set', () => {
  it('reads what it writes, for every value of every switch', () => {
    for (const name of switchNames) {
      const { values } = switchTable[name];
      for (const value of values === 'integer' ? [10, 250, 10_000] : values) {
        expect(parseSwitches(`${name}=${showValue(value)}`)).toEqual({ [name]: value });
      }
    }
  });

  it('takes several, and the usual words for on and off', () => {
    expect(parseSwitches('intrMpsafe=yes, hz=250 ,chanLookup=table,verbose=0')).toEqual({
      intrMpsafe: true,
      hz: 250,
      chanLookup: 'table',
      verbose: false,
    });
    expect(parseSwitches('')).toEqual({});
  });

  it.each([
    ['intrMpSave=on', 'did you mean "intrMpsafe"?'],
    ['turbo=on', 'the switches are release, intrMpsafe'],
    ['chanLookup=tree', 'chanLookup takes list or table'],
    ['chanLookup', 'chanLookup takes list or table'],
    ['verbose=maybe', 'verbose takes off or on'],
    ['hz=5', 'hz takes a whole number from 10 to 10000'],
    ['hz=banana', 'hz takes a whole number from 10 to 10000'],
    ['constructor=1', 'no switch is called "constructor"'],
    ['verbose=constructor', 'verbose takes off or on'],
  ])('refuses %s', (text, message) => {
    const error = refusal(() => parseSwitches(text));
    expect(error.message).toContain(message);
    expect(error.exitCode).toBe(ExitCode.usage);
  });

  it('every switch has help, and its default is one of its values', () => {
    for (const name of switchNames) {
      const { defaults, help, values } = switchTable[name];
      expect(help.length).toBeGreaterThan(10);
      expect(valuesOf(name)).toMatch(/ or | to /);
      if (values === 'integer') continue;
      for (const value of defaults) expect(values as readonly unknown[]).toContain(value);
    }
  });
});
