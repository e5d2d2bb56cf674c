/** How one connection's bytes are read: what a gate must know of a protocol. Made anew for each connection. */
export interface Wire<Command> {
  /** Bytes that the first message of the client's takes; null while that cannot be told. May be more than there are. */
  requestSize(bytes: Buffer): number | null;
  /** The same for the service's. */
  answerSize(bytes: Buffer): number | null;
  /** The number by which the answer to this message of the client's will name it; null: not a command. Once per message. */
  asked(request: Buffer): number | null;
  /** What such a message asks for. */
  commandOf(request: Buffer): Command;
  /** The number of the command that this message of the service's answers; null: nobody asked for it. */
  answered(answer: Buffer): number | null;
}

/** Cuts a stream of bytes into whole messages, as they become whole. */
export function messagesOf(sizeOf: (bytes: Buffer) => number | null, onMessage: (message: Buffer) => void) {
  let chunks: Buffer[] = [];
  let length = 0;
  let wanted = 1;
  return (chunk: Buffer): void => {
    chunks.push(chunk);
    length += chunk.length;
    // A long message comes in many pieces: they are put together once, when all are there.
    if (length < wanted) return;
    let bytes = Buffer.concat(chunks);
    let size = sizeOf(bytes);
    while (size !== null && size <= bytes.length) {
      onMessage(bytes.subarray(0, size));
      bytes = bytes.subarray(size);
      size = sizeOf(bytes);
    }
    chunks = [bytes];
    length = bytes.length;
    wanted = size ?? length + 1;
  };
}
