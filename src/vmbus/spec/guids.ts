/** Well-known class and instance GUIDs (hyperv-host.md 2.2 "GUIDs"; freebsd-bis.md 2.4). */

/** Class ("interface") GUIDs. */
export const DeviceClass = {
  scsi: 'ba6163d9-04a1-4d29-b605-72e2ffb1dc7f',
  ide: '32412632-86cb-44a2-9b5c-50d1417354f5',
  network: 'f8615163-df3e-46c5-913f-f2d2f965ed0e',
  keyboard: 'f912ad6d-2b17-48ea-bd65-f927a61c7684',
  mouse: 'cfa8b69e-5b4a-4cc0-b98b-8ba1a1f3f95a',
  video: 'da0a7802-e377-4aac-8e77-0558eb1073f8',
  shutdown: '0e0b6031-5213-4934-818b-38d90ced39db',
  keyValuePair: 'a9a0f4e7-5a45-4d96-b827-8a841e8c03e6',
  timeSync: '9527e630-d0ae-497b-adce-e80ab0175caf',
  heartbeat: '57164f39-9115-4e78-ab55-382f3bd5422d',
  volumeShadowCopy: '35fa2e29-ea23-4236-96ae-3a6ebacba440',
  guestFileCopy: '34d14be3-dee4-41c8-9ae7-6b174977c192',
  dynamicMemory: '525074dc-8985-46e2-8057-a307dc18a502',
  remoteDesktop: '276aacf4-ac15-426c-98dd-7521ad3f01fe',
  activation: 'f8e65716-3cb3-4a06-9a60-1889c5cccab5',
  inheritedActivation: '3375baf4-9e15-4b30-b765-67acb10d607b',
  pci: '44c4f61d-4444-4400-9d52-802e27ede19f',
  fibreChannel: '2f9bcc4a-0069-4af3-b76b-6fd0be528cda',
  networkDirect: '8c2eaf3d-32a7-4b09-ab99-bd1f1c86b501',
} as const;

/** Instance GUIDs of devices that exist once. */
export const DeviceInstance = {
  keyboard: 'd34b2567-b9b6-42b9-8778-0a4ec0b955bf',
  mouse: '58f75a6d-d949-4320-99e1-a2a2576d581c',
  video: '5620e0c7-8062-4dce-aeb7-520c7ef76171',
  shutdown: 'b6650ff7-33bc-4840-8048-e0676786f393',
  keyValuePair: '242ff919-07db-4180-9c2e-b86cb68c8c55',
  timeSync: '2dd1ce17-079e-403c-b352-a1921ee207ee',
  heartbeat: 'fd149e91-82e0-4a7d-afa6-2a4166cbd7c0',
  volumeShadowCopy: '2450ee40-33bf-4fbd-892e-9fb06e9214cf',
  guestFileCopy: 'eb765408-105f-49b6-b4aa-c123b64d17d4',
  activation: '99221fa0-24ad-11e2-be98-001aa01bbf6e',
} as const;

/** Instance GUID of the accelerator of an IDE disk, by IDE channel and device on it. */
export function ideInstance(channel: number, device: number): string {
  const channelDigits = channel.toString(16).padStart(8, '0');
  const deviceDigits = device.toString(16).padStart(4, '0');
  return `${channelDigits}-${deviceDigits}-8899-0000-000000000000`;
}
