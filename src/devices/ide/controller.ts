import type { StateStream } from '../../core/state.ts';
import type { InterruptLine, PortBus } from '../../core/bus.ts';
import type { EventQueue } from '../../core/events.ts';
import type { GuestMemory } from '../../core/memory.ts';
import type { Trace } from '../../core/trace.ts';
import type { BlockDevice } from '../../storage/block.ts';
import { BytePortDevice } from '../byte-ports.ts';
import { PciFunction } from '../pci/function.ts';
import {
  PCI_BAR_IO,
  PciClass,
  PciCommand,
  PciRegister,
  PciVendor,
  PIIX4_IDE_ID,
  PIIX4_REVISION,
} from '../pci/spec.ts';
import type { LogicalUnit } from '../scsi/logical-unit.ts';
import { IdeChannel } from './channel.ts';
import { AtaDisk } from './disk.ts';
import { PacketDrive } from './packet-drive.ts';
import {
  BUS_MASTER_CHANNEL_PORTS,
  BUS_MASTER_PORT,
  BUS_MASTER_PORTS,
  COMMAND_BLOCK_PORTS,
  IDE_CHANNELS,
  IdeTiming,
  SLAVE_TIMING,
  ULTRA_DMA_CONTROL,
  ULTRA_DMA_TIMING,
} from './spec.ts';

export interface IdeOptions {
  /** @param irq 14 or 15 */
  readonly line: (irq: number) => InterruptLine;
  readonly events: EventQueue;
  readonly memory: GuestMemory;
  readonly trace: Trace;
}

/** The ports of both bus masters. */
class BusMasterPorts extends BytePortDevice {
  readonly #channels: readonly IdeChannel[];

  constructor(channels: readonly IdeChannel[]) {
    super();
    this.#channels = channels;
  }

  protected override readByte(port: number): number {
    const register = port % BUS_MASTER_CHANNEL_PORTS;
    return this.#channelOf(port).master.readByte(register);
  }

  protected override writeByte(port: number, value: number): void {
    const register = port % BUS_MASTER_CHANNEL_PORTS;
    this.#channelOf(port).master.writeByte(register, value);
  }

  #channelOf(port: number): IdeChannel {
    return this.#channels[(port % BUS_MASTER_PORTS) >> 3]!;
  }
}

/** The IDE function of the PIIX4: two channels at their ISA ports, and bus masters behind BAR 4. */
export class IdeController extends PciFunction {
  readonly #channels: readonly IdeChannel[];
  readonly #masters: BusMasterPorts;
  #ports: PortBus | undefined;
  /** Where the bus masters answer now, 0 for nowhere. */
  #masterPort = 0;

  constructor(options: IdeOptions) {
    super({
      vendorId: PciVendor.intel,
      deviceId: PIIX4_IDE_ID,
      revision: PIIX4_REVISION,
      classCode: PciClass.ide,
      command: PciCommand.io | PciCommand.busMaster,
      commandMask: PciCommand.io | PciCommand.busMaster,
    });
    this.define(PciRegister.bar4, 4, BUS_MASTER_PORT | PCI_BAR_IO, 0xfff0);
    this.define(IdeTiming.primary, 2, IdeTiming.decode, 0xffff);
    this.define(IdeTiming.secondary, 2, IdeTiming.decode, 0xffff);
    this.define(SLAVE_TIMING, 1, 0, 0xff);
    this.define(ULTRA_DMA_CONTROL, 1, 0, 0x0f);
    this.define(ULTRA_DMA_TIMING, 2, 0, 0x3333);
    const { events, memory, trace } = options;
    this.#channels = IDE_CHANNELS.map(
      ({ irq }, index) => new IdeChannel({ index, line: options.line(irq), events, memory, trace }),
    );
    this.#masters = new BusMasterPorts(this.#channels);
  }

  attach(ports: PortBus): void {
    this.#ports = ports;
    for (const [index, { command, control }] of IDE_CHANNELS.entries()) {
      const channel = this.#channels[index]!;
      ports.attach(command, COMMAND_BLOCK_PORTS, channel.commandBlock);
      ports.attach(control, 1, channel.controlBlock);
    }
    this.#decode();
  }

  /** @param channel 0 or 1 @param place 0 or 1 */
  plugInDisk(channel: number, place: number, disk: BlockDevice): void {
    const host = this.#channels[channel]!;
    host.plugIn(place, new AtaDisk(host, disk, channel));
  }

  /** A packet device: a DVD drive. */
  plugInUnit(channel: number, place: number, unit: LogicalUnit): void {
    const host = this.#channels[channel]!;
    host.plugIn(place, new PacketDrive(host, unit));
  }

  /** Where the bus masters answer follows from the registers. */
  override exchange(state: StateStream): void {
    super.exchange(state);
    for (const channel of this.#channels) state.part('channel', () => channel.exchange(state));
    if (state.isRestoring) this.#decode();
  }

  protected override changed(): void {
    this.#decode();
  }

  /** Which ports answer, by the command register, the timing registers and BAR 4. */
  #decode(): void {
    const hasIo = (this.command & PciCommand.io) !== 0;
    for (const [index, channel] of this.#channels.entries()) {
      const timing = this.read(index === 0 ? IdeTiming.primary : IdeTiming.secondary, 2);
      channel.isDecoded = hasIo && (timing & IdeTiming.decode) !== 0;
    }
    const ports = this.#ports;
    const wanted = hasIo ? this.read(PciRegister.bar4, 2) & ~0xf : 0;
    if (ports === undefined || wanted === this.#masterPort) return;
    if (this.#masterPort !== 0) ports.detach(this.#masterPort, BUS_MASTER_PORTS);
    // Over ports that another device has, the masters answer nowhere.
    this.#masterPort = ports.isFree(wanted, BUS_MASTER_PORTS) ? wanted : 0;
    if (this.#masterPort !== 0) ports.attach(wanted, BUS_MASTER_PORTS, this.#masters);
  }
}
