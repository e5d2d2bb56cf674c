import { useCallback, useEffect, useState } from 'react';
import type { SessionInfo } from '../../../connectors/web/wire.ts';
import { api } from '../api.ts';
import { Chat } from './chat.tsx';
import { SignIn } from './sign-in.tsx';

/** The whole page: who is there decides what is shown. */
export function App() {
  const [session, setSession] = useState<SessionInfo | null>(null);
  const [failure, setFailure] = useState<string | null>(null);

  const load = useCallback(async () => {
    try {
      setSession(await api.session());
      setFailure(null);
    } catch (error) {
      setFailure(error instanceof Error ? error.message : String(error));
    }
  }, []);

  useEffect(() => void load(), [load]);

  if (failure !== null) {
    return (
      <main className="failed" role="alert">
        <h1>Not reachable</h1>
        <p>{failure}</p>
        <button type="button" onClick={() => void load()}>
          Try again
        </button>
      </main>
    );
  }
  if (session === null) return null;
  if (session.person === null) return <SignIn session={session} onSignedIn={() => void load()} />;
  return <Chat session={session} person={session.person} onSignedOut={() => void load()} />;
}
