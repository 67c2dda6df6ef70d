import { SRB_STATUS_MASK, SrbStatus } from '../scsi/spec.ts';
import { VstorStatus } from './spec.ts';

/** The NTSTATUS in a completion's header, which follows from its SRB status. */
export function ntStatusOf(srbStatus: number): number {
  switch (srbStatus & SRB_STATUS_MASK) {
    case SrbStatus.success:
      return VstorStatus.is.success;
    case SrbStatus.busy:
      return VstorStatus.is.deviceBusy;
    case SrbStatus.invalidLun:
    case SrbStatus.invalidTargetId:
    case SrbStatus.noDevice:
      return VstorStatus.is.deviceDoesNotExist;
    case SrbStatus.timeout:
    case SrbStatus.commandTimeout:
      return VstorStatus.is.ioTimeout;
    case SrbStatus.selectionTimeout:
      return VstorStatus.is.deviceNotConnected;
    case SrbStatus.badFunction:
    case SrbStatus.badSrbBlockLength:
      return VstorStatus.is.invalidDeviceRequest;
    case SrbStatus.dataOverrun:
      return VstorStatus.is.bufferOverflow;
    case SrbStatus.requestFlushed:
      return VstorStatus.is.unsuccessful;
    case SrbStatus.aborted:
      return VstorStatus.is.cancelled;
    default:
      return VstorStatus.is.ioDeviceError;
  }
}
