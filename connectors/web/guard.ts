import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { Refusal } from './refusal.ts';

/**
 * Keeps other web sites out of the API.
 *
 * A page elsewhere can make a browser send requests here. The SameSite=Strict cookie stays behind, and on top every
 * request that changes something must name our own origin. DNS rebinding gives a foreign page our address under its own
 * host name; where a name alone signs in (`loopbackOnly`), only the loopback names are served, to a loopback peer.
 */
export function createGuard(loopbackOnly: boolean): RequestHandler {
  return (request: Request, _response: Response, next: NextFunction) => {
    const host = request.headers.host ?? '';
    if (loopbackOnly && !(isLoopbackHost(host) && isLoopbackAddress(request.socket.remoteAddress))) {
      throw new Refusal(421, 'host_refused', 'This page is served to this computer only, as http://127.0.0.1.');
    }
    const changes = request.method !== 'GET' && request.method !== 'HEAD';
    if (changes && !isOwn(request.headers.origin, request.host)) {
      throw new Refusal(403, 'origin_refused', 'This request came from another site.');
    }
    next();
  };
}

function isLoopbackHost(host: string): boolean {
  return /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host);
}

function isLoopbackAddress(address: string | undefined): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address ?? '');
}

/** HTTP/1.0 may leave the host out, whatever Express' types say: then no origin is our own. */
function isOwn(origin: string | undefined, host: string | undefined): boolean {
  return host !== undefined && hostOf(origin) === host.toLowerCase();
}

/**
 * Host and port only: behind a proxy that ends TLS the browser says https and we see http. A proxy that changes Host must
 * send X-Forwarded-Host and be trusted (`trust proxy`), which `request.host` then follows.
 */
function hostOf(origin: string | undefined): string | null {
  if (origin === undefined || !URL.canParse(origin)) return null;
  return new URL(origin).host;
}
