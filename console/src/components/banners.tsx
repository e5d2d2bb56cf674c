import { useEffect, useState } from 'react';
import { Spinner } from './icon.tsx';

/** A connection that comes back sooner (milliseconds) is not worth a word. */
const PATIENCE_MS = 1_500;

/** What is true of the whole page and a person must know. */
export function Banners({ isStandIn, isConnected }: { isStandIn: boolean; isConnected: boolean }) {
  const [isLost, setLost] = useState(false);
  useEffect(() => {
    if (isConnected) {
      setLost(false);
      return;
    }
    const timer = setTimeout(() => setLost(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [isConnected]);

  return (
    <>
      {isStandIn && (
        <p className="banner" data-testid="stand-in">
          You are talking to a scripted stand-in, not Claude: set <code>ANTHROPIC_API_KEY</code> and start again.
        </p>
      )}
      <div role="status">
        {isLost && (
          <p className="banner banner-lost">
            <Spinner /> Connection lost. Reconnecting… What you write is kept.
          </p>
        )}
      </div>
    </>
  );
}
