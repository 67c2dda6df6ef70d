import type { OfferProperties } from '../../vmbus/device.ts';
import { OfferFlag, PipeUserDefined, pipeType } from '../../vmbus/spec/offers.ts';

/** `pipe`: every packet begins with the pipe header; `plain`: the packet is the message. */
export type Framing = 'pipe' | 'plain';

export interface MessageOffer {
  readonly name: string;
  readonly interfaceId: string;
  readonly instanceId: string;
  readonly framing: Framing;
  /** Place among the offers, see `OfferProperties.order`. */
  readonly order: number;
  readonly mmioMegabytes?: number;
}

/** The offer of a device that exchanges messages, and moves no bulk data. */
export function messageOffer(of: MessageOffer): OfferProperties {
  const isPipe = of.framing === 'pipe';
  const userDefined = new Uint8Array(isPipe ? PipeUserDefined.size : 0);
  if (isPipe) {
    PipeUserDefined.cursor(new DataView(userDefined.buffer)).pipeType = pipeType.is.message;
  }
  return {
    name: of.name,
    interfaceId: of.interfaceId,
    instanceId: of.instanceId,
    flags: OfferFlag.enumerateDeviceInterface | (isPipe ? OfferFlag.namedPipeMode : 0),
    mmioMegabytes: of.mmioMegabytes ?? 0,
    mmioMegabytesOptional: 0,
    userDefined,
    order: of.order,
  };
}
