/** Ethernet frames (IEEE 802.3-2018 clause 3) and VLAN tags (IEEE 802.1Q-2018 9.6). */
import { bytes, openEnum, struct, u16be } from '../../core/wire.ts';

export const EtherType = {
  ipv4: 0x0800,
  arp: 0x0806,
  vlan: 0x8100,
  ipv6: 0x86dd,
  /** The outer tag of two. */
  serviceVlan: 0x88a8,
} as const;
export const etherType = openEnum(u16be, EtherType);

export const EthernetHeader = struct('EthernetHeader', 14, {
  destination: bytes(6),
  source: bytes(6),
  type: etherType,
});

/** Stands between the source address and the type that it pushes back. */
export const VlanTag = struct('VlanTag', 4, {
  protocol: etherType,
  /** Priority in bits 15:13, drop eligible in bit 12, VLAN id in bits 11:0. */
  control: u16be,
});

export const MAC_BYTES = 6;
export const ETHERNET_BYTES = EthernetHeader.size;
export const VLAN_TAG_BYTES = VlanTag.size;
/** Where the type of a frame without tags stands. */
export const TYPE_AT = EthernetHeader.offset.type;
export const MAX_VLAN_ID = 4094;
/** Largest frame that a port takes: an MTU of 9216, which FreeBSD's driver may ask for, and a tag. */
export const MAX_FRAME_BYTES = 9216 + ETHERNET_BYTES + VLAN_TAG_BYTES;
