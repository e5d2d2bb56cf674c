import { type RefObject, useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

export interface Bottom {
  /** The element that scrolls, and the one inside it that grows. */
  scroller: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  isAtBottom: boolean;
  toBottom: () => void;
}

/** Closer to the end than this (pixels) counts as being there. */
const NEAR = 48;

/**
 * Follows growing content while the reader is at its end, and leaves a reader who scrolled up alone. `first` is the id of the
 * first message: when older ones come above it, what is being read stays where it is.
 */
export function useBottom(first: string | undefined): Bottom {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const [isAtBottom, setAtBottom] = useState(true);

  const toBottom = useCallback(() => {
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  }, []);

  useEffect(() => {
    const element = scroller.current;
    const inner = content.current;
    if (!element || !inner) return;
    const onScroll = () => {
      follows.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR;
      setAtBottom(follows.current);
    };
    const observer = new ResizeObserver(() => {
      if (follows.current) toBottom();
      else onScroll();
    });
    element.addEventListener('scroll', onScroll, { passive: true });
    observer.observe(inner);
    observer.observe(element);
    return () => {
      element.removeEventListener('scroll', onScroll);
      observer.disconnect();
    };
  }, [toBottom]);

  const top = useRef<{ message: HTMLElement; end: number } | null>(null);
  useLayoutEffect(() => {
    const element = scroller.current;
    const message = content.current?.querySelector<HTMLElement>('.message');
    if (!element) return;
    const before = top.current;
    if (first !== undefined && before?.message.isConnected) {
      // Before it is painted; having been scrolled, the browser keeps the place no second time.
      element.scrollTop += endOf(before.message) - before.end;
    }
    top.current = message ? { message, end: endOf(message) } : null;
  }, [first]);

  return { scroller, content, isAtBottom, toBottom };
}

/** Its lower edge, in pixels from the top of all content: its head may go when another message comes before it. */
function endOf(message: HTMLElement): number {
  return message.offsetTop + message.offsetHeight;
}
