import { access } from 'node:fs/promises';
import { join } from 'node:path';
import express, { type RequestHandler, type Response, Router } from 'express';

/**
 * What the page may do: run and style itself from this origin and talk to this origin. Nothing inline, no frames, no
 * pictures from elsewhere (an address in a model's answer could carry a secret away).
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "manifest-src 'self'",
  "base-uri 'none'",
  "form-action 'self'",
  "frame-ancestors 'none'",
].join('; ');

const YEAR_S = 31_536_000;

/** For everything the web connector answers, the API included. */
export const securityHeaders: RequestHandler = (_request, response, next) => {
  response.set({
    'content-security-policy': CONTENT_SECURITY_POLICY,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  });
  next();
};

/**
 * The built page: `/` and `/c/<conversation>` are its HTML, `/assets/` its hashed files, which never change.
 * @param directory what `vite build` wrote.
 */
export function createPageRouter(directory: string, guard: RequestHandler): Router {
  const router = Router();

  router.get(['/', '/c/:conversation'], securityHeaders, guard, async (_request, response) => {
    await sendPage(response, directory);
  });

  router.use(
    '/assets',
    securityHeaders,
    express.static(join(directory, 'assets'), { index: false, immutable: true, maxAge: YEAR_S * 1_000 }),
  );

  for (const file of ['favicon.svg', 'theme.js']) {
    router.get(`/${file}`, securityHeaders, (_request, response) => {
      response.sendFile(file, { root: directory, cacheControl: false, headers: { 'cache-control': 'no-cache' } });
    });
  }
  return router;
}

async function sendPage(response: Response, directory: string): Promise<void> {
  try {
    await access(join(directory, 'index.html'));
  } catch {
    response.status(503).type('text').send('The page is not built yet. Run `npm run build` and reload.\n');
    return;
  }
  // The HTML names the hashed files, so it must always be asked for again.
  response.sendFile('index.html', {
    root: directory,
    cacheControl: false,
    headers: { 'cache-control': 'no-cache' },
  });
}
