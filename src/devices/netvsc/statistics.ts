/** What passed an adapter, as its guest may ask by OID and a script may read. */
export class NetvscStatistics {
  directedFramesTransmitted = 0;
  directedBytesTransmitted = 0;
  multicastFramesTransmitted = 0;
  multicastBytesTransmitted = 0;
  broadcastFramesTransmitted = 0;
  broadcastBytesTransmitted = 0;
  directedFramesReceived = 0;
  directedBytesReceived = 0;
  multicastFramesReceived = 0;
  multicastBytesReceived = 0;
  broadcastFramesReceived = 0;
  broadcastBytesReceived = 0;
  /** RNDIS messages that were refused. */
  transmitErrors = 0;
  /** Frames that found no free section of the receive buffer, or a full ring. */
  receiveNoBuffer = 0;
  /** Frames longer than the guest's MTU. */
  receiveErrors = 0;
  /** Frames that the packet filter keeps out, or that come while RNDIS is not up. */
  receiveFiltered = 0;
  checksumsCompleted = 0;
  /** Units that segments were coalesced to, and the segments in them. */
  coalescedUnits = 0;
  coalescedSegments = 0;
  largeSends = 0;

  /** @param destination position of the frame's destination address */
  countTransmitted(bytes: Uint8Array, destination: number, length: number): void {
    if ((bytes[destination]! & 1) === 0) {
      this.directedFramesTransmitted += 1;
      this.directedBytesTransmitted += length;
    } else if (isBroadcast(bytes, destination)) {
      this.broadcastFramesTransmitted += 1;
      this.broadcastBytesTransmitted += length;
    } else {
      this.multicastFramesTransmitted += 1;
      this.multicastBytesTransmitted += length;
    }
  }

  countReceived(bytes: Uint8Array, destination: number, length: number): void {
    if ((bytes[destination]! & 1) === 0) {
      this.directedFramesReceived += 1;
      this.directedBytesReceived += length;
    } else if (isBroadcast(bytes, destination)) {
      this.broadcastFramesReceived += 1;
      this.broadcastBytesReceived += length;
    } else {
      this.multicastFramesReceived += 1;
      this.multicastBytesReceived += length;
    }
  }

  get framesTransmitted(): number {
    return (
      this.directedFramesTransmitted +
      this.multicastFramesTransmitted +
      this.broadcastFramesTransmitted
    );
  }

  get framesReceived(): number {
    return (
      this.directedFramesReceived + this.multicastFramesReceived + this.broadcastFramesReceived
    );
  }

  get bytesTransmitted(): number {
    return (
      this.directedBytesTransmitted +
      this.multicastBytesTransmitted +
      this.broadcastBytesTransmitted
    );
  }

  get bytesReceived(): number {
    return this.directedBytesReceived + this.multicastBytesReceived + this.broadcastBytesReceived;
  }
}

export function isBroadcast(bytes: Uint8Array, at: number): boolean {
  for (let index = 0; index < 6; index += 1) if (bytes[at + index] !== 0xff) return false;
  return true;
}
