import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { SlackClock } from './clock.ts';

/** Slack waits this long for an acknowledgement (docs.slack.dev/apis/events-api). */
export const ACK_MS = 3_000;

/** What came of one delivery to the app. */
export interface Acknowledgement {
  acked: boolean;
  /** What the app answered with it: a view's errors, a command's reply. */
  payload?: unknown;
}

export interface Envelope {
  type: 'events_api' | 'interactive' | 'slash_commands';
  payload: unknown;
  retry_attempt?: number;
  retry_reason?: string;
}

export interface SocketMode {
  /** Open connections. */
  readonly size: number;
  /** The one-time address for the next connection. */
  issueUrl(host: string): string;
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /**
   * Send to one connection, each in its turn, and wait for its ack, its end, or `wait_ms` of the clock: Slack's three
   * seconds unless a test asks only whether it comes.
   */
  send(envelope: Envelope, wait_ms?: number): Promise<Acknowledgement>;
  /** Send to every connection at the same moment, as Slack does not: it delivers to another what one did not acknowledge. */
  sendToEach(envelope: Envelope): Promise<Acknowledgement[]>;
  /** Send this text, whatever it is, and wait for nothing. */
  sendText(text: string): Promise<void>;
  /** Ask every client to come again on a new connection, as Slack does every few hours; the old one is then closed. */
  refresh(): void;
  /** Cut every connection without a word. */
  cut(): void;
  close(): Promise<void>;
}

function textOf(data: unknown): string {
  return Buffer.isBuffer(data) ? data.toString('utf8') : String(data);
}

export function createSocketMode(clock: SlackClock, nextId: (prefix: string) => string): SocketMode {
  const server = new WebSocketServer({ noServer: true });
  const tickets = new Set<string>();
  const sockets = new Set<WebSocket>();
  const pending = new Map<string, { socket: WebSocket; settle(ack: Acknowledgement): void }>();
  const arrivals = new Set<() => void>();

  function adopt(socket: WebSocket): void {
    sockets.add(socket);
    socket.on('message', (data) => {
      const { envelope_id: id, payload }: { envelope_id: string; payload?: unknown } = JSON.parse(textOf(data));
      pending.get(id)?.settle({ acked: true, payload });
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      sockets.delete(socket);
      for (const waiting of pending.values()) if (waiting.socket === socket) waiting.settle({ acked: false });
    });
    socket.send(
      JSON.stringify({ type: 'hello', num_connections: sockets.size, connection_info: { app_id: 'A0DECKHAND' } }),
    );
    for (const arrived of arrivals) arrived();
  }

  /** Guess: Slack keeps what it has to say for a moment when no connection stands. */
  function anySocket(): Promise<WebSocket | undefined> {
    const [socket] = sockets;
    if (socket !== undefined) {
      // The next event goes to the next connection.
      sockets.delete(socket);
      sockets.add(socket);
      return Promise.resolve(socket);
    }
    return new Promise((resolve) => {
      const done = () => {
        cancel();
        arrivals.delete(done);
        resolve([...sockets][0]);
      };
      const cancel = clock.after(ACK_MS, done);
      arrivals.add(done);
    });
  }

  function sendTo(socket: WebSocket, envelope: Envelope, wait_ms: number): Promise<Acknowledgement> {
    const id = nextId('envelope');
    return new Promise((resolve) => {
      const settle = (ack: Acknowledgement) => {
        cancel();
        pending.delete(id);
        resolve(ack);
      };
      const cancel = clock.after(wait_ms, () => settle({ acked: false }));
      pending.set(id, { socket, settle });
      socket.send(
        JSON.stringify({ envelope_id: id, accepts_response_payload: envelope.type !== 'events_api', ...envelope }),
      );
    });
  }

  return {
    get size() {
      return sockets.size;
    },
    issueUrl(host) {
      const ticket = nextId('ticket');
      tickets.add(ticket);
      return `ws://${host}/link/?ticket=${ticket}&app_id=A0DECKHAND`;
    },
    upgrade(request, socket, head) {
      const ticket = new URL(request.url ?? '/', 'http://slack').searchParams.get('ticket') ?? '';
      if (!tickets.delete(ticket)) {
        socket.destroy();
        return;
      }
      server.handleUpgrade(request, socket, head, adopt);
    },
    async send(envelope, wait_ms = ACK_MS) {
      const socket = await anySocket();
      return socket === undefined ? { acked: false } : sendTo(socket, envelope, wait_ms);
    },
    sendToEach: (envelope) => Promise.all([...sockets].map((socket) => sendTo(socket, envelope, ACK_MS))),
    async sendText(text) {
      const socket = await anySocket();
      socket?.send(text);
    },
    refresh() {
      for (const socket of sockets) socket.send(JSON.stringify({ type: 'disconnect', reason: 'refresh_requested' }));
    },
    cut() {
      for (const socket of sockets) socket.terminate();
    },
    async close() {
      for (const socket of sockets) socket.terminate();
      for (const waiting of pending.values()) waiting.settle({ acked: false });
      for (const arrived of arrivals) arrived();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    },
  };
}
