import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { MongoClient } from 'mongodb';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createMongoClient } from '../../src/mongo-client.ts';

/** Node says of every connection that this process makes. */
const SOCKETS = 'net.client.socket';

let client: MongoClient;
let sockets: Socket[];
const keep = (message: unknown) => sockets.push((message as { socket: Socket }).socket);

beforeEach(async () => {
  sockets = [];
  subscribe(SOCKETS, keep);
  client = createMongoClient(inject('mongodb_uri'));
  await client.connect();
  await ping();
});

afterEach(async () => {
  unsubscribe(SOCKETS, keep);
  await client.close(true);
});

const ping = () => client.db('admin').collection('nothing').findOne();

/** As when MongoDB ends them all, in the moment before their `close`. */
function breakSockets(): void {
  for (const socket of sockets.splice(0)) socket.destroy();
}

test('a command that is written as its connection ends is not waited for', async () => {
  breakSockets();
  expect(await ping()).toBeNull();
});

test('a command is not waited for when its connection breaks under it', async () => {
  const asked = ping();
  for (const socket of sockets.splice(0)) socket.destroy(new Error('broken'));
  expect(await asked).toBeNull();
});

test('a monitor that asks as its connection ends looks for MongoDB again', async () => {
  client.once('serverHeartbeatStarted', breakSockets);
  await once(client, 'serverHeartbeatFailed');
  await once(client, 'serverHeartbeatSucceeded');
  await ping();
});
