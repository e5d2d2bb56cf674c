import { useEffect, useState } from 'react';
import { Icon } from './icon.tsx';

/** Copies text, and says so for two seconds. */
export function CopyButton({ label, text }: { label: string; text: () => string }) {
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle');

  useEffect(() => {
    if (state === 'idle') return;
    const timer = setTimeout(() => setState('idle'), 2_000);
    return () => clearTimeout(timer);
  }, [state]);

  async function copy() {
    try {
      await navigator.clipboard.writeText(text());
      setState('copied');
    } catch {
      // No permission, or a page without TLS: the text can still be selected.
      setState('failed');
    }
  }

  const said = { idle: 'Copy', copied: 'Copied', failed: 'Not allowed' }[state];
  return (
    <button
      type="button"
      className="quiet small"
      aria-label={state === 'idle' ? label : said}
      onClick={() => void copy()}
    >
      <Icon name={state === 'copied' ? 'check' : 'copy'} />
      <span>{said}</span>
    </button>
  );
}
