import { describe, expect, it } from 'vitest';
import type { KeyValuePair } from '../../src/devices/kvp/key-value-pair.ts';
import { KvpItems, KvpJobError } from '../../src/machine/kvp-items.ts';

/** A guest that answers every request with a status. */
function guest(status = 0): { device: KeyValuePair; asked: string[] } {
  const asked: string[] = [];
  const device = {
    set(_pool: string, key: string, _data: unknown, done: (outcome: string, at: number) => void) {
      asked.push(`set ${key}`);
      done('answered', status);
    },
    delete(_pool: string, key: string, done: (outcome: string, at: number) => void) {
      asked.push(`delete ${key}`);
      done('answered', status);
    },
  };
  return { device: device as unknown as KeyValuePair, asked };
}

describe('items of the host', () => {
  it('are added once, changed and removed', () => {
    const items = new KvpItems();
    const { device, asked } = guest();
    const errors: number[] = [];
    const done = (error: number): void => void errors.push(error);
    items.add(device, 'EEE', '555', done);
    items.add(device, 'EEE', '556', done);
    items.modify(device, 'EEE', '999', done);
    items.modify(device, 'XXX', '000', done);
    expect([...items.items]).toEqual([['EEE', '999']]);
    items.remove(device, 'EEE', 'ws2012r2', done);
    expect(errors).toEqual([
      KvpJobError.none,
      KvpJobError.invalidParameter,
      KvpJobError.none,
      KvpJobError.invalidParameter,
      KvpJobError.none,
    ]);
    expect(asked).toEqual(['set EEE', 'set EEE', 'delete EEE']);
    expect(items.items.size).toBe(0);
  });

  it('that are not there count as removed from build 9600 on', () => {
    const errors: number[] = [];
    for (const host of ['ws2012', 'ws2012r2', 'ws2022'] as const) {
      new KvpItems().remove(guest().device, 'XYZ', host, (error) => errors.push(error));
    }
    expect(errors).toEqual([KvpJobError.invalidParameter, KvpJobError.none, KvpJobError.none]);
  });

  it('that the guest refuses are not kept', () => {
    const items = new KvpItems();
    let error = 0;
    items.add(guest(0x8000_4005).device, 'EEE', '555', (code) => (error = code));
    expect(error).toBe(KvpJobError.failed);
    expect(items.items.size).toBe(0);
  });
});
