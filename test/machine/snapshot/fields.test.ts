/**
 * Holds that no field of the machine's parts is forgotten by a snapshot: a field that changes is named
 * in the `exchange` of its class, or below with the reason why it need not be.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';

const source = resolve(import.meta.dirname, '../../../src');
const FOLDERS = ['hypervisor', 'vmbus', 'devices', 'net'];

/** Classes of which no object outlives a turn with something in it. */
const SCRATCH = [
  'VpSet',
  'Hypercalls',
  'RingPacket',
  'HostPacket',
  'GpaDirectExtension',
  'ScsiTask',
  'DataBuffer',
  'SendInfo',
  'SendOffload',
  'MessageSource',
  'ToeplitzHash',
  'RndisControl',
  'TransmitPath',
  'FrameBatch',
  'ReceiveUnit',
  'WordViews',
];

/** Saved by another class: whose `exchange` has them. */
const SAVED_ELSEWHERE = [
  // By virtual-processor.ts.
  'ArchitecturalMsrs',
  // By slot-state.ts and gpadls.ts; the table follows from the slots.
  'ChannelSlot',
  'SlotTable',
  'Monitors',
  'BusDevice',
  // By `exchangeNumbers` in adapter-state.ts and switch-port.ts.
  'NetvscStatistics',
  'PortCounters',
  // By adapter-state.ts.
  'ReceiveScaling',
];

/** The host's own, outside of the machine: a file that is copied, a capture. */
const OUTSIDE = ['GuestFileCopy', 'PcapngWriter', 'Outbox.filter', 'SwitchPort.tap'];

/** Follows from other state, or is wired when the board is built. */
const DERIVED = [
  'Synic.autoEoiVectors',
  'LocalApic.timer',
  'FloppyDrive.#block',
  'FloppyDrive.#format',
  'TulipAdapter.#ports',
  'TulipAdapter.#mmio',
  'TulipAdapter.#port',
  'TulipAdapter.#gpa',
  'Receiver.#check',
  'SyntheticTimer.#payload',
  'Partition.#external',
  'OverlayPage.u8',
  'OverlayPage.view',
  'OverlayPage.base',
  'RangeList.totalBytes',
  'GpadlTable.#count',
  'GpadlTable.#pages',
  'GpadlTable.#incomplete',
  'HostChannel.isOpen',
  'HostChannel.#extension',
  'HostChannel.#extensionWords',
  'VmbusServer.#epoch',
  'VmbusServer.#message',
  'OfferTable.channels',
  'StorvscController.#bus',
  'NetvscAdapter.#bus',
  'NetvscAdapter.#batchCount',
  'NetvscChannel.#range',
  'NetvscChannel.#completeWords',
  'NvspProtocol.answer',
  'ReceiveSections.#scratch',
  'ReceiveSections.#unused',
  'PciFunction.#masks',
  'IdeController.#ports',
  'IdeController.#masterPort',
  'IdeDrive.#buffer',
  'PacketDrive.#madeTask',
  'SwitchPort.receiver',
  'SwitchPort.owner',
  'SwitchPort.index',
  'VirtualSwitch.#ports',
  'PciBus.#functions',
  'MessageDevice.#message',
  'Gateway.#frame',
  'FrameWriter.bytes',
];

const FREE = new Set([...SCRATCH, ...SAVED_ELSEWHERE, ...OUTSIDE, ...DERIVED]);
const CLASS = /^(?:export )?(?:abstract )?class (\w+)[^{]*\{\n([\s\S]*?)^\}/gm;
const EXCHANGE = /^ {2}(?:override |static )?exchange\([\s\S]*?^ {2}\}/gm;
/** A field that can be assigned. */
const VARIABLE = /^ {2}(?:protected |private )?(#?[a-z]\w*)[!?]?(?:: [^=(\n]+)?(?: = [^\n]*)?;$/gm;
/** A field whose object changes. */
const CONTAINER =
  /^ {2}(?:protected |private )?readonly (#?\w+)(?:: [^=\n]*)? =\s+(?:new (?:Map|Set|\w+Array)\b|\[\])/gm;

it('no field that changes is forgotten by a snapshot', () => {
  const forgotten: string[] = [];
  for (const folder of FOLDERS) {
    const entries = readdirSync(join(source, folder), { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (!entry.name.endsWith('.ts')) continue;
      const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
      for (const [, name, body] of text.matchAll(CLASS)) {
        if (FREE.has(name!)) continue;
        const exchange = [...body!.matchAll(EXCHANGE)].join('\n');
        for (const [, field] of [...body!.matchAll(VARIABLE), ...body!.matchAll(CONTAINER)]) {
          const isSaved = new RegExp(`\\.${field!.replace('#', '\\#')}\\b`).test(exchange);
          if (!isSaved && !FREE.has(`${name}.${field}`)) forgotten.push(`${name}.${field}`);
        }
      }
    }
  }
  expect(forgotten, 'save them in `exchange`, or say in this test why not').toEqual([]);
});
