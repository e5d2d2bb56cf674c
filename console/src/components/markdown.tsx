import { memo, type ReactNode } from 'react';
import ReactMarkdown, { type Components } from 'react-markdown';
import rehypeHighlight from 'rehype-highlight';
import remarkGfm from 'remark-gfm';
import { splitMarkdown } from '../markdown-blocks.ts';
import { CodeBlock } from './code-block.tsx';

/**
 * Markdown as safe elements: raw HTML stays text, addresses are limited to harmless schemes (react-markdown's own
 * rule), and a picture becomes a link, because loading it would tell its server what was said.
 */
export const Markdown = memo(function Markdown({ text }: { text: string }) {
  return (
    <div className="markdown">
      {splitMarkdown(text).map((block, index) => (
        // Blocks only grow at the end, so a place is an identity.
        <Block key={index} text={block} />
      ))}
    </div>
  );
});

const Block = memo(function Block({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={[remarkGfm]} rehypePlugins={[rehypeHighlight]} components={components}>
      {text}
    </ReactMarkdown>
  );
});

const links: Components = {
  a: ({ href, children }) => <OutsideLink href={href}>{children}</OutsideLink>,
  img: ({ src, alt }) => <OutsideLink href={typeof src === 'string' ? src : undefined}>{alt || 'picture'}</OutsideLink>,
};

const components: Components = {
  // The page's own headings are levels 1 and 2.
  h1: ({ children }) => <h3 className="h1">{children}</h3>,
  h2: ({ children }) => <h4 className="h2">{children}</h4>,
  h3: ({ children }) => <h5 className="h3">{children}</h5>,
  h4: ({ children }) => <h6 className="h4">{children}</h6>,
  h5: ({ children }) => <h6 className="h4">{children}</h6>,
  h6: ({ children }) => <h6 className="h4">{children}</h6>,
  ...links,
  // The box of a task list; the words beside it are not its label.
  input: ({ checked }) => <input type="checkbox" disabled checked={checked} aria-label={checked ? 'Done' : 'To do'} />,
  pre: ({ children }) => <CodeBlock>{children}</CodeBlock>,
  table: ({ children }) => (
    // A wide table scrolls by itself; a keyboard can only scroll what it can focus.
    <div className="table" role="group" aria-label="Table" tabIndex={0}>
      <table>{children}</table>
    </div>
  ),
};

/** What stands within a line. */
const INLINE = ['p', 'strong', 'em', 'del', 'code', 'a', 'img'];

const inline: Components = {
  p: ({ children }) => <>{children}</>,
  ...links,
};

/** The same for a line of text, as safely: of headings, lists and the like only the words are left. */
export const InlineMarkdown = memo(function InlineMarkdown({ text }: { text: string }) {
  return (
    <ReactMarkdown remarkPlugins={[remarkGfm]} allowedElements={INLINE} unwrapDisallowed components={inline}>
      {text}
    </ReactMarkdown>
  );
});

function OutsideLink({ href, children }: { href: string | undefined; children: ReactNode }) {
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}
