import type { StateStream } from '../../core/state.ts';
import { u64be, u8, bytes, struct } from '../../core/wire.ts';
import { ScsiOperation, ScsiStatus, Sense, SrbStatus } from './spec.ts';
import { DataDirection, type ScsiTask } from './task.ts';

/** PERSISTENT RESERVE OUT parameter list, SPC-4 6.16.3. */
const ReserveOutList = struct('ReserveOutList', 24, {
  key: u64be,
  serviceActionKey: u64be,
  obsolete: bytes(4),
  flags: u8,
  reserved: bytes(3),
});

const ReserveIn = { readKeys: 0, readReservation: 1, reportCapabilities: 2, readFullStatus: 3 };
const ReserveOut = {
  register: 0,
  reserve: 1,
  release: 2,
  clear: 3,
  preempt: 4,
  preemptAndAbort: 5,
  registerAndIgnore: 6,
};

/** SPC-4 table 66: write exclusive, exclusive access; both for registrants only; both for all. */
const reservationTypes: readonly number[] = [1, 3, 5, 6, 7, 8];

/**
 * Persistent reservations of a shared disk, SPC-4 5.13. One guest is one I_T nexus, so there is one
 * registration at most; what another host of the cluster holds cannot be seen from inside one VM.
 */
export class Reservations {
  #generation = 0;
  /** The nexus' registered key, 0n for none. */
  #key = 0n;
  /** The type of the reservation that this nexus holds, 0 for none. */
  #type = 0;

  exchange(state: StateStream): void {
    this.#generation = state.number('generation', this.#generation);
    this.#key = state.wide('key', this.#key);
    this.#type = state.number('type', this.#type);
  }

  execute(task: ScsiTask): void {
    if (task.operation === ScsiOperation.persistentReserveIn) this.#in(task);
    else this.#out(task);
  }

  #in(task: ScsiTask): void {
    const allocation = task.cdb16(7);
    if (allocation > task.data.length || allocation < 8) {
      task.illegal(Sense.invalidFieldInCdb);
      return;
    }
    const { scratch, scratchView: view } = task;
    scratch.fill(0, 0, 64);
    view.setUint32(0, this.#generation);
    switch (task.cdb[1]! & 0x1f) {
      case ReserveIn.readKeys:
        if (this.#key !== 0n) {
          view.setUint32(4, 8);
          view.setBigUint64(8, this.#key);
        }
        task.reply(this.#key === 0n ? 8 : 16, allocation);
        return;
      case ReserveIn.readReservation:
        if (this.#type !== 0) {
          view.setUint32(4, 16);
          view.setBigUint64(8, this.#holderKey);
          scratch[21] = this.#type;
        }
        task.reply(this.#type === 0 ? 8 : 24, allocation);
        return;
      case ReserveIn.reportCapabilities:
        view.setUint32(0, 0);
        view.setUint16(0, 8);
        // ATP_C; TMV; every type of the table.
        scratch[2] = 0x04;
        scratch[3] = 0x80;
        scratch[4] = 0xea;
        scratch[5] = 0x01;
        task.reply(8, allocation);
        return;
      case ReserveIn.readFullStatus:
        if (this.#key !== 0n) {
          view.setUint32(4, 24);
          view.setBigUint64(8, this.#key);
          // ALL_TG_PT, and R_HOLDER with the type.
          scratch[20] = this.#type === 0 ? 0x02 : 0x03;
          scratch[21] = this.#type;
        }
        task.reply(this.#key === 0n ? 8 : 32, allocation);
        return;
      default:
        task.illegal(Sense.invalidFieldInCdb);
    }
  }

  /** An all-registrants reservation reports key 0. */
  get #holderKey(): bigint {
    return this.#type >= 7 ? 0n : this.#key;
  }

  #out(task: ScsiTask): void {
    const action = task.cdb[1]! & 0x1f;
    if (task.cdb32(5) !== ReserveOutList.size || task.data.length < ReserveOutList.size) {
      task.illegal(Sense.parameterListLength);
      return;
    }
    if (task.direction !== DataDirection.out) {
      task.illegal(Sense.invalidFieldInCdb);
      return;
    }
    task.data.read(0, task.scratch, 0, ReserveOutList.size);
    const list = ReserveOutList.cursor(task.scratchView).at(0);
    if ((list.flags & 0x08) !== 0) {
      // SPEC_I_PT names other initiators, and there are none.
      task.illegal(Sense.invalidFieldInParameterList);
      return;
    }
    if (action !== ReserveOut.registerAndIgnore && list.key !== this.#key) {
      task.failPlain(ScsiStatus.reservationConflict, SrbStatus.error);
      return;
    }
    if (this.#act(task, action, task.cdb[2]!, list.serviceActionKey)) {
      task.good(ReserveOutList.size);
    }
  }

  /** @returns false when it has answered the command itself */
  #act(task: ScsiTask, action: number, scopeAndType: number, newKey: bigint): boolean {
    const type = scopeAndType & 0x0f;
    const isTypeNeeded = action !== ReserveOut.clear && action !== ReserveOut.register;
    if (isTypeNeeded && action !== ReserveOut.registerAndIgnore) {
      if (scopeAndType >> 4 !== 0 || !reservationTypes.includes(type)) {
        task.illegal(Sense.invalidFieldInCdb);
        return false;
      }
    }
    switch (action) {
      case ReserveOut.register:
      case ReserveOut.registerAndIgnore:
        this.#key = newKey;
        if (newKey === 0n) this.#type = 0;
        this.#generation = (this.#generation + 1) >>> 0;
        return true;
      case ReserveOut.reserve:
        if (this.#key === 0n || (this.#type !== 0 && this.#type !== type)) {
          task.failPlain(ScsiStatus.reservationConflict, SrbStatus.error);
          return false;
        }
        this.#type = type;
        return true;
      case ReserveOut.release:
        if (this.#type !== 0 && this.#type !== type) {
          task.illegal(Sense.invalidReleaseOfReservation);
          return false;
        }
        this.#type = 0;
        return true;
      case ReserveOut.clear:
        this.#key = 0n;
        this.#type = 0;
        this.#generation = (this.#generation + 1) >>> 0;
        return true;
      case ReserveOut.preempt:
      case ReserveOut.preemptAndAbort:
        if (this.#key === 0n || newKey !== this.#key) {
          task.failPlain(ScsiStatus.reservationConflict, SrbStatus.error);
          return false;
        }
        this.#type = type;
        this.#generation = (this.#generation + 1) >>> 0;
        return true;
      default:
        task.illegal(Sense.invalidFieldInCdb);
        return false;
    }
  }
}
