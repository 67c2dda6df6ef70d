/** How a CAM control block ended (FreeBSD sys/cam/cam.h). */
export const CamStatus = {
  completed: 0x01,
  aborted: 0x02,
  completedWithError: 0x04,
  busy: 0x05,
  invalidRequest: 0x06,
  deviceNotThere: 0x08,
  selectionTimeout: 0x0a,
  commandTimeout: 0x0b,
  scsiStatusError: 0x0c,
  busReset: 0x0e,
  provideFail: 0x16,
  unrecoverableAdapterError: 0x19,
  requeueRequest: 0x1b,
} as const;

/** Words that cam_error_print uses. */
export const camStatusText: Readonly<Record<number, string>> = {
  [CamStatus.completed]: 'Command Completed Without Error',
  [CamStatus.aborted]: 'CCB request aborted by the host',
  [CamStatus.completedWithError]: 'CCB request completed with an error',
  [CamStatus.busy]: 'CAM subsystem is busy',
  [CamStatus.invalidRequest]: 'CCB request was invalid',
  [CamStatus.deviceNotThere]: 'Device Not Present',
  [CamStatus.selectionTimeout]: 'Selection Timeout',
  [CamStatus.commandTimeout]: 'Command timeout',
  [CamStatus.scsiStatusError]: 'SCSI Status Error',
  [CamStatus.busReset]: 'SCSI Bus Reset',
  [CamStatus.provideFail]: 'Unable to provide requested capability',
  [CamStatus.unrecoverableAdapterError]: 'Unrecoverable Host Bus Adapter Error',
  [CamStatus.requeueRequest]: 'Unconditionally Re-queue Request',
};

/** errno values that peripheral drivers give. */
export const PeripheralErrno = { EIO: 5, ENXIO: 6, EACCES: 13, ENODEV: 19, EINVAL: 22 } as const;
