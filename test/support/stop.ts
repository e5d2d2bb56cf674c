/** For a connector's stop: as long as it takes, on however busy a machine. */
export const STOP_MS = 60_000;
