/** What a network adapter and the network see of each other. */

/** Hears frames. One object for each adapter or host service. */
export interface FrameReceiver {
  /**
   * A frame arrived. Its bytes are valid during the call only.
   * @param facts `FrameFact` of inspect.ts, or 0 when nobody looked
   */
  frame(bytes: Uint8Array, start: number, length: number, facts: number): void;
  /** After the last frame of a moment: time to tell the guest. */
  framesEnd(): void;
  /** The cable was pulled or plugged in. */
  linkChanged(isUp: boolean): void;
}

/** An adapter's place on a network. */
export interface PacketLink {
  /** False while the cable is pulled: frames go nowhere. */
  readonly isUp: boolean;
  readonly bitsPerSecond: number;
  /** Who hears the frames; undefined for nobody. */
  receiver: FrameReceiver | undefined;
  /**
   * Sends a frame, without preamble and check sequence. The bytes are copied before it returns.
   * @param length 14 to `MAX_FRAME_BYTES`; any other is dropped and counted
   */
  send(bytes: Uint8Array, start: number, length: number): void;
}
