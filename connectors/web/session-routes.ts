import { type NextFunction, type Request, type Response, Router } from 'express';
import type { Person } from '../../src/chat/place.ts';
import { signInBody } from './parse.ts';
import { parseInput, Refusal } from './refusal.ts';
import { personNamed, SIGN_IN_MS } from './sign-in.ts';
import type { WebDeps } from './web-deps.ts';
import type { SessionInfo } from './wire.ts';

const COOKIE = 'deckhand_session';

/** Sign in, sign out, who am I: `/web/session`. */
export function createSessionRouter(deps: WebDeps): Router {
  const router = Router();

  router.get('/session', async (request, response) => {
    const info: SessionInfo = {
      person: await signedIn(deps, request),
      key_required: deps.key_required,
      stand_in: deps.stand_in,
      examples: deps.examples,
    };
    response.json(info);
  });

  router.post('/session', async (request, response) => {
    const body = parseInput(signInBody, request.body);
    if (deps.key_required && !(await deps.verifyKey(body.key ?? ''))) {
      throw new Refusal(401, 'key_refused', body.key ? 'That API key is not valid.' : 'The API key is required.');
    }
    const person = personNamed(body.name);
    const token = await deps.signIns.open(person);
    response.cookie(COOKIE, token, cookieOptions(request)).json({ person });
  });

  router.delete('/session', async (request, response) => {
    const token = tokenOf(request);
    if (token !== null) await deps.signIns.close(token);
    response.clearCookie(COOKIE, cookieOptions(request)).status(204).end();
  });

  return router;
}

/** Puts the person into `response.locals`, or answers 401. */
export function requirePerson(deps: WebDeps) {
  return async (request: Request, response: Response, next: NextFunction): Promise<void> => {
    const person = await signedIn(deps, request);
    if (person === null) throw new Refusal(401, 'signed_out', 'Sign in first.');
    response.locals['person'] = person;
    next();
  };
}

/** After `requirePerson`. */
export function personOf(response: Response): Person {
  return response.locals['person'] as Person;
}

export async function signedIn(deps: Pick<WebDeps, 'signIns'>, request: Request): Promise<Person | null> {
  const token = tokenOf(request);
  return token === null ? null : deps.signIns.personOf(token);
}

function cookieOptions(request: Request) {
  return { httpOnly: true, sameSite: 'strict', secure: request.secure, path: '/', maxAge: SIGN_IN_MS } as const;
}

function tokenOf(request: Request): string | null {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const [name, value] = pair.trim().split('=', 2);
    if (name === COOKIE && value) return value;
  }
  return null;
}
