import { isValidElement, type ReactNode, useRef } from 'react';
import { CopyButton } from './copy-button.tsx';

/** A fenced block: its language, a copy button, and the code, which scrolls sideways. */
export function CodeBlock({ children }: { children: ReactNode }) {
  const code = useRef<HTMLPreElement>(null);
  const language = languageOf(children);
  return (
    <div className="code-block">
      <div className="code-head">
        <span>{language ?? 'text'}</span>
        <CopyButton label="Copy code" text={() => code.current?.textContent ?? ''} />
      </div>
      <pre ref={code} tabIndex={0} role="group" aria-label={language === null ? 'Code' : `Code, ${language}`}>
        {children}
      </pre>
    </div>
  );
}

function languageOf(children: ReactNode): string | null {
  if (!isValidElement<{ className?: string }>(children)) return null;
  return /language-(\S+)/.exec(children.props.className ?? '')?.[1] ?? null;
}
