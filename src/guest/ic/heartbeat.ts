import { HeartbeatMessage, HeartbeatVersion } from '../../devices/heartbeat/spec.ts';
import { IcMessageType } from '../../devices/ic/spec.ts';
import type { IcService } from './component.ts';
import type { IcMessage } from './message.ts';

/** The sequence number alone is what the driver asks to be there. */
const NEEDED_BYTES = HeartbeatMessage.offset.health;

/** Every two seconds: the sequence number, plus one. */
export class HeartbeatService implements IcService {
  readonly type = IcMessageType.is.heartbeat;
  readonly messageVersion = HeartbeatVersion.v3;
  /** Beats answered. */
  beats = 0;

  request(message: IcMessage): undefined {
    if (message.bodyLength < NEEDED_BYTES) return;
    const beat = HeartbeatMessage.cursor(message.view).at(message.bodyStart);
    beat.sequence += 1n;
    this.beats += 1;
  }
}
