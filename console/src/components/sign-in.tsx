import { type FormEvent, useEffect, useId, useRef, useState } from 'react';
import type { SessionInfo } from '../../../connectors/web/wire.ts';
import { api } from '../api.ts';
import { readName, writeName } from '../storage.ts';
import { Mark } from './icon.tsx';

/** Asks who is there; beyond this computer also for the API key. */
export function SignIn({ session, onSignedIn }: { session: SessionInfo; onSignedIn: () => void }) {
  const [name, setName] = useState(readName);
  const [key, setKey] = useState('');
  const [failure, setFailure] = useState<string | null>(null);
  const [isSending, setSending] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const nameId = useId();
  const keyId = useId();
  const failureId = useId();

  useEffect(() => {
    document.title = 'Sign in · Deckhand';
    field.current?.focus();
  }, []);

  async function submit(event: FormEvent) {
    event.preventDefault();
    setSending(true);
    setFailure(null);
    try {
      const { person } = await api.signIn(name, key);
      writeName(person.name);
      onSignedIn();
    } catch (error) {
      setFailure(error instanceof Error ? error.message.replace(/^(name|key): /, '') : String(error));
      setSending(false);
      field.current?.focus();
    }
  }

  return (
    <main className="sign-in">
      <form onSubmit={(event) => void submit(event)}>
        <Mark />
        <h1>Deckhand</h1>
        <p>Agents that work where your team talks, and ask before they do anything risky.</p>
        <label htmlFor={nameId}>Your name</label>
        <input
          id={nameId}
          ref={field}
          value={name}
          autoComplete="name"
          maxLength={60}
          required
          aria-invalid={failure !== null}
          aria-describedby={failureId}
          onChange={(event) => setName(event.target.value)}
        />
        {session.key_required && (
          <>
            <label htmlFor={keyId}>API key</label>
            <input
              id={keyId}
              type="password"
              value={key}
              autoComplete="current-password"
              required
              aria-describedby={failureId}
              onChange={(event) => setKey(event.target.value)}
            />
          </>
        )}
        <p id={failureId} className="field-error" role="alert">
          {failure}
        </p>
        <button type="submit" className="primary" disabled={isSending}>
          {isSending ? 'Coming aboard…' : 'Come aboard'}
        </button>
      </form>
    </main>
  );
}
