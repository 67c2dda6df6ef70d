import type { IcDevice } from '../../../src/devices/ic/ic-device.ts';
import { IcHeader } from '../../../src/devices/ic/spec.ts';
import { MessageGuest } from './message-guest.ts';

export interface IcRequest {
  readonly bytes: Uint8Array;
  readonly header: ReturnType<typeof IcHeader.cursor>;
  readonly body: Uint8Array;
  readonly view: DataView;
}

/** A guest's side of an integration component, which answers in place as FreeBSD and Linux do. */
export class IcGuest<Device extends IcDevice> extends MessageGuest<Device> {
  /** Versions that the host proposed last, framework versions first. */
  proposed: number[] = [];

  /** Opens the channel and answers the proposal with these versions. */
  negotiate(framework: number, message: number): this {
    this.open().pass(1_000_000);
    return this.choose(framework, message);
  }

  /** Answers a proposal that has come; a version of 0 answers that none will do. */
  choose(framework: number, message: number): this {
    const proposal = this.request();
    const counts = proposal.view.getUint16(20, true) + proposal.view.getUint16(22, true);
    this.proposed = Array.from({ length: counts }, (_, index) => {
      const at = 28 + index * 4;
      return proposal.view.getUint16(at, true) * 65_536 + proposal.view.getUint16(at + 2, true);
    });
    const answer = proposal.bytes.slice(0, 36);
    const view = new DataView(answer.buffer);
    const found = framework === 0 ? 0 : 1;
    view.setUint16(20, found, true);
    view.setUint16(22, found, true);
    for (const [index, version] of [framework, message].entries()) {
      view.setUint16(28 + index * 4, version >>> 16, true);
      view.setUint16(30 + index * 4, version & 0xffff, true);
    }
    view.setUint16(10, 16, true);
    view.setUint8(17, 5);
    return this.say(answer);
  }

  /** The host's next message; throws when there is none. */
  request(): IcRequest {
    const bytes = this.hear();
    if (bytes === undefined) throw new Error('the host said nothing');
    const view = new DataView(bytes.buffer);
    const header = IcHeader.cursor(view).at(0);
    return { bytes, header, body: bytes.slice(IcHeader.size), view };
  }

  /** Answers a request with its own bytes, changed. */
  answer(request: IcRequest, status = 0, change: (body: DataView) => void = () => undefined): this {
    const bytes = request.bytes.slice();
    const view = new DataView(bytes.buffer);
    view.setUint32(12, status, true);
    view.setUint8(17, 5);
    change(new DataView(bytes.buffer, IcHeader.size));
    return this.say(bytes);
  }
}
