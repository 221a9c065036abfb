/** How streams share one connection. */
import type { Stream } from "@libp2p/interface";
import { StreamState, YamuxStream } from "@libp2p/yamux/stream";

/**
 * Members run this software with these values: the muxer does not negotiate the first window. 4 MiB carries 40 MB/s
 * over a round trip of 100 ms.
 */
const window = 4 * 1024 * 1024;
/** Options of the yamux muxer. */
export const muxing = {
  enableKeepAlive: false,
  maxInboundStreams: 32,
  maxOutboundStreams: 32,
  streamOptions: { initialStreamWindowSize: window, maxStreamWindowSize: window, maxReadBufferLength: 2 * window },
};

/**
 * yamux answers every frame of data with a frame that opens the window again: a small message would cost two packets.
 * A long-lived stream opens it only when half of it is used up.
 */
export function openWindowByHalves(stream: Stream): void {
  if (!(stream instanceof YamuxStream)) return;
  const open = stream.sendWindowUpdate.bind(stream);
  let used = 0;
  stream.addEventListener("message", ({ data }) => {
    used += data.byteLength;
  });
  stream.sendWindowUpdate = () => {
    if (stream.state === StreamState.Established && used < window / 2) return;
    used = 0;
    open();
  };
}
