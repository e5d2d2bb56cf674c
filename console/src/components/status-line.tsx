import { useEffect, useState } from 'react';

/** What the agent does now, and for how long once that is worth saying. */
export function StatusLine({ status }: { status: string | null }) {
  const [since, setSince] = useState<{ status: string | null; at: number }>({ status: null, at: 0 });
  const [now, setNow] = useState(0);
  if (since.status !== status) setSince({ status, at: Date.now() });

  useEffect(() => {
    if (status === null) return;
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, [status]);

  const seconds = Math.floor((now - since.at) / 1_000);
  return (
    <div className="status-line" data-testid="status" hidden={status === null}>
      <span className="status-dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <span>{status}</span>
      {seconds >= 5 && <span className="status-time">{durationOf(seconds)}</span>}
    </div>
  );
}

function durationOf(seconds: number): string {
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
