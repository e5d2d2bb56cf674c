import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { sendBytes } from '../../connectors/slack/upload.ts';
import { PostRefusedError } from '../../src/chat/connector.ts';

const signal = AbortSignal.timeout(60_000);

async function answering(listener: RequestListener): Promise<AsyncDisposable & { address: string }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}/upload`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

/** Bytes that come as long as somebody takes them, and whether that is over. */
function endless(): { pieces: AsyncIterable<Uint8Array>; over: Promise<void> } {
  let end: () => void = () => undefined;
  const over = new Promise<void>((resolve) => {
    end = resolve;
  });
  async function* pieces(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) yield Buffer.alloc(64 * 1024);
    } finally {
      end();
    }
  }
  return { pieces: pieces(), over };
}

it('the bytes of a file are no longer read when Slack refuses them before it has them all', async () => {
  await using far = await answering((_request, response) => response.writeHead(413).end());
  const { pieces, over } = endless();
  const refused = await sendBytes(far.address, 2 ** 40, pieces, signal).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(PostRefusedError);
  expect(refused).toMatchObject({ reason: 'Slack answered 413 to its bytes' });
  await over;
});
