/** GUIDs of UEFI 2.10 (and the two of Hyper-V's firmware) that the tables name. */

export const EfiGuid = {
  /** 3.3: the namespace of the variables that the specification defines. */
  globalVariable: '8be4df61-93ca-11d2-aa0d-00e098032b8c',
  /** 4.6.1, configuration tables. */
  acpi20Table: '8868e871-e4f1-11d3-bc22-0080c73c8881',
  acpi10Table: 'eb9d2d30-2d88-11d3-9a16-0090273fc14d',
  smbios3Table: 'f2fd1544-9794-4a2c-992e-e5bbcf20e394',
  /** 9.1 to 12.9, protocols. */
  loadedImage: '5b1b31a1-9562-11d2-8e3f-00a0c969723b',
  loadedImageDevicePath: 'bc62157e-3e33-4fec-9920-2d3b36d750df',
  devicePath: '09576e91-6d3f-11d2-8e39-00a0c969723b',
  simpleTextInput: '387477c1-69c7-11d2-8e39-00a0c969723b',
  simpleTextOutput: '387477c2-69c7-11d2-8e39-00a0c969723b',
  graphicsOutput: '9042a9de-23dc-4a38-96fb-7aded080516a',
  blockIo: '964e5b21-6459-11d2-8e39-00a0c969723b',
  simpleFileSystem: '964e5b22-6459-11d2-8e39-00a0c969723b',
  /** EDK2's mark on the handle that is the console. */
  consoleOutDevice: 'd3b36f2c-d551-11d4-9a46-0090273fc14d',
  /** Vendor node of a VMBus channel in the device paths of Hyper-V's firmware. */
  vmbusDevicePath: '9b17e5a2-0891-42dd-b653-80b5c22809ba',
  /** Class of a synthetic SCSI controller on VMBus. */
  vmbusScsi: 'ba6163d9-04a1-4d29-b605-72e2ffb1dc7f',
} as const;
