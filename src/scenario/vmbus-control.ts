import { InputError } from '../core/errors.ts';
import { nearest } from '../core/nearest.ts';
import type { Machine } from '../machine/machine.ts';
import type { VmbusDevice } from '../vmbus/device.ts';
import type { OutgoingMessage } from '../vmbus/host.ts';
import {
  GpadlCreated,
  MessageType,
  OfferChannel,
  OpenResult,
  RescindChannelOffer,
} from '../vmbus/spec/messages.ts';
import { vmbusClose, vmbusMessageIn, vmbusOffer, vmbusOpen, vmbusRescind } from '../vmbus/trace.ts';
import type {
  ChannelInfo,
  Duration,
  HeldMessage,
  MessageHold,
  MessageRule,
  VmbusControl,
  VmbusMessageName,
  WaitOptions,
} from './api.ts';
import type { Pump } from './pump.ts';
import { TestDeviceHandle } from './test-device.ts';
import { durationNs, withinNs } from './values.ts';

const TYPE_NAMES = new Map<number, string>(
  Object.entries(MessageType).map(([name, type]) => [type, name]),
);
/** Where messages from the host name their channel. */
const CHANNEL_AT = new Map<number, number>([
  [MessageType.offerChannel, OfferChannel.offset.channelId],
  [MessageType.rescindChannelOffer, RescindChannelOffer.offset.channelId],
  [MessageType.openResult, OpenResult.offset.channelId],
  [MessageType.gpadlCreated, GpadlCreated.offset.channelId],
]);

function messageType(name: VmbusMessageName): number {
  const type = Object.entries(MessageType).find(([known]) => known === name)?.[1];
  if (type !== undefined) return type;
  const names = Object.keys(MessageType);
  const near = nearest(name, names);
  throw new InputError(
    'vmbus',
    `no message is called "${name}"${near === undefined ? '' : `; did you mean "${near}"?`}`,
  );
}

function channelOf(message: OutgoingMessage): number {
  const at = CHANNEL_AT.get(message.type);
  return at === undefined ? 0 : new DataView(message.bytes.buffer).getUint32(at, true);
}

type MutableChannel = { -readonly [Key in keyof ChannelInfo]: ChannelInfo[Key] };

/** What a script wants done with messages to the guest. */
interface ActiveRule {
  readonly types: readonly number[] | undefined;
  readonly rule: MessageRule;
  left: number;
  readonly take: (message: OutgoingMessage) => void;
}

/** VMBus from the host's side: its channels, and what becomes of the messages to the guest. */
export class VmbusHandle implements VmbusControl {
  readonly #machine: Machine;
  readonly #pump: Pump;
  readonly #vm: string;
  #channels: MutableChannel[] = [];
  readonly #rules: ActiveRule[] = [];
  readonly #withdrawn: VmbusDevice[] = [];
  /** Asked again whenever a channel changes. */
  readonly #watchers = new Set<() => void>();
  readonly #messageWatchers = new Set<(type: number) => void>();

  constructor(machine: Machine, pump: Pump, vm: string) {
    this.#machine = machine;
    this.#pump = pump;
    this.#vm = vm;
    machine.trace.subscribe((_, type, values, text) => {
      if (type === vmbusMessageIn) {
        for (const watcher of this.#messageWatchers) watcher(values[0]!);
      } else if (type === vmbusOffer) {
        const [id, subChannel] = values;
        const name = text.split(' ')[0]!;
        this.#channels.push({ id: id!, subChannel: subChannel!, name, state: 'offered' });
        this.#changed();
      } else if (type === vmbusOpen) {
        if (values[2] === 0) this.#setState(values[0]!, 'open');
      } else if (type === vmbusClose) this.#setState(values[0]!, 'offered');
      else if (type === vmbusRescind) this.#setState(values[0]!, 'rescinded');
    });
  }

  /** A new power cycle: other channels, and a bus without rules. */
  powerCycled(): void {
    this.#channels = [];
    this.#withdrawn.length = 0;
    this.#installFilter();
  }

  get guestOsId(): bigint {
    const { guestOsLow, guestOsHigh } = this.#machine.board.partition;
    return (BigInt(guestOsHigh >>> 0) << 32n) | BigInt(guestOsLow >>> 0);
  }

  get channels(): readonly ChannelInfo[] {
    return this.#channels.map((channel) => ({ ...channel }));
  }

  channel(
    name: string,
    options: WaitOptions & { readonly index?: number; readonly state?: 'offered' | 'open' } = {},
  ): Promise<ChannelInfo> {
    const { index = 0, state = 'open' } = options;
    const what = `${state} channel "${name}"${index === 0 ? '' : ` number ${index}`}`;
    return this.#pump.wait<ChannelInfo>(
      {
        what,
        vm: this.#vm,
        withinNs: withinNs(options),
        start: (settle) => {
          const look = (): void => {
            const named = this.#channels.filter(
              (channel) => channel.name === name && channel.state !== 'rescinded',
            );
            const found = named[index];
            if (found !== undefined && (state === 'offered' || found.state === 'open')) {
              settle({ ...found });
            }
          };
          this.#watchers.add(look);
          look();
          return () => this.#watchers.delete(look);
        },
      },
      new Error(what),
    );
  }

  rescind(name: string, index = 0): void {
    const named = this.#machine.board.vmbus.plugged.filter(
      ({ device }) => device.offer.name === name,
    );
    const found = named[index];
    if (found === undefined) throw this.#unknown(name, index, named.length);
    this.#machine.inputs.passBy('a device that was withdrawn');
    this.#withdrawn.push(found.device);
    found.bus.rescind();
  }

  offer(name: string, index = 0): void {
    const named = this.#withdrawn.filter((device) => device.offer.name === name);
    const device = named[index];
    if (device === undefined) {
      throw new InputError('vmbus', `no device "${name}" was withdrawn before`);
    }
    this.#withdrawn.splice(this.#withdrawn.indexOf(device), 1);
    this.#machine.board.vmbus.offer(device);
  }

  hold(rule: MessageRule, taken?: (message: HeldMessage) => void): MessageHold {
    const waiting: HeldMessage[] = [];
    const active = this.#add(rule, (message) => {
      const copy = { ...message, bytes: message.bytes.slice() };
      const held: HeldMessage = {
        type: TYPE_NAMES.get(message.type) ?? String(message.type),
        channel: channelOf(message),
        deliver: () => {
          const index = waiting.indexOf(held);
          if (index < 0) return;
          waiting.splice(index, 1);
          this.#machine.board.vmbus.deliver(copy);
        },
      };
      waiting.push(held);
      taken?.(held);
    });
    return {
      get held() {
        return [...waiting];
      },
      deliver: (order = 'forward') => {
        const all = order === 'forward' ? [...waiting] : [...waiting].reverse();
        for (const held of all) held.deliver();
      },
      [Symbol.dispose]: active[Symbol.dispose],
    };
  }

  delay(rule: MessageRule & { readonly by: Duration }): Disposable {
    const delayNs = durationNs('by', rule.by);
    return this.#add(rule, (message) => {
      const copy = { ...message, bytes: message.bytes.slice() };
      const { vmbus } = this.#machine.board;
      this.#machine.after(delayNs, () => vmbus.deliver(copy));
    });
  }

  drop(rule: MessageRule): Disposable {
    return this.#add(rule, () => undefined);
  }

  message(type: VmbusMessageName, options?: WaitOptions): Promise<void> {
    const wanted = messageType(type);
    const what = `message ${type} from the guest`;
    return this.#pump.wait<void>(
      {
        what,
        vm: this.#vm,
        withinNs: withinNs(options),
        start: (settle) => {
          const watcher = (seen: number): void => {
            if (seen === wanted) settle();
          };
          this.#messageWatchers.add(watcher);
          return () => this.#messageWatchers.delete(watcher);
        },
      },
      new Error(what),
    );
  }

  credits(limit?: { readonly buffers: number; readonly perMessage: Duration }): void {
    this.#machine.inputs.passBy('a limit on messages');
    this.#machine.board.limitMessages(
      limit && {
        buffers: limit.buffers,
        perMessageNs: durationNs('perMessage', limit.perMessage),
      },
    );
  }

  #add(rule: MessageRule, take: (message: OutgoingMessage) => void): Disposable {
    this.#machine.inputs.passBy('a rule on messages');
    const names = rule.type === undefined ? undefined : [rule.type].flat();
    const types = names?.map((name) => messageType(name));
    const active: ActiveRule = { types, rule, left: rule.times ?? Infinity, take };
    this.#rules.push(active);
    this.#installFilter();
    return {
      [Symbol.dispose]: () => {
        const index = this.#rules.indexOf(active);
        if (index >= 0) this.#rules.splice(index, 1);
        this.#installFilter();
      },
    };
  }

  #installFilter(): void {
    this.#machine.board.vmbus.messageFilter =
      this.#rules.length === 0 ? undefined : (message) => this.#passes(message);
  }

  /** The first rule that a message falls under takes it. */
  #passes(message: OutgoingMessage): boolean {
    const found = this.#rules.find(
      (active) => active.left > 0 && matches(active, message, channelOf(message)),
    );
    if (found === undefined) return true;
    found.left -= 1;
    found.take(message);
    return false;
  }

  #setState(id: number, state: ChannelInfo['state']): void {
    for (const channel of this.#channels) {
      if (channel.id === id && channel.state !== 'rescinded') channel.state = state;
    }
    this.#changed();
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #unknown(name: string, index: number, count: number): InputError {
    if (count > 0) {
      return new InputError('vmbus', `there is no device "${name}" number ${index}, but ${count}`);
    }
    const names = this.#machine.board.vmbus.plugged.map(({ device }) => device.offer.name);
    const all = [...new Set(names)].join(', ');
    return new InputError('vmbus', `no device is called "${name}"; there are ${all}`);
  }
}

function matches(active: ActiveRule, message: OutgoingMessage, channel: number): boolean {
  const { channel: wanted, device } = active.rule;
  if (active.types !== undefined && !active.types.includes(message.type)) return false;
  if (wanted !== undefined && wanted !== channel) return false;
  if (!(device instanceof TestDeviceHandle)) return true;
  return device.channelIds.includes(channel);
}
