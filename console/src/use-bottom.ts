import { type RefObject, useCallback, useEffect, useRef, useState } from 'react';

export interface Bottom {
  /** The element that scrolls, and the one inside it that grows. */
  scroller: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  isAtBottom: boolean;
  toBottom: () => void;
  /** Call before older content is put above; the returned function brings back what was in view. */
  keepPlace: () => () => void;
}

/** Closer to the end than this (pixels) counts as being there. */
const NEAR = 48;

/** Follows growing content while the reader is at its end, and leaves a reader who scrolled up alone. */
export function useBottom(): Bottom {
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

  const keepPlace = useCallback(() => {
    const before = scroller.current?.scrollHeight ?? 0;
    return () =>
      requestAnimationFrame(() => {
        const element = scroller.current;
        if (element) element.scrollTop += element.scrollHeight - before;
      });
  }, []);

  return { scroller, content, isAtBottom, toBottom, keepPlace };
}
